"""The one training loop. What it trains, and on which reward, is not its business."""

import collections
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import numpy as np
import tensorflow as tf

from gail_tf.training import evaluation
from gail_tf.training.checkpoints import Checkpoints
from gail_tf.training.diagnostics import DivergedError, non_finite_metrics, non_finite_variables
from gail_tf.training.evaluation import Evaluator
from gail_tf.training.run_directory import MetricsLog, RunDirectory
from gail_tf.types import EpisodeStatistics, Generator, RewardSource


class Interrupted(Exception):
    """Training stopped at a person's wish; the checkpoint is written."""


KEEP = ("imitation_distance", "last", "best_return")

Hook = Callable[["Trainer", Mapping[str, Any], bool], bool | None]
"""``hook(trainer, metrics, is_logged)``, after an iteration; True ends the training."""


@gin.configurable
class Trainer:
    """collect -> [update discriminator] -> relabel -> [update generator] -> evaluate, log, checkpoint.

    Args:
      normalize: return -> normalised score (0 random, 1 expert), or None where that is unknown.
      total_env_steps: of training, in environment steps; None when only total_iterations ends it.
      total_iterations: the most iterations; None when only total_env_steps ends it.
      num_evaluations: evaluations of the deterministic policy, evenly over training (the last one apart).
      episodes_per_evaluation, final_episodes: of an evaluation, and of the one at the end.
      evaluation_seed: episodes are reset with this and the following integers, whatever the run's seed.
      keep: which evaluated policy a run gives out: the one whose episodes are nearest to the demonstrations
        ("imitation_distance", which needs no reward; "last" where there is nothing to compare with), the
        "last", or the one with the "best_return".
      distance: episodes -> imitation distance; None without demonstrations.
      checkpoint_interval, log_interval: in iterations. Iterations between two lines of metrics leave none but
        the episodes that finished in them; evaluations always come with a line.

    Attributes:
      best_policy: a context in which the generator's policy has the weights of its best evaluation.
      kept_policy: the same, of the policy that is kept.
    """

    def __init__(
        self,
        generator: Generator,
        reward_source: RewardSource | None,
        run_dir: RunDirectory,
        evaluator: Evaluator,
        normalize: Callable[[float], float | None],
        total_env_steps: int | None = 1_000_000,
        total_iterations: int | None = None,
        num_evaluations: int = 20,
        episodes_per_evaluation: int = 5,
        final_episodes: int = 20,
        evaluation_seed: int = 1_000_000,
        checkpoint_interval: int = 25,
        log_interval: int = 1,
        keep: str = "imitation_distance",
        distance: Callable[[Sequence[Mapping[str, Any]]], float] | None = None,
    ):
        if keep not in KEEP:
            raise ValueError(f"Trainer.keep is {keep!r}: want one of {', '.join(map(repr, KEEP))}.")
        if total_env_steps is None and total_iterations is None:
            raise ValueError("Trainer: both total_env_steps and total_iterations are None: want one of them.")
        for name, value in list(locals().items()):
            if isinstance(value, int | float) and name != "evaluation_seed" and value < 1:
                raise ValueError(f"Trainer.{name} is {value}: want 1 or more.")
        self._generator, self._run_dir = generator, run_dir
        self._evaluator, self._normalize = evaluator, normalize
        self.total_env_steps, self.total_iterations = total_env_steps, total_iterations
        self._num_evaluations, self._evaluation_seed = num_evaluations, evaluation_seed
        self._episodes_per_evaluation, self._final_episodes = episodes_per_evaluation, final_episodes
        self._checkpoint_interval, self._log_interval = checkpoint_interval, log_interval
        self.iteration, self.env_steps = 0, 0
        self._wall_before, self._clock = 0.0, time.perf_counter()
        self._distance = distance
        self.keep = "last" if keep == "imitation_distance" and distance is None else keep
        self._best_return, self.best_policy = -np.inf, RememberedPolicy(generator.policy)
        self._kept_score, self._kept_env_steps = -np.inf, 0
        self.kept_policy = RememberedPolicy(generator.policy)
        self._trainable = {"generator": generator}
        if reward_source is not None:
            self._trainable["reward_source"] = reward_source
        saved = {**self._trainable, "best_policy": self.best_policy, "kept_policy": self.kept_policy}
        self._checkpoints = Checkpoints(run_dir.checkpoints, saved)
        self.recent_returns: collections.deque[float] = collections.deque(maxlen=20)
        self.final_returns = np.zeros(0)
        self._unlogged: list[EpisodeStatistics] = []
        self._is_over, self._last_checkpoint, self._num_lines = False, None, 0

    @property
    def wall_seconds(self) -> float:
        """Since the run began, over all its processes."""
        return self._wall_before + time.perf_counter() - self._clock

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end."""
        clocks = ((self.env_steps, self.total_env_steps), (self.iteration, self.total_iterations))
        return min(max(done / total for done, total in clocks if total), 1.0)

    def notes(self) -> list[str]:
        """What there is to say before the first iteration."""
        filling = self._generator.steps_before_learning
        return [*self._generator.notes, *filling_notes(filling, self.total_env_steps, self._num_evaluations)]

    def resume(self) -> list[str]:
        """Takes up the newest intact checkpoint; returns what there is to say about damaged ones.

        A run that was killed before its first checkpoint begins anew: all it did follows from its seed.
        """
        if self._checkpoints.is_empty:
            self._run_dir.truncate_metrics(0)
            return ["There is no checkpoint yet: starting from the beginning."]
        self.iteration, state, progress, notes = self._checkpoints.restore_latest()
        self._generator.restore(state)
        self.env_steps, self._best_return = progress["env_steps"], progress["best_return"]
        self._kept_score, self._kept_env_steps = progress["kept"]
        self._wall_before, self._num_lines = progress["wall_seconds"], progress["num_lines"]
        self._unlogged = [EpisodeStatistics(*episode) for episode in progress.get("unlogged_episodes", [])]
        self._is_over = progress.get("is_over", False)
        self._run_dir.truncate_metrics(self._num_lines)
        self._last_checkpoint = self._checkpoints.path(self.iteration)
        return notes

    def run(
        self, hooks: Sequence[Hook] = (), should_stop: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Trains to the end; returns the final evaluation's statistics and counters.

        Args:
          hooks: called in order after every iteration; training ends early where one of them returns True.
          should_stop: asked after every iteration; True checkpoints and raises Interrupted.
        """
        log = MetricsLog(self._run_dir, self._num_lines)
        if self._last_checkpoint is None:
            self._prepare(log)
        try:
            while not self._is_over and self.progress < 1.0 and not self._generator.is_finished():
                metrics, is_logged = self._iterate()
                if is_logged:
                    log.write(metrics)
                    self._num_lines = log.num_lines
                self._is_over = any([hook(self, metrics, is_logged) is True for hook in hooks])
                if self.iteration % self._checkpoint_interval == 0:
                    self.checkpoint()
                if should_stop():
                    self.checkpoint()
                    raise Interrupted
            self._generator.finish()
            self.checkpoint()
            last = self._evaluate(self._final_episodes)
            log.write(self._line(_named(last)))
            log.flush()
            # A replay buffer has megabytes, and nothing continues a whole run.
            self._checkpoints.keep_newest(1)
        finally:
            log.close()
        return {"env_steps": self.env_steps, "iterations": self.iteration, **self._kept(last)}

    def _kept(self, last: Mapping[str, Any]) -> dict[str, Any]:
        """The statistics of the policy that is kept, and which it is, beside the last one's return."""
        kept = last
        if not self._remember(last):
            with self.kept_policy:
                kept = self._evaluate(self._final_episodes)
        of_last = {name: last[name] for name in ("return_mean", "normalized_return")}
        told = {"keep": self.keep, "kept_env_steps": self._kept_env_steps}
        return {**kept, **told, **{f"last_{name}": value for name, value in of_last.items()}}

    def _prepare(self, log: MetricsLog) -> None:
        metrics = self._generator.prepare()
        self._check_finite(metrics)
        if metrics:
            log.write(self._line(metrics))
            self._num_lines = log.num_lines
        self.checkpoint()

    def _iterate(self) -> tuple[dict[str, Any], bool]:
        """One iteration; returns its metrics, and whether they are due in the log."""
        start = time.perf_counter()
        steps, episodes = self._generator.collect(self.iteration)
        collected = time.perf_counter()
        metrics = self._generator.update(self.iteration, self.progress)
        before = self.progress
        self.iteration += 1
        self.env_steps += steps
        self.recent_returns.extend(e.episode_return for e in episodes)
        self._unlogged += episodes
        marks = [int(p * self._num_evaluations) for p in (before, self.progress)]
        is_evaluated = marks[0] != marks[1]
        is_logged = is_evaluated or self.iteration % self._log_interval == 0
        if is_logged and self._unlogged:
            metrics["episode/return"] = float(np.mean([e.episode_return for e in self._unlogged]))
            metrics["episode/count"] = len(self._unlogged)
            metrics["episode/length"] = float(np.mean([e.length for e in self._unlogged]))
            self._unlogged = []
        self._check_finite(metrics, variables=is_logged)
        metrics["time/collect_seconds"] = collected - start
        metrics["time/steps_per_second"] = steps / (time.perf_counter() - start)
        if not is_evaluated:  # histograms belong to evaluations, the final one included
            metrics = {name: value for name, value in metrics.items() if not isinstance(value, Mapping)}
        elif self.progress < 1.0:
            start = time.perf_counter()
            statistics = self._evaluate(self._episodes_per_evaluation)
            self._remember(statistics)
            metrics |= _named(statistics)
            metrics["time/evaluate_seconds"] = time.perf_counter() - start
        return self._line(metrics), is_logged

    def _line(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        counters = {"iteration": self.iteration, "env_steps": self.env_steps}
        return {**counters, "wall_seconds": self.wall_seconds, **metrics}

    def _evaluate(self, num_episodes: int) -> dict[str, Any]:
        act, episodes = evaluation.deterministic(self._generator.policy), []
        watch = None if self._distance is None else episodes.append
        evaluated = self._evaluator.evaluate(act, num_episodes, self._evaluation_seed, watch)
        self.final_returns, statistics = evaluated.returns, evaluated.statistics()
        self._check_finite(_named(statistics))
        statistics["normalized_return"] = self._normalize(statistics["return_mean"])
        if self._distance is not None:
            statistics["imitation_distance"] = self._distance(episodes)
        return statistics

    def _remember(self, statistics: Mapping[str, Any]) -> bool:
        """Remembers the policy of now where it is the best, or to be kept; returns whether it is kept."""
        if statistics["return_mean"] > self._best_return:
            self._best_return = statistics["return_mean"]
            self.best_policy.remember()
        if self.keep != "last":
            by_return = self.keep == "best_return"
            score = statistics["return_mean"] if by_return else -statistics["imitation_distance"]
            if score <= self._kept_score:
                return False
            self._kept_score = score
        self._kept_env_steps = self.env_steps
        self.kept_policy.remember()
        return True

    def checkpoint(self) -> None:
        """Saves this iteration, once: replacing a good checkpoint by its equal would risk both."""
        if self._last_checkpoint == self._checkpoints.path(self.iteration):
            return
        self._check_finite({})
        progress = {"env_steps": self.env_steps, "best_return": self._best_return, "is_over": self._is_over}
        progress["kept"] = (self._kept_score, self._kept_env_steps)
        progress |= {"num_lines": self._num_lines, "unlogged_episodes": self._unlogged}
        progress["wall_seconds"] = self.wall_seconds
        self._last_checkpoint = self._checkpoints.save(self.iteration, self._generator.state(), progress)

    def _check_finite(self, metrics: Mapping[str, Any], variables: bool = True) -> None:
        """Raises DivergedError at a NaN or Inf; looking at all variables too takes milliseconds."""
        what = non_finite_metrics(metrics)
        if what is None and variables:
            what = non_finite_variables(self._trainable)
        if what:
            where = f"iteration {self.iteration}, {self.env_steps:,} environment steps"
            last = self._last_checkpoint
            good = f"the last good checkpoint is {last}" if last else "no checkpoint yet"
            raise DivergedError(f"NaN or Inf in {what} at {where}; {good}. See docs/troubleshooting.md.")


def _named(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation's statistics as metrics."""
    return {f"evaluation/{k}": v for k, v in statistics.items() if k != "num_episodes"}


def filling_notes(filling: int, total: int | None, num_evaluations: int) -> list[str]:
    """What a person should know where ``filling`` of ``total`` steps only fill a replay: 0 or 1 sentences."""
    if total is None or filling * num_evaluations <= total:
        return []
    if filling < total:
        return [f"The first {filling:,} steps only fill the replay: nothing is learned before."]
    total_is = f"Trainer.total_env_steps is {total:,}"
    return [f"The first {filling:,} steps only fill the replay, and {total_is}: next to nothing is learned."]


class RememberedPolicy(tf.Module):
    """The weights of a policy at an earlier time; as a context manager it lends them to the policy."""

    def __init__(self, policy: tf.Module):
        super().__init__(name="remembered_policy")
        # TF-Agents networks are in `policy.variables` only after they were built, which their factory does.
        self._live = list(policy.variables)
        self._best = [tf.Variable(v, trainable=False) for v in self._live]

    def remember(self) -> None:
        for best, live in zip(self._best, self._live, strict=True):
            best.assign(live)

    def __enter__(self) -> None:
        self._last = [v.numpy() for v in self._live]
        for best, live in zip(self._best, self._live, strict=True):
            live.assign(best)

    def __exit__(self, *exception) -> None:
        for last, live in zip(self._last, self._live, strict=True):
            live.assign(last)
