"""Films recorded actions in a process of its own, without TensorFlow: EGL and TensorFlow end one they share.

``film`` starts ``python -m gail_tf.environments.film PID``, which reads a job from stdin, answers in JSON,
and ends when process PID, which started it, is gone.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import gymnasium as gym
import numpy as np

from gail_tf.environments.make import make_by_arguments
from gail_tf.environments.third_party import any_error_as_user_error
from gail_tf.environments.wrappers import recalled
from gail_tf.errors import WHERE, UserError, error_message, kind_of, one_line
from gail_tf.files import remove_leftovers

_OF_A_LOST_FILM = LookupError, RuntimeError, SyntaxError  # imageio's, of a file that ffmpeg could not write
_CLOSING_SECONDS = 5
_RENDERERS = {
    "egl": "install EGL with a driver (Debian: libegl1 libgl1-mesa-dri), or set MUJOCO_GL=osmesa",
    "osmesa": "install OSMesa (Debian: libosmesa6), or set MUJOCO_GL=egl where there is a driver",
    "glfw": "glfw wants a display: without one set MUJOCO_GL=egl or MUJOCO_GL=osmesa",
}


def film(
    environment: str | Callable[[], gym.Env],
    arguments: Mapping[str, Any],
    actions: np.ndarray,
    seed: int,
    path: str,
) -> float:
    """Plays ``actions`` (``[L, ...]``, in the environment's units) from ``reset(seed=seed)`` into a film.

    Args:
      environment, arguments: of make_environment; wrappers as ``described`` tells them.
      path: .mp4 or .gif; written whole or not at all.

    Returns:
      The return of the filmed episode.

    Raises:
      UserError: there is no renderer, or the environment cannot be rendered; in one line.
    """
    return in_child(
        f"--video={path}",
        _filmed,
        path,
        environment=environment,
        arguments=dict(arguments),
        actions=actions,
        seed=seed,
    )


def in_child(what: str, work: Callable[..., float], path: str | os.PathLike, **arguments: Any) -> float:
    """``work(path=path, **arguments)``, which renders to ``path``, in a process without TensorFlow.

    Raises:
      UserError: it raised something, or its process ended; ``what`` cannot be made, in one line.
    """
    import cloudpickle

    with any_error_as_user_error(
        f"{what}: cannot be made: another process renders, and cannot be told", "give an id"
    ):
        job = cloudpickle.dumps((work, {"path": os.path.abspath(path), **arguments}))
    command = [sys.executable, "-m", "gail_tf.environments.film", str(os.getpid())]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=_surroundings(), **pipes) as child:
        try:
            output, said = child.communicate(job)
        except BaseException:  # a Ctrl-C, of which the child need not know
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_CLOSING_SECONDS)
            raise
        finally:
            child.kill()
            child.wait()
            remove_leftovers(Path(path).parent, Path(path).name)  # one that was killed could not
    lines = output.decode(errors="replace").strip().splitlines()
    answer = {}
    with contextlib.suppress(ValueError, IndexError):
        answer = json.loads(lines[-1])
    if "return" in answer:
        return answer["return"]
    if os.environ.get("GAIL_TF_TRACEBACK"):
        sys.stderr.write(said.decode(errors="replace"))
    why = answer.get("error")
    if why is None and child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        why = f"its process was ended by {name}; {_renderer_advice(_surroundings())}"
    why = why or f"its process ended with code {child.returncode}"
    raise UserError(f"{what}: cannot be made: {why} {WHERE}.")


@contextlib.contextmanager
def renderer_set_aside() -> Iterator[None]:
    """Without MUJOCO_GL in the block: MuJoCo loads what it names, which only the child needs."""
    named = os.environ.pop("MUJOCO_GL", None)
    try:
        yield
    finally:
        if named is not None:
            os.environ["MUJOCO_GL"] = named


def _surroundings() -> dict[str, str]:
    """The child's environment variables: this process' path, no sound, and off screen where there is none."""
    found = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "SDL_AUDIODRIVER": "dummy"}
    has_display = sys.platform != "linux" or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))
    return found if has_display else {"MUJOCO_GL": "egl", "SDL_VIDEODRIVER": "dummy"} | found


def _renderer_advice(surroundings: Mapping[str, str]) -> str:
    return _RENDERERS.get(surroundings.get("MUJOCO_GL", "glfw"), "MUJOCO_GL wants to be egl, osmesa or glfw")


def _main(job: BinaryIO, parent: int) -> None:
    """The child: does the job on stdin; its last line on stdout is ``{"return"}`` or ``{"error"}``."""
    import pickle

    # What is half written goes. Before SDL, to which a SIGTERM that nobody hears is a window's closing.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        work, arguments = pickle.load(job)  # noqa: S301 - of the process that started this
        print(json.dumps({"return": work(**arguments)}))
    except Exception as e:
        traceback.print_exc()
        why = one_line(error_message(e))
        # No OpenGL shows as anything at all, such as an AttributeError of None.
        if any(
            f"{os.sep}{name}{os.sep}" in file for file in _files(e) for name in ("OpenGL", "mujoco", "glfw")
        ):
            renderer, first = os.environ.get("MUJOCO_GL", "glfw"), list(_chain(e))[-1]
            why = f"MUJOCO_GL is {renderer}, {type(first).__name__}: {one_line(first)}"
            why = f"MuJoCo finds no renderer ({why}); {_renderer_advice(os.environ)}"
        print(json.dumps({"error": why}))
        sys.exit(2)


def _end_with(parent: int) -> None:
    """Ends this process when its ``parent`` is gone: nobody waits for what it makes any more."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it came from, the first that was raised last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _files(error: BaseException) -> Iterator[str]:
    """Of the frames of ``error`` and of what it came from."""
    for one in _chain(error):
        yield from (frame.filename for frame in traceback.extract_tb(one.__traceback__))


def _filmed(environment, arguments: dict, actions: np.ndarray, seed: int, path: str) -> float:
    with rendered(environment, arguments) as env:
        with _writer(Path(path), env.metadata.get("render_fps") or 30) as add_frame:
            return play(env, actions, seed, lambda step: add_frame(frame_of(env)))


@contextlib.contextmanager
def rendered(environment: str | Callable[[], gym.Env], arguments: Mapping[str, Any]) -> Iterator[gym.Env]:
    """The environment that ``arguments`` of make_environment make, which renders to arrays."""
    if arguments.get("wrappers"):
        arguments = {**arguments, "wrappers": recalled(arguments["wrappers"])}
    env = make_by_arguments(environment, **{**arguments, "render_mode": "rgb_array"})
    if not any("camera" in name for name in arguments.get("kwargs") or ()):
        _follow(env)
    env.reset(seed=0)  # thrown away, as where episodes are played: PyBullet's first is of other bits
    yield env
    env.close()


def _follow(env: gym.Env) -> None:
    """Takes MuJoCo's camera named "track" where there is one: Gymnasium's own lets the robot walk off."""
    renderer = getattr(env.unwrapped, "mujoco_renderer", None)
    if renderer is not None:
        import mujoco

        found = mujoco.mj_name2id(renderer.model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
        renderer.camera_id = renderer.camera_id if found == -1 else found


def play(env: gym.Env, actions: np.ndarray, seed: int, look: Callable[[int], Any]) -> float:
    """Plays ``actions`` from ``reset(seed=seed)``; ``look`` sees every step, 0 before the first.

    Returns:
      The episode's return.
    """
    env.reset(seed=seed)
    look(0)
    total = 0.0
    for step, action in enumerate(actions, 1):
        total += float(env.step(action)[1])
        look(step)
    return total


def frame_of(env: gym.Env) -> np.ndarray:
    """What ``env`` renders, uint8 ``[H, W, 3]`` or ``[H, W, 4]``; a grey picture has three equal colours.

    Raises:
      UserError: it is no such picture; of numbers from 0 to 1 bytes would be a black one.
    """
    given = env.render()
    frame = np.asarray(given) if isinstance(given, np.ndarray | list | tuple) else np.zeros(0)
    frame = frame[..., None] if frame.ndim == 2 else frame
    is_picture = frame.ndim == 3 and frame.size > 0 and frame.shape[-1] in (1, 3, 4)
    if not is_picture or frame.dtype.kind not in "iu" or frame.min() < 0 or frame.max() > 255:
        told = f"{frame.dtype} {list(frame.shape)}" if frame.size else kind_of(given)
        raise UserError(f"its render() gave {told}: want the picture, uint8 [H, W, 3] from 0 to 255")
    return np.repeat(frame, 3 if frame.shape[-1] == 1 else 1, axis=-1).astype(np.uint8)


def _even(frame: np.ndarray) -> np.ndarray:
    """``frame`` with even sides, its last row and column repeated: what mp4 can hold."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


@contextlib.contextmanager
def _lost_as_user_error(*more: type[Exception]) -> Iterator[None]:
    try:
        yield
    except (OSError, *more) as e:
        why = f"({e.strerror})" if getattr(e, "strerror", None) else "(as where the disk is full)"
        raise UserError(f"the film cannot be written {why}: want a writable folder with free space") from e


@contextlib.contextmanager
def _writer(path: Path, fps: float):
    """Takes frames ``[H, W, 3]``; the film stands under its name when it is whole."""
    import imageio.v2 as imageio

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    settings = {"fps": fps, "macro_block_size": 1} if path.suffix == ".mp4" else {"duration": 1000 / fps}
    try:
        with _lost_as_user_error():
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = imageio.get_writer(temporary, **settings)

        def add_frame(frame: np.ndarray) -> None:
            with _lost_as_user_error(*_OF_A_LOST_FILM):
                writer.append_data(_even(frame))

        try:
            yield add_frame
        finally:
            with _lost_as_user_error(*_OF_A_LOST_FILM):  # a GIF is written here
                writer.close()
        # Of a full disk ffmpeg says nothing.
        with _lost_as_user_error(*_OF_A_LOST_FILM), imageio.get_reader(temporary) as film:
            film.get_data(0)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # in place already, or never made
            temporary.unlink()


if __name__ == "__main__":
    _main(sys.stdin.buffer, int(sys.argv[1]))
