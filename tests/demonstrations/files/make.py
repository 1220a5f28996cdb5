"""Made the files of this folder: `python make.py FORMAT` with the packages that README.md lists for it.

All hold the episodes of one controller, so that each can be held against ``reference_*.npz``: three of
CartPole-v1, cut after 40 steps, or three of Pendulum-v1, cut after 20.
"""

import os
import pathlib
import runpy
import sys
import types

import gymnasium as gym
import numpy as np

HERE = pathlib.Path(__file__).parent
LIMITS = {"CartPole-v1": 40, "Pendulum-v1": 20}
NUM_EPISODES, SEED = 3, 6


def make_env(name):
    return gym.make(name, max_episode_steps=LIMITS[name])


def act(observation):
    """Balances a pole for a while, or swings a pendulum up."""
    if len(observation) == 4:
        return int(observation[2] > 0)
    return np.array([2.0 * np.sign(observation[2]) * (0.5 + 0.5 * observation[0])], np.float32)


def episodes(name):
    """Lists of (observation, action, reward, next observation, terminated, truncated)."""
    env, recorded = make_env(name), []
    for i in range(NUM_EPISODES):
        observation = env.reset(**({"seed": SEED} if i == 0 else {}))[0]
        steps, done = [], False
        while not done:
            action = act(observation)
            successor, reward, terminated, truncated, _ = env.step(action)
            steps.append((observation, action, np.float32(reward), successor, terminated, truncated))
            observation, done = successor, terminated or truncated
        recorded.append(steps)
    return recorded


def columns(name):
    """D4RL's keys: arrays with a row a step."""
    steps = [step for episode in episodes(name) for step in episode]
    names = ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts")
    return {key: np.array(values) for key, values in zip(names, zip(*steps, strict=True), strict=True)}


def reference():
    for name in LIMITS:
        np.savez_compressed(HERE / f"reference_{name}.npz", **columns(name))


def d4rl():
    """As D4RL's own scripts write: h5py, gzip, with infos and metadata (d4rl/scripts/generation)."""
    import h5py

    fields = columns("Pendulum-v1")
    with h5py.File(HERE / "d4rl.hdf5", "w") as file:
        for key in ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations"):
            file.create_dataset(key, data=fields[key], compression="gzip")
        file.create_dataset("infos/action_log_probs", data=np.zeros(len(fields["rewards"])))
        file["metadata/algorithm"] = np.bytes_("a controller")


def robomimic():
    """robomimic's scripts/conversion/convert_d4rl.py; modules stand in for d4rl and the old gym alone."""
    import robomimic

    fields = columns("Pendulum-v1")
    fields = {key: np.concatenate([value, value[:1]]) for key, value in fields.items()}  # drops its last row
    inner = types.SimpleNamespace(get_dataset=lambda: fields)
    env = types.SimpleNamespace(env=inner, close=lambda: None)
    folder = HERE / "robomimic_tmp"
    serialized = {"env_name": "Pendulum-v1", "type": 2, "env_kwargs": {}}
    env_gym = types.SimpleNamespace(serialize=lambda: serialized)
    stand_ins = {
        "gym": types.SimpleNamespace(make=lambda name: env),
        "d4rl": types.SimpleNamespace(set_dataset_path=lambda path: None),
        "robomimic.envs.env_gym": types.SimpleNamespace(EnvGym=lambda name: env_gym),
        "robomimic.utils.log_utils": types.SimpleNamespace(custom_tqdm=lambda rows: rows),
    }
    sys.modules.update(stand_ins)
    sys.argv = ["convert_d4rl.py", "--env", "Pendulum-v1", "--folder", str(folder)]
    script = pathlib.Path(robomimic.__path__[0]) / "scripts/conversion/convert_d4rl.py"
    runpy.run_path(str(script), run_name="__main__")
    (folder / "d4rl/converted/Pendulum_v1.hdf5").rename(HERE / "robomimic.hdf5")
    (folder / "d4rl/converted").rmdir(), (folder / "d4rl").rmdir(), folder.rmdir()


def _trajectories():
    from imitation.data import rollout
    from imitation.data.wrappers import RolloutInfoWrapper
    from stable_baselines3.common.vec_env import DummyVecEnv

    venv = DummyVecEnv([lambda: RolloutInfoWrapper(make_env("CartPole-v1"))])
    venv.seed(SEED)

    def policy(observations, states, starts):
        return np.array([act(row) for row in observations]), states

    until = rollout.make_sample_until(min_episodes=NUM_EPISODES)
    return rollout.rollout(policy, venv, until, rng=np.random.default_rng(0), exclude_infos=False)


def imitation():
    """imitation 1.0: rollout.rollout and serialize.save."""
    from imitation.data import serialize

    serialize.save(HERE / "imitation", _trajectories())


def imitation_npz():
    """imitation 0.3: types.save, of the same episodes."""
    from imitation.data import types as data

    trajectories = []
    for steps in episodes("CartPole-v1"):
        obs = np.array([step[0] for step in steps] + [steps[-1][3]])
        acts, rews = np.array([step[1] for step in steps]), np.array([step[2] for step in steps])
        infos = np.array([{} for _ in steps])
        trajectories.append(data.TrajectoryWithRew(obs, acts, infos, True, rews))
    data.save(str(HERE / "imitation_0_3.npz"), trajectories)


