"""A process with everything imported that forks one child per job, so that a test can kill or interrupt
a real training process without paying for TensorFlow's import each time.

Reads one JSON job a line, and ends at an empty one: ``argv`` (a binary's name, then its flags), ``cwd``,
``output`` (a path stem for stdout and stderr), ``fault`` (a name in FAULTS, or null). Writes the child's pid,
then its exit status.
"""

import json
import os
import signal
import sys

from absl import flags


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def replace(owner, name, make):
    setattr(owner, name, make(getattr(owner, name)))


def on_call(number, action):
    """Wraps a function so that ``action`` runs at the start of its ``number``-th call."""

    def wrap(function):
        calls = [0]

        def wrapped(*args, **kwargs):
            calls[0] += 1
            if calls[0] == number:
                action()
            return function(*args, **kwargs)

        return wrapped

    return wrap


def _generators():
    from gail_tf.generators.cloning import CloningGenerator
    from gail_tf.generators.model_based import ModelBasedGenerator
    from gail_tf.generators.off_policy import OffPolicyGenerator
    from gail_tf.generators.on_policy import OnPolicyGenerator

    return OnPolicyGenerator, OffPolicyGenerator, ModelBasedGenerator, CloningGenerator


def during_update(number, action):
    for generator in _generators():
        replace(generator, "update", on_call(number, action))


def before_the_first_checkpoint():
    for generator in _generators():
        replace(generator, "prepare", on_call(1, die))


def in_a_cloned_start():
    from gail_tf.agents.behavioral_cloning import BehavioralCloning

    replace(BehavioralCloning, "epoch", on_call(2, lambda: os.kill(os.getpid(), signal.SIGTERM)))


def during_a_checkpoint(number):
    import numpy as np

    replace(np, "savez", on_call(number, die))  # the variables are written, the rest is not


def in_the_final_evaluation():
    from gail_tf.training.trainer import Trainer

    def wrap(evaluate):
        def wrapped(self, act, num_episodes, seed):
            result = evaluate(self, act, num_episodes, seed)
            if num_episodes == self._final_episodes:
                die()
            return result

        return wrapped

    replace(Trainer, "_evaluate", wrap)


def before_the_summary():
    from gail_tf.training import session

    replace(session, "write_json", on_call(1, die))


def after_the_summary():
    from gail_tf.training import session
    from gail_tf.training.run_directory import RunDirectory

    def arm():
        replace(RunDirectory, "update_info", on_call(1, die))

    replace(session, "write_json", on_call(1, arm))


def under_nohup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    during_update(2, lambda: os.kill(os.getpid(), signal.SIGHUP))


def terminal_closes():
    """A controlling terminal with a progress bar on it, whose other end is closed in the second iteration."""
    import fcntl
    import termios

    os.setsid()
    other, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    os.dup2(terminal, 1)
    os.dup2(terminal, 2)
    os.close(terminal)
    os.environ["TQDM_MININTERVAL"] = "0"  # so that the bar is drawn after every iteration
    during_update(2, lambda: os.close(other))


def impatient():
    """Ctrl-C five times within a tenth of a second."""
    import subprocess

    five = "; sleep 0.02; ".join([f"kill -INT {os.getpid()}"] * 5)
    during_update(2, lambda: subprocess.Popen(["sh", "-c", five], start_new_session=True))


def small_files():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


class Forked:
    """subprocess.Popen as a study uses it, without the start of a Python: the run is a fork of this one."""

    def __init__(self, command, stdout, env, **_):
        self.pid, self.returncode = os.fork(), None
        if self.pid == 0:
            os.setsid()
            os.dup2(stdout.fileno(), 1)
            os.dup2(stdout.fileno(), 2)
            for flag in list(flags.FLAGS.flags_by_module_dict()["gail_tf.bin.study"]):
                delattr(flags.FLAGS, flag.name)  # training has some of the same names
            binary = command[2].split("gail_tf.bin.")[1].split()[0]  # of "-c CODE PARENT FLAGS"
            leave(start, [binary, *command[4:]])

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def forked_runs():
    from gail_tf.studies import runner

    runner.subprocess = type("subprocess", (), {"Popen": Forked, "DEVNULL": None})


FAULTS = {
    "before the first checkpoint": before_the_first_checkpoint,
    "first iteration": lambda: during_update(1, die),
    "third iteration": lambda: during_update(3, die),
    "checkpoint": lambda: during_a_checkpoint(2),
    "final evaluation": in_the_final_evaluation,
    "before the summary": before_the_summary,
    "after the summary": after_the_summary,
    "Ctrl-C": lambda: during_update(2, lambda: os.kill(os.getpid(), signal.SIGINT)),
    "two Ctrl-C": lambda: during_update(
        2, lambda: [os.kill(os.getpid(), signal.SIGINT), os.kill(os.getpid(), signal.SIGINT)]
    ),
    "SIGTERM": lambda: during_update(2, lambda: os.kill(os.getpid(), signal.SIGTERM)),
    "SIGHUP": lambda: during_update(2, lambda: os.kill(os.getpid(), signal.SIGHUP)),
    "SIGTERM in a cloned start": in_a_cloned_start,
    "SIGHUP under nohup": under_nohup,
    "terminal closes": terminal_closes,
    "five Ctrl-C": impatient,
    "full disk": small_files,
    "none, with forked runs": forked_runs,
    "none, with a progress bar": lambda: os.environ.update(GAIL_TF_PROGRESS="1"),
}


def child(job):
    os.chdir(job["cwd"])
    for number, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(job["output"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
    if job["fault"]:
        FAULTS[job["fault"]]()
    start(job["argv"])


def start(argv):
    sys.argv = [f"/somewhere/gail-{argv[0].replace('_', '-')}", *argv[1:]]
    __import__(f"gail_tf.bin.{argv[0]}", fromlist=["run"]).run()


def leave(work, *arguments):
    """Ends this forked process as a Python would that did ``work(*arguments)``."""
    code = 1
    try:
        work(*arguments)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main():
    # nohup and a shell's & leave them ignored, and what a test sends would not arrive.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    from gail_tf.start_up import import_tensorflow

    import_tensorflow()
    import gail_tf.assembly.parts  # noqa: F401
    import gail_tf.training.rollouts  # noqa: F401

    print("ready", flush=True)
    # The end of stdin would never come: what a worker of the suite forked meanwhile holds it open too.
    while line := sys.stdin.readline().strip():
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            leave(child, job)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
