"""Real training processes for the tests: forked from one that has TensorFlow imported already (zygote.py)."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from gail_tf import demonstrations

# Six iterations of 128 steps, a checkpoint after every second; no XLA, whose compilation would be most of it.
TINY = (
    "--gin=OnPolicyGenerator.num_environments = 2",
    "--gin=OnPolicyGenerator.num_steps = 64",
    "--gin=OnPolicyGenerator.jit_compile = False",
    "--gin=PPO.num_epochs = 2",
    "--gin=Trainer.total_env_steps = 768",
    "--gin=Trainer.checkpoint_interval = 2",
    "--gin=Trainer.num_evaluations = 3",
    "--gin=Trainer.episodes_per_evaluation = 2",
    "--gin=Trainer.final_episodes = 3",
)
TINY_CLONING = (
    "--gin=BehavioralCloning.jit_compile = False",
    "--gin=CloningGenerator.epochs_per_iteration = 2",
    "--gin=Trainer.total_iterations = 6",
    *TINY[5:],
)

# An encoder that policy and value share, another of the discriminator's, on stacks of two frames of 12 x 12.
TINY_PIXELS = (
    "--environment=frame_environments:Bar-v0",
    "--gin=make_environment.wrappers = [@StackedFrames]",
    "--gin=StackedFrames.num_frames = 2",
    "--gin=small_encoder.filters = (4, 4)",
    "--gin=small_encoder.units = 8",
    "--gin=OnPolicyGenerator.encoder = @small_encoder",
    "--gin=make_discriminator_network.encoder = @covered",
    "--gin=covered.boxes = [(0, 2, 0, 12)]",
    "--gin=Discriminator.augmentations = [@random_shift, @input_dropout]",
    *TINY,
)

# The same off-policy: six iterations of 16 steps, the first two at random, a line of metrics for two.
TINY_OFF_POLICY = (
    "--gin=OffPolicyGenerator.num_steps = 16",
    "--gin=OffPolicyGenerator.num_updates = 4",
    "--gin=OffPolicyGenerator.batch_size = 16",
    "--gin=OffPolicyGenerator.num_reward_rows = 64",
    "--gin=OffPolicyGenerator.num_random_steps = 32",
    "--gin=OffPolicyGenerator.replay_capacity = 80",
    "--gin=OffPolicyGenerator.jit_compile = False",
    "--gin=Trainer.total_env_steps = 96",
    "--gin=Trainer.log_interval = 2",
    *TINY[5:],
)

# SQIL on the same stacks; a game ends every few steps, so that the memory of frames goes round.
TINY_SQIL = (
    *TINY_PIXELS[:5],
    "--gin=make_action_value_network.encoder = @small_encoder",
    "--gin=make_action_value_network.hidden = ()",
    "--gin=OffPolicyGenerator.num_environments = 2",
    *TINY_OFF_POLICY,
    "--gin=OffPolicyGenerator.num_steps = 8",
)

# Five iterations: the first takes 256 steps, and the ring is full after three.
TINY_MODEL_BASED = (
    "--gin=ModelBasedGenerator.num_environments = 2",
    "--gin=ModelBasedGenerator.num_steps = 64",
    "--gin=ModelBasedGenerator.num_prefill_steps = 64",
    "--gin=ModelBasedGenerator.replay_capacity = 256",
    "--gin=ModelBasedGenerator.num_updates = 2",
    "--gin=ModelBasedGenerator.num_warmup_updates = 2",
    "--gin=ModelBasedGenerator.jit_compile = False",
    "--gin=ModelBasedGenerator.segment_length = 2",
    "--gin=MGAIL.horizon = 2",
    *TINY[4:],
)


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str


class Processes:
    def __init__(self, folder: Path):
        self.folder, self._number = folder, 0
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        del environment["TF_CPP_MIN_LOG_LEVEL"]  # the suite's: what a person sees is under test here
        self._zygote = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        if self._zygote.stdout.readline() != "ready\n":
            raise RuntimeError(f"zygote.py did not start: {self._zygote.communicate()[1]}")

    def __call__(self, *argv: str, fault: str | None = None, cwd: Path | None = None) -> Result:
        """Runs a binary, ``("train", "--run_dir=...", ...)``; ``fault`` is a name in zygote.FAULTS."""
        self._number += 1
        output = self.folder / f"output_{self._number}"
        job = {"argv": argv, "cwd": str(cwd or self.folder), "output": str(output), "fault": fault}
        self._zygote.stdin.write(json.dumps(job) + "\n")
        self._zygote.stdin.flush()
        self._zygote.stdout.readline()  # the pid
        code = int(self._zygote.stdout.readline())
        return Result(code, *(Path(f"{output}{suffix}").read_text() for suffix in (".out", ".err")))

    def close(self):
        try:
            self._zygote.communicate("\n", timeout=60)
        except subprocess.TimeoutExpired:
            self._zygote.kill()
            raise


@pytest.fixture(scope="session")
def processes(tmp_path_factory):
    pool = Processes(tmp_path_factory.mktemp("processes"))
    yield pool
    pool.close()


def _record(environment, act, num_episodes):
    env, rows, ends = gym.make(environment), [], []
    for seed in range(num_episodes):
        observation, done = env.reset(seed=seed)[0], False
        while not done:
            action = act(observation)
            successor, reward, terminated, truncated, _ = env.step(action)
            rows.append((observation, action, successor, reward, terminated, truncated and not terminated))
            observation, done = successor, terminated or truncated
        ends.append(len(rows))
    names = ("observations", "actions", "next_observations", "rewards", "terminated", "truncated")
    fields = {name: np.asarray(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    fields["rewards"] = fields["rewards"].astype(np.float32)
    return demonstrations.Demonstrations(**fields, episode_ends=np.array(ends), environment=environment)


@pytest.fixture(scope="session")
def cartpole(tmp_path_factory):
    """Three episodes of a scripted policy: push towards the side to which the pole is falling."""
    path = tmp_path_factory.mktemp("demonstrations") / "cartpole.npz"
    demonstrations.save(path, _record("CartPole-v1", lambda o: int(o[2] + o[3] > 0), 3))
    return path


@pytest.fixture(scope="session")
def bar(tmp_path_factory):
    """Three episodes of frames in which every action is the bar's side."""
    path = tmp_path_factory.mktemp("demonstrations") / "bar.npz"
    sys.path.append(str(Path(__file__).parent))
    recorded = _record("frame_environments:Bar-v0", lambda frame: int(frame[0, 9] > 0), 3)
    demonstrations.save(path, recorded, compact=True)
    return path


