"""Which distance from the demonstrations tells good policies from bad ones, with no reward.

    python benchmarks/distances.py --demonstrations=DIR

Trains GAIL on tuning seeds. Of every evaluation the first five episodes are measured by each candidate, the
other ten say what the policy is worth, so that no luck of an episode counts on both sides. Prints, by task,
the rank correlation of each candidate with the return within a run, and the return of the policy that it
would choose; all figures go into --out. DIR has Hopper-v5.npz, Walker2d-v5.npz and HalfCheetah-v5.npz; the
other tasks use the shipped demonstrations.

Every candidate but the action error compares (observation, action) in standard deviations of the expert.
An episode that ends goes on in an absorbing state, marked by an indicator, where the name does not say
otherwise. PWIL: the greedy coupling of Dadashi et al. 2021, "Primal Wasserstein imitation learning".
"""

import argparse
import functools
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import gail_tf
from gail_tf.start_up import import_tensorflow

import_tensorflow()

import gymnasium as gym  # noqa: E402 - TensorFlow is imported quietly first

from gail_tf import demonstrations  # noqa: E402
from gail_tf.environments.actions import ActionCodec  # noqa: E402
from gail_tf.resources import resolve_demonstrations  # noqa: E402
from gail_tf.training import evaluation  # noqa: E402
from gail_tf.training.imitation_distance import ImitationDistance, ends_of, ends_of_expert, how_they_end  # noqa: E402

TASKS = {  # -> recipe, demonstrations (of DIR, or shipped), environment steps
    "Hopper-v5": ("gail_ppo/hopper", "Hopper-v5.npz", 400_000),
    "Walker2d-v5": ("gail_ppo/walker2d", "Walker2d-v5.npz", 500_000),
    "HalfCheetah-v5": ("gail_ppo/half_cheetah", "HalfCheetah-v5.npz", 300_000),
    "Acrobot-v1": ("gail_ppo/acrobot", "shipped:Acrobot-v1", 150_000),
    "MountainCar-v0": ("gail_ppo/mountain_car", "shipped:MountainCar-v0", 400_000),
    "Pendulum-v1": ("gail_ppo/pendulum", "shipped:Pendulum-v1", 200_000),
}
NUM_EVALUATIONS, NUM_MEASURED, NUM_EPISODES, NUM_TRAJECTORIES = 15, 5, 15, 4
NUM_ROWS = 1_000  # of either side, for what compares all pairs

Episodes = Sequence[Mapping[str, np.ndarray]]


