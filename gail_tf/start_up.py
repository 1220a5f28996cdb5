"""What comes before the first use of TensorFlow: one thread, no foreign notices, compiled code at hand."""

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import warnings
from pathlib import Path

from gail_tf.errors import UserError
from gail_tf.machine import pip_install, quiet

TF_AGENTS = "tf-agents==0.19.0"
"""What pip is told to install."""
_CACHE_LIMIT = 2 * 1024**3
"""Bytes of compiled code that are kept; the least recently read goes first."""


def import_tensorflow() -> None:
    """Imports gail_tf, TensorFlow and TF-Agents quietly and gives TensorFlow one thread.

    Networks this small gain little from a second, results then do not depend on how work was split, and the
    other cores step the environments. TF-Agents imports the old gym, which prints that it is old. A process
    whose TensorFlow is at work already keeps its number of threads.
    """
    if "tf_agents" not in sys.modules:
        _import_quietly()
    _ready()
    _use_one_thread()


def _import_quietly() -> None:
    if importlib.util.find_spec("tf_agents") is None:
        raise UserError(
            "TF-Agents is not installed: it comes without its dependencies, whose pins fit no new Python. "
            f"Run: {pip_install('--no-deps', TF_AGENTS)}"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow's own choice on a processor with AVX-512. Without that it leaves oneDNN out, and updates from
    # the screen, whose convolutions XLA does not compile on a CPU, take half as long again.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with quiet(2), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # python -W error would make errors of theirs
        import tensorflow  # noqa: F401, ICN001
        import tf_agents  # noqa: F401
        from tf_agents.agents.ppo import ppo_clip_agent  # noqa: F401


@functools.cache  # what a program sets after its first training is left to it
def _ready() -> None:
    """Also where the program imported TF-Agents, as a network of gail_tf's does: there is time yet."""
    import tensorflow as tf

    # autograph of TF-Agents' generated code; gymnasium on float64 bounds cast to float32.
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    warnings.filterwarnings("ignore", message=".*precision lowered by casting.*")
    # A NaN or Inf ends the run by name; NumPy's notice of the subtraction that met it says less.
    warnings.filterwarnings("ignore", "invalid value encountered", RuntimeWarning, "gail_tf")
    tf.get_logger().setLevel("ERROR")
    keep_compiled_code()


def check_not_forked() -> None:
    """Raises UserError in a fork of a process whose TensorFlow is at work: none of its threads is here.

    TensorFlow would wait for them for ever.
    """
    if _is_fork_at_work:
        raise UserError(
            "this process is a fork of one where TensorFlow is at work already, which cannot train: start it "
            "by multiprocessing.get_context('spawn'), or before TensorFlow is used."
        )


def check_as_training_wants_it() -> None:
    """Raises UserError where a program has TensorFlow compute in a way that training does not know.

    Left to itself that ends far inside, and blames a network that is fine.
    """
    import tensorflow as tf

    keras = tf.keras
    for kind in (keras.backend.floatx(), keras.mixed_precision.global_policy().name):
        if kind != "float32":
            mend = "tf.keras.backend.set_floatx and tf.keras.mixed_precision.set_global_policy"
            raise UserError(
                f"Keras computes in {kind} in this process: want float32 while it trains ({mend})."
            )
    if tf.distribute.has_strategy():
        raise UserError("train is called in the scope of a tf.distribute strategy: call it outside of it.")
    if not tf.executing_eagerly():
        raise UserError(
            "TensorFlow does not execute eagerly where train is called: call it outside of tf.function and "
            "tf.Graph, in a process without tf.compat.v1.disable_eager_execution()."
        )


_is_fork_at_work = False


def _note_fork() -> None:
    """Keeps whether TensorFlow was at work when this process was forked."""
    global _is_fork_at_work
    with contextlib.suppress(AttributeError):  # not there, or being imported
        threading = sys.modules.get("tensorflow").config.threading
        number = threading.get_inter_op_parallelism_threads()
        try:
            threading.set_inter_op_parallelism_threads(number + 1)
            threading.set_inter_op_parallelism_threads(number)
        except RuntimeError:
            _is_fork_at_work = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def use_device(device: str | None) -> None:
    """TensorFlow computes on the "cpu" or on a "gpu" from now on; None: on a GPU where it finds one.

    Raises:
      UserError: no GPU is found, or TensorFlow is at work on one already.
    """
    if device not in (None, "cpu", "gpu"):
        raise UserError(f"--device={device}: want cpu or gpu.")
    if device is None:
        return
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        if not tf.test.is_built_with_cuda():
            what = "--device=gpu: this TensorFlow is built for CPUs. Take --device=cpu, or install anew"
            raise UserError(f"{what}: rm -r .venv; make demo TENSORFLOW='tensorflow[and-cuda]'.")
        raise UserError(
            "--device=gpu: TensorFlow finds no GPU here. Take --device=cpu, or install its libraries: "
            f"{pip_install('tensorflow[and-cuda]')}"
        )
    try:
        tf.config.set_visible_devices(gpus if device == "gpu" else [], "GPU")
    except RuntimeError as e:
        raise UserError(f"--device={device}: TensorFlow is at work with other devices: start anew.") from e


def use_tensorflow_threads(number: int | None) -> int:
    """TensorFlow splits its operations among ``number`` threads from now on; None leaves it as it is.

    Wide networks and convolutions gain from more than one. A sum that is split is rounded elsewhere, so
    numbers may then differ in their last bits from those of another ``number``.

    Returns:
      How many it has; 0 stands for all cores.

    Raises:
      UserError: it is at work with another number.
    """
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads
    if number is not None and number != threads():
        try:
            tf.config.threading.set_intra_op_parallelism_threads(number)
        except RuntimeError as e:
            what = f"TensorFlow is at work with {threads() or 'all'} threads, and {number} are wanted"
            whose = "--tensorflow_threads, or the number of the run that goes on"
            raise UserError(f"{what} ({whose}): train in a process of its own.") from e
    return threads()


def _use_one_thread() -> None:
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # at work already
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def keep_compiled_code() -> None:
    """What XLA compiles is kept on disk and read back by the next run that needs the same.

    Compiling is most of a run's first half minute. ``GAIL_TF_CACHE`` names the folder (default: ``gail_tf``
    in the user's cache folder); empty, it turns this off. Code for one kind of processor and one TensorFlow
    is not read by another. A folder that cannot be written or is short of space is left alone: TensorFlow
    gives up a run whose code it cannot keep. A user without a home has none. Call it before TensorFlow is at
    work.
    """
    default = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "gail_tf")
    chosen = os.path.expanduser(os.environ.get("GAIL_TF_CACHE", default))
    flags = os.environ.get("TF_XLA_FLAGS", "")
    is_homeless = chosen.startswith("~")  # no folder of that name is meant
    if not chosen or is_homeless or "persistent_cache" in flags or any(map(str.isspace, chosen)):
        return
    # TensorFlow's own key knows the program, and nothing of what it was compiled for.
    version, flags_of_xla = _version_of_tensorflow(), os.environ.get("XLA_FLAGS", "")
    if version is None:
        return
    built_for = f"{version} {platform.machine()} {_processor()} {flags_of_xla}"
    folder = Path(chosen) / "xla" / hashlib.sha256(built_for.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_the_oldest(folder)
        has_space = shutil.disk_usage(folder).free > _CACHE_LIMIT // 4
    except OSError:
        return
    if has_space and os.access(folder, os.W_OK):
        kept = f"--tf_xla_persistent_cache_directory={folder} --tf_xla_persistent_cache_read_only=false"
        os.environ["TF_XLA_FLAGS"] = f"{flags} {kept}".strip()


def _version_of_tensorflow() -> str | None:
    """Without importing it: flags come before. None where it was installed under a name not known here."""
    for name in ("tensorflow-cpu", "tensorflow", "tf-nightly"):  # the first may have the second's name too
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return f"{name} {importlib.metadata.version(name)}"
    return None


def _processor() -> str:
    """What instructions there are: code compiled for more of them would end the process."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _forget_the_oldest(folder: Path) -> None:
    """Removes files of ``folder``, the least recently read first, until those left fit the limit."""
    files = sorted(((f.stat().st_atime, f.stat().st_size, f) for f in folder.iterdir()), reverse=True)
    total = 0
    for _, size, file in files:
        total += size
        if total > _CACHE_LIMIT:
            file.unlink(missing_ok=True)