@pytest.fixture(scope="session")
def pendulum(tmp_path_factory):
    path = tmp_path_factory.mktemp("demonstrations") / "pendulum.npz"
    act = lambda o: np.clip(np.array([-2.0 * o[1] - o[2]], np.float32), -2.0, 2.0)  # noqa: E731
    demonstrations.save(path, _record("Pendulum-v1", act, 2))
    return path


@pytest.fixture(scope="session")
def recipes(cartpole, pendulum, bar):
    """Name of a recipe -> the flags of its tiny run."""
    trpo = ("--config=gail_trpo/any", *TINY)
    sac = ("--config=sac_gail/any", f"--demonstrations={pendulum}", *TINY_OFF_POLICY)
    cloned = ("--gin=OffPolicyGenerator.expert_share = 0.25", "--gin=SAC.cloning_coef = 0.2")
    bc = ("--config=bc/any", f"--demonstrations={cartpole}", *TINY_CLONING)
    cloned_start = (
        "--gin=OnPolicyGenerator.warm_start_epochs = 2",
        "--gin=PPO.cloning_coef = 0.1",
        "--gin=BehavioralCloning.jit_compile = False",
    )
    mgail = ("--config=mgail/any", f"--demonstrations={cartpole}", *TINY_MODEL_BASED)
    return {
        "PPO CartPole": ("--config=gail_ppo/any", f"--demonstrations={cartpole}", *TINY),
        "TRPO CartPole": (*trpo, f"--demonstrations={cartpole}"),
        "PPO Pendulum": (
            "--config=gail_ppo/any",
            f"--demonstrations={pendulum}",
            *TINY,
            *cloned_start,
            "--gin=make_environment.max_episode_steps = 100",
        ),
        "VR CartPole": ("--config=gail_vr/any", f"--demonstrations={cartpole}", *TINY),
        "SAC Pendulum": sac,
        "SAC Pendulum, ahead": (*sac, "--gin=OffPolicyGenerator.collect_while_learning = True", *cloned),
        "TRPO Pendulum": (*trpo, f"--demonstrations={pendulum}"),
        "PPO pixels": ("--config=gail_ppo/any", f"--demonstrations={bar}", *TINY_PIXELS, *cloned_start),
        "SQIL pixels": ("--config=sqil/any", f"--demonstrations={bar}", *TINY_SQIL),
        "IQ-Learn pixels": ("--config=iq_learn/any", f"--demonstrations={bar}", *TINY_SQIL),
        "BC pixels": (
            "--config=bc/any",
            f"--demonstrations={bar}",
            *TINY_PIXELS[:5],
            "--gin=make_actor_network.encoder = @small_encoder",
            "--gin=make_actor_network.hidden = ()",
            *TINY_CLONING,
        ),
        "BC CartPole": bc,
        "BC CartPole, ensemble": (*bc, "--gin=CloningGenerator.num_members = 3"),
        "MGAIL CartPole": mgail,
        "MGAIL CartPole, ahead": (*mgail, "--gin=ModelBasedGenerator.collect_while_learning = True"),
    }


@pytest.fixture(scope="session")
def reference(processes, recipes):
    """``reference(name)`` -> the directory of that recipe's uninterrupted run, and what it printed."""
    done = {}

    def run(name):
        if name not in done:
            run_dir = processes.folder / f"reference_{len(done)}"
            result = processes("train", *recipes[name], f"--run_dir={run_dir}")
            assert result.code == 0, result.err
            done[name] = run_dir, result
        return done[name]

    return run