class Task:
    """One environment, the four demonstrations of one seed, and those that it leaves out."""

    def __init__(self, environment: str, path: str, seed: int):
        env = gym.make(environment)
        self.codec = ActionCodec(env.action_space, environment)
        self.max_steps = env.spec.max_episode_steps
        env.close()
        whole = demonstrations.load(resolve_demonstrations(path))
        if self.codec.is_discrete:
            whole = demonstrations.as_discrete(whole, self.codec.num_actions)
        chosen = demonstrations.select(whole, NUM_TRAJECTORIES, seed)
        starts = {chosen.observations[rows.start].tobytes() for rows in chosen.episode_slices}
        self.expert = [_episode(chosen, i) for i in range(chosen.num_episodes)]
        self.held_out = [
            _episode(whole, i)
            for i, rows in enumerate(whole.episode_slices)
            if whole.observations[rows.start].tobytes() not in starts
        ]
        rows = np.concatenate([self._features(episode) for episode in self.expert])
        self._mean, spread = rows.mean(0), rows.std(0)
        self._scale = np.where(spread > 1e-6, spread, 1.0)

    def _features(self, episode: Mapping[str, np.ndarray]) -> np.ndarray:
        """``[L, f]``: observations and normalised actions, discrete ones as one-hot."""
        actions = self.codec.from_environment(episode["actions"])
        if self.codec.is_discrete:
            actions = np.eye(self.codec.num_actions)[np.asarray(actions, int)]
        return np.concatenate((episode["observations"], actions), 1).astype(np.float64)

    def padded(self, episode: Mapping[str, np.ndarray]) -> np.ndarray:
        """``[L, f + 1]`` in standard deviations, up to the time limit where the MDP ended it.

        The indicator counts as much as all other components together, as in ``ImitationDistance``.
        """
        rows = (self._features(episode) - self._mean) / self._scale
        rows = np.concatenate((rows, np.zeros((len(rows), 1))), 1)
        absorbing = np.zeros((self.max_steps - len(rows) if episode["terminated"][-1] else 0, rows.shape[1]))
        absorbing[:, -1] = np.sqrt(rows.shape[1] - 1.0)
        return np.concatenate((rows, absorbing))

    def pooled(self, episodes: Episodes) -> np.ndarray:
        """``NUM_ROWS`` rows of ``padded`` episodes, evenly over them."""
        rows = np.concatenate([self.padded(episode) for episode in episodes])
        return rows[np.linspace(0, len(rows) - 1, min(NUM_ROWS, len(rows))).round().astype(int)]

    @functools.cached_property
    def candidates(self) -> dict[str, Callable[[Episodes], float]]:
        return {
            "sliced Wasserstein": self._sliced(ends_of_expert(*how_they_end(self.expert), self.max_steps)),
            "the same, ends left out": self._without_ends(),
            "energy distance": functools.partial(energy_distance, self),
            "MMD": functools.partial(mmd, self),
            "PWIL": functools.partial(pwil, self),
        }

    def _sliced(self, ends) -> ImitationDistance:
        seen = np.concatenate([episode["observations"] for episode in self.expert])
        done = self.codec.from_environment(np.concatenate([episode["actions"] for episode in self.expert]))
        return ImitationDistance(seen, done, ends, self.codec, self.max_steps)

    def _without_ends(self) -> Callable[[Episodes], float]:
        last, lengths, ended = how_they_end(self.expert)
        distance = self._sliced(ends_of(last, lengths, np.zeros_like(ended), self.max_steps))
        uncut = lambda episode: {**episode, "terminated": np.zeros_like(episode["terminated"])}  # noqa: E731
        return lambda episodes: distance([uncut(episode) for episode in episodes])

    def action_error(self, act: evaluation.ActFn) -> float:
        """Mean square (discrete: share) by which ``act`` misses the held-out demonstrations' actions."""
        seen = np.concatenate([episode["observations"] for episode in self.held_out])
        done = np.concatenate([episode["actions"] for episode in self.held_out])
        rows = np.linspace(0, len(seen) - 1, NUM_ROWS).round().astype(int)
        found = np.concatenate([act(batch, 0) for batch in np.split(seen[rows], NUM_ROWS // 10)])
        if self.codec.is_discrete:
            return float((found != done[rows]).mean())
        apart = self.codec.from_environment(found) - self.codec.from_environment(done[rows])
        return float(np.square(apart).mean())


def _episode(recorded: demonstrations.Demonstrations, i: int) -> dict[str, np.ndarray]:
    rows = recorded.episode_slices[i]
    terminated = np.zeros(rows.stop - rows.start, bool)
    terminated[-1] = recorded.ended[i]
    return {
        "observations": recorded.observations[rows],
        "actions": recorded.actions[rows],
        "terminated": terminated,
    }


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean ``[N, M]`` of rows ``[N, f]`` and ``[M, f]``."""
    square = np.square(x).sum(1)[:, None] + np.square(y).sum(1) - 2.0 * x @ y.T
    return np.sqrt(np.maximum(square, 0.0))


def energy_distance(task: Task, episodes: Episodes) -> float:
    x, y = task.pooled(episodes), task.pooled(task.expert)
    return float(2.0 * _distances(x, y).mean() - _distances(x, x).mean() - _distances(y, y).mean())


def mmd(task: Task, episodes: Episodes) -> float:
    """With a Gaussian kernel as wide as the demonstrations' median distance."""
    x, y = task.pooled(episodes), task.pooled(task.expert)
    width = np.median(_distances(y, y)) or 1.0
    alike = lambda a, b: np.exp(-0.5 * np.square(_distances(a, b) / width)).mean()  # noqa: E731
    return float(alike(x, x) + alike(y, y) - 2.0 * alike(x, y))


def pwil(task: Task, episodes: Episodes) -> float:
    """Mean cost of the greedy coupling, step by step, of an episode with all demonstrations."""
    expert = np.concatenate([task.padded(episode) for episode in task.expert])
    return float(np.mean([_greedy_cost(expert, task.padded(episode)) for episode in episodes]))


def _greedy_cost(expert: np.ndarray, rows: np.ndarray) -> float:
    """Of rows ``[L, f]`` with those of all demonstrations ``[M, f]``."""
    left, share, cost = np.full(len(expert), 1.0 / len(expert)), 1.0 / len(rows), 0.0
    for row in rows:
        apart, wanted = np.sqrt(np.square(expert - row).sum(1)), share
        apart[left <= 0.0] = np.inf
        while wanted > 1e-12 and np.isfinite(apart).any():
            nearest = int(apart.argmin())
            taken = min(wanted, left[nearest])
            cost += taken * apart[nearest]
            left[nearest] -= taken
            wanted -= taken
            apart[nearest] = np.inf
    return cost


def measured(environment: str, folder: Path, seed: int) -> list[dict[str, float]]:
    """Of each evaluation of one training every candidate's figure, and the return."""
    recipe, path, env_steps = TASKS[environment]
    path = path if path.startswith("shipped:") else str(folder / path)
    task, found, evaluate = Task(environment, path, seed), [], evaluation.Evaluator.evaluate

    def watched(self, act, num_episodes, seed, on_episode=None, seen=None):
        episodes = []
        result = evaluate(self, act, num_episodes, seed, episodes.append, seen)
        for episode in episodes if on_episode else ():
            on_episode(episode)
        if num_episodes == NUM_EPISODES:
            line = {name: d(episodes[:NUM_MEASURED]) for name, d in task.candidates.items()}
            found.append({**line, "return": float(result.returns[NUM_MEASURED:].mean())})
            if task.held_out:
                found[-1]["action error"] = task.action_error(act)
        return result

    settings = {
        "Trainer.total_env_steps": env_steps,
        "Trainer.num_evaluations": NUM_EVALUATIONS,
        "Trainer.episodes_per_evaluation": NUM_EPISODES,
        "Trainer.keep": "'last'",
        "Trainer.final_episodes": 1,
    }
    evaluation.Evaluator.evaluate = watched
    try:
        with tempfile.TemporaryDirectory() as run_dir:
            gail_tf.train(
                [recipe, "with/no_cloning"],
                demonstrations=path,
                num_demonstrations=NUM_TRAJECTORIES,
                seed=seed,
                bindings=[f"{name} = {value}" for name, value in settings.items()],
                run_dir=Path(run_dir) / "run",
                num_threads=1,
            )
    finally:
        evaluation.Evaluator.evaluate = evaluate
    return found


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    ranks = pd.DataFrame({"x": x, "y": y}).rank()
    return float(ranks["x"].corr(ranks["y"]))


def rows(task: str, runs: Sequence[Sequence[Mapping[str, float]]]) -> list[str]:
    """Of each candidate: task, correlations by seed, and returns of the chosen by seed."""
    lines = []
    for name in [n for n in runs[0][0] if n != "return"]:
        correlations, chosen = [], []
        for run in runs:
            distances, returns = [e[name] for e in run], [e["return"] for e in run]
            correlations.append(rank_correlation(distances, returns))
            chosen.append(returns[int(np.argmin(distances))])
        cells = [", ".join(f"{c:.2f}" for c in correlations), ", ".join(f"{c:,.0f}" for c in chosen)]
        lines.append(f"| {task} | {name} | {' | '.join(cells)} |")
    best = ", ".join(f"{max(e['return'] for e in run):,.0f}" for run in runs)
    last = ", ".join(f"{run[-1]['return']:,.0f}" for run in runs)
    return [*lines, f"| {task} | the last; the highest return | – | {last}; {best} |"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demonstrations", type=Path, required=True, help="a folder with MuJoCo recordings")
    parser.add_argument("--seeds", default="1000,1001")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "distances.json")
    flags = parser.parse_args()
    seeds, everything = [int(seed) for seed in flags.seeds.split(",")], {}
    print("| task | candidate | rank correlation with the return, by seed | return of the chosen policy |")
    print("|---|---|---|---|")
    for task in flags.tasks.split(","):
        everything[task] = [measured(task, flags.demonstrations, seed) for seed in seeds]
        print("\n".join(rows(task, everything[task])), flush=True)
        flags.out.write_text(json.dumps({"seeds": seeds, "evaluations": everything}, indent=1) + "\n")
    names = [n for n in everything[task][0][0] if n != "return"]
    for name in names:
        found = [
            rank_correlation([e[name] for e in run], [e["return"] for e in run])
            for runs in everything.values()
            for run in runs
            if name in run[0]
        ]
        print(
            f"{name}: {statistics.mean(found):.2f} on average of {len(found)} runs, weakest {max(found):.2f}"
        )


if __name__ == "__main__":
    main()