class OldGym:
    """Gym's interface of stable-baselines2's days around today's."""

    def __init__(self, env):
        from gym import spaces

        self.env, self.is_first = env, True
        self.observation_space = spaces.Box(-np.inf, np.inf, env.observation_space.shape)
        self.action_space = spaces.Discrete(2)

    def reset(self):
        observation = self.env.reset(**({"seed": SEED} if self.is_first else {}))[0]
        self.is_first = False
        return observation

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        done = terminated or truncated
        return observation, reward, done, info

    def close(self):
        self.env.close()


def stable_baselines2():
    """stable-baselines 2.10's generate_expert_traj; modules stand in for what it imports and TensorFlow 1."""
    module = types.SimpleNamespace
    sys.modules |= {
        "cv2": module(),
        "stable_baselines.common.base_class": module(BaseRLModel=type("M", (), {}), _UnvecWrapper=type(None)),
        "stable_baselines.common.vec_env": module(VecEnv=type("V", (), {}), VecFrameStack=type("F", (), {})),
    }
    file = pathlib.Path(os.environ["STABLE_BASELINES"]) / "gail/dataset/record_expert.py"
    record = runpy.run_path(str(file))["generate_expert_traj"]
    record(act, str(HERE / "stable_baselines2"), OldGym(make_env("CartPole-v1")), n_episodes=NUM_EPISODES)


def table():
    """pandas."""
    import pandas as pd

    fields, lengths = columns("CartPole-v1"), [len(steps) for steps in episodes("CartPole-v1")]
    frame = pd.DataFrame({"episode": np.repeat(np.arange(len(lengths)), lengths)})
    names = ("position", "velocity", "angle", "angular_velocity")
    for key, name in (("observation", "observations"), ("next_observation", "next_observations")):
        for i, column in enumerate(names):
            frame[f"{key}.{column}"] = fields[name][:, i]
    frame["action"], frame["reward"] = fields["actions"], fields["rewards"]
    frame["terminated"], frame["truncated"] = fields["terminals"], fields["timeouts"]
    frame.to_csv(HERE / "table.csv", index=False)
    frame.to_parquet(HERE / "table.parquet", index=False)


def lerobot():
    """LeRobotDataset.create, add_frame, save_episode."""
    import lerobot
    from lerobot.datasets.lerobot_dataset import CODEBASE_VERSION, LeRobotDataset

    features = {
        "observation.state": {"dtype": "float32", "shape": (3,), "names": ["cos", "sin", "velocity"]},
        "action": {"dtype": "float32", "shape": (1,), "names": ["torque"]},
        "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
        "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    }
    print(lerobot.__file__, CODEBASE_VERSION)
    folder = HERE / f"lerobot_{CODEBASE_VERSION.replace('.', '_')}"
    dataset = LeRobotDataset.create(
        "local/pendulum", fps=20, features=features, root=folder, use_videos=False
    )
    for steps in episodes("Pendulum-v1"):
        for observation, action, reward, _, terminated, truncated in steps:
            frame = {"observation.state": observation, "action": action}
            frame |= {"next.reward": np.array([reward]), "next.done": np.array([terminated or truncated])}
            if CODEBASE_VERSION == "v2.1":
                dataset.add_frame(frame, task="swing up")
            else:
                dataset.add_frame({**frame, "task": "swing up"})
        dataset.save_episode()
    if hasattr(dataset, "finalize"):
        dataset.finalize()


class Reach(gym.Env):
    """A point that walks to a goal: a Dict of observations."""

    def __init__(self):
        box = gym.spaces.Box(-2.0, 2.0, (2,), np.float32)
        self.observation_space = gym.spaces.Dict({"position": box, "goal": box})
        self.action_space = gym.spaces.Box(-0.1, 0.1, (2,), np.float32)

    def _observation(self):
        return {"position": self._position.copy(), "goal": self._goal.copy()}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._position, self._goal = self.np_random.uniform(-1, 1, (2, 2)).astype(np.float32)
        return self._observation(), {}

    def step(self, action):
        self._position = self._position + np.asarray(action, np.float32)
        distance = float(np.linalg.norm(self._goal - self._position))
        return self._observation(), -distance, distance < 0.1, False, {}


def _collected(env, dataset_id, controller, data_format):
    import minari

    collector = minari.DataCollector(env, data_format=data_format)
    for i in range(NUM_EPISODES):
        observation, done = collector.reset(seed=SEED + i)[0], False
        while not done:
            observation, _, terminated, truncated, _ = collector.step(controller(observation))
            done = terminated or truncated
    about = {"author": "gail_tf", "author_email": "none", "code_permalink": "none", "algorithm_name": "none"}
    collector.create_dataset(dataset_id, description="a controller's", **about)


def minari():
    """minari.DataCollector, both back-ends, and a Dict of observations."""
    os.environ["MINARI_DATASETS_PATH"] = str(HERE / "minari")
    for data_format in ("hdf5", "arrow"):
        name = f"classic/cartpole/{data_format}-v0"
        _collected(make_env("CartPole-v1"), name, act, data_format)
    reach = gym.wrappers.TimeLimit(Reach(), 40)

    def walk(observation):
        return np.clip(observation["goal"] - observation["position"], -0.1, 0.1)

    _collected(reach, "reach-v0", walk, "hdf5")


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        globals()[wanted]()
