"""What comes before the first use of TensorFlow: one thread, no foreign notices."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def _quiet_stderr():
    """Holds back what Python and native code write to stderr; an exception lets it out."""
    sys.stderr.flush()
    with tempfile.TemporaryFile("w+") as held:
        saved = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            with contextlib.redirect_stderr(held):  # in a notebook it is no file descriptor
                yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            sys.stderr.write(held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def import_tensorflow(num_threads: int = 1) -> None:
    """Imports gail_tf, TensorFlow and TF-Agents quietly and limits TensorFlow to ``num_threads``.

    One thread is the default: networks this small gain little from a second, and results then do not depend
    on how work was split. TF-Agents imports the old gym, which prints that it is old. A process whose
    TensorFlow is at work already keeps its number of threads.
    """
    if "tf_agents" in sys.modules:
        return _limit_threads(num_threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet_stderr():
        import tensorflow as tf
        import tf_agents  # noqa: F401
        from tf_agents.agents.ppo import ppo_clip_agent  # noqa: F401
    import warnings

    # autograph of TF-Agents' generated code; gymnasium on float64 bounds cast to float32.
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    warnings.filterwarnings("ignore", message=".*precision lowered by casting.*")
    tf.get_logger().setLevel("ERROR")
    _limit_threads(num_threads)


def _limit_threads(num_threads: int) -> None:
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # at work already
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(num_threads)
