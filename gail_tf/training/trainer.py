"""The one training loop. What it trains, and on which reward, is not its business."""

import collections
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import numpy as np

from gail_tf.training import evaluation
from gail_tf.training.checkpoints import Checkpoints
from gail_tf.training.diagnostics import DivergedError, non_finite_metrics, non_finite_variables
from gail_tf.training.evaluation import ActFn, Evaluation, Evaluator
from gail_tf.training.policy_selection import KEEP, Candidate, PolicySelection, num_confirming
from gail_tf.training.run_directory import MetricsLog, RunDirectory
from gail_tf.training.trackers import TrackedRun, Tracker, check_installed
from gail_tf.types import EpisodeStatistics, Generator, RewardSource


class Interrupted(Exception):
    """Training stopped at a person's wish; the checkpoint is written."""


_SECONDS_TO_LOSE = 120.0  # of work that a kill may undo, where iterations are long
_SHARE_OF_SAVING = 0.02  # of the time, at most: a replay buffer may have gigabytes
_TRAINING_SEED, _CHOICE_SEED, _CONFIRMING_SEED = 1_000_000, 3_000_000, 4_000_000
"""Beyond ``evaluation_seed``: the episodes that name candidates, those that choose among them, and those that
the chosen one is judged by are others."""

Hook = Callable[["Trainer", Mapping[str, Any], bool], bool | None]
"""``hook(trainer, metrics, is_logged)``, after an iteration; True ends the training."""


@gin.configurable(
    denylist=["generator", "reward_source", "run_dir", "evaluator", "normalize", "distance", "make_act"]
)
class Trainer:
    """collect -> [update discriminator] -> relabel -> [update generator] -> evaluate, log, checkpoint.

    Args:
      normalize: return -> normalised score (0 random, 1 expert), or None where that is unknown.
      total_env_steps: of training, in environment steps; None when only total_iterations ends it.
      total_iterations: the most iterations; None when only total_env_steps ends it.
      num_evaluations: of the policy, evenly over training; the last of them is the final one.
      episodes_per_evaluation, final_episodes: of an evaluation, and of the one at the end.
      choice_episodes: of those that choose among the best three and the last; three times as many, up to 30
        or as many as chose, confirm a choice that is not the last.
      evaluation_seed: the final episodes are reset with this and the following integers, whatever the run's
        seed; those of training with others.
      stochastic: evaluations act by drawn actions, not by the mode, which after few steps of a game may be
        a bad one of many.
      keep: which evaluated policy a run gives out: the one whose episodes are nearest to the demonstrations
        ("imitation_distance", which needs no reward; "last" where there is nothing to compare with), the
        "last", or the one with the "best_return". The best three of training and the last one meet again at
        the end, and the last is kept where it is about as near.
      distance: episodes -> imitation distance; None without demonstrations.
      make_act: gives the way in which evaluations in training act by the mode, with the current weights.
        None: as the exported policy does, which the final evaluation always does.
      trackers: what makes trackers beside TensorBoard, such as [@WandB] (trackers.py).
      checkpoint_interval: in iterations. Two minutes after the last checkpoint there is one in any case, if
        saving takes no more than a fiftieth of the time.
      log_interval: in iterations. Those between two lines of metrics leave nothing but the episodes that
        finished in them; evaluations always come with a line.

    Attributes:
      selection: the best policy, and, after :meth:`run`, the one that is kept.
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
        choice_episodes: int = 10,
        final_episodes: int = 20,
        evaluation_seed: int = 1_000_000,
        stochastic: bool = False,
        checkpoint_interval: int = 25,
        log_interval: int = 1,
        keep: str = "imitation_distance",
        trackers: Sequence[Callable[[TrackedRun], Tracker]] = (),
        distance: Callable[[Sequence[Mapping[str, Any]]], float] | None = None,
        make_act: Callable[[], ActFn] | None = None,
    ):
        if keep not in KEEP:
            raise ValueError(f"Trainer.keep is {keep!r}: want one of {', '.join(map(repr, KEEP))}.")
        if total_env_steps is None and total_iterations is None:
            raise ValueError("Trainer: both total_env_steps and total_iterations are None: want one of them.")
        for name, value in list(locals().items()):
            if isinstance(value, int | float) and name not in ("evaluation_seed", "stochastic") and value < 1:
                raise ValueError(f"Trainer.{name} is {value}: want 1 or more.")
        if evaluation_seed < 0:
            raise ValueError(f"Trainer.evaluation_seed is {evaluation_seed}: want 0 or more.")
        self._generator, self._run_dir = generator, run_dir
        self._evaluator, self._normalize = evaluator, normalize
        self.total_env_steps, self.total_iterations = total_env_steps, total_iterations
        self._num_evaluations, self._evaluation_seed = num_evaluations, evaluation_seed
        self._episodes_per_evaluation, self._final_episodes = episodes_per_evaluation, final_episodes
        self._choice_episodes, self.stochastic = choice_episodes, stochastic
        self._checkpoint_interval, self._log_interval = checkpoint_interval, log_interval
        check_installed(trackers)  # now: there is no run directory yet
        self._trackers = trackers
        self.iteration, self.env_steps = 0, 0
        self._wall_before, self._clock = 0.0, time.perf_counter()
        self._saved_at, self._saving_seconds = self._clock, 0.0
        self._evaluation_seconds = 0.0
        self._distance = distance
        self.compared_components = getattr(distance, "components", ())
        self._make_act = make_act or functools.partial(evaluation.deterministic, generator.policy)
        keep = "last" if keep == "imitation_distance" and distance is None else keep
        self.selection = PolicySelection(generator.policy, keep)
        self._trainable = {"generator": generator}
        if reward_source is not None:
            self._trainable["reward_source"] = reward_source
        self._checkpoints = Checkpoints(run_dir.checkpoints, {**self._trainable, **self.selection.modules()})
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
        policy_delay = getattr(self._generator, "steps_before_policy", 0)
        about = filling_notes(filling, policy_delay, self.total_env_steps, self._num_evaluations)
        return [*self._generator.notes, *about]

    def resume(self) -> list[str]:
        """Takes up the newest intact checkpoint; returns what there is to say about damaged ones.

        A run that was killed before its first checkpoint begins anew: all it did follows from its seed.
        """
        if self._checkpoints.is_empty:
            self._run_dir.truncate_metrics(0)
            return ["There is no checkpoint yet: starting from the beginning."]
        self.iteration, state, progress, notes = self._checkpoints.restore_latest()
        self._generator.restore(state)
        self.env_steps = progress["env_steps"]
        self.selection.restore(progress)
        self._wall_before, self._num_lines = progress["wall_seconds"], progress["num_lines"]
        self._evaluation_seconds = progress.get("evaluation_seconds", 0.0)
        self._unlogged = [EpisodeStatistics(*episode) for episode in progress.get("unlogged_episodes", [])]
        self.recent_returns.extend(progress.get("recent_returns", ()))
        self._is_over = progress.get("is_over", False)
        self._run_dir.truncate_metrics(self._num_lines)
        self._last_checkpoint = self._checkpoints.path(self.iteration)
        return notes

    def run(
        self,
        hooks: Sequence[Hook] = (),
        should_stop: Callable[[], bool] = lambda: False,
        preparing: Callable[[float, Mapping[str, float]], None] = lambda share, metrics: None,
    ) -> dict[str, Any]:
        """Trains to the end; returns the final evaluation's statistics and counters.

        Args:
          hooks: called in order after every iteration; training ends early where one of them returns True.
          should_stop: asked after every iteration; True checkpoints and raises Interrupted. Before the first
            one there is nothing to keep: a resumed run begins anew.
          preparing: told, before the first iteration, how far the generator's preparation is and its metrics.
        """
        log = MetricsLog(self._run_dir, self._num_lines, self._trackers)
        status, results = "failed", {}
        try:
            if self._last_checkpoint is None:
                self._prepare(log, should_stop, preparing)
            while not self._is_over and self.progress < 1.0 and not self._generator.is_finished():
                metrics, is_logged = self._iterate()
                if is_logged:
                    log.write(metrics)
                    self._num_lines = log.num_lines
                self._is_over = any([hook(self, metrics, is_logged) is True for hook in hooks])
                if self.iteration % self._checkpoint_interval == 0 or self._has_much_to_lose():
                    self.checkpoint()
                if should_stop():
                    self.checkpoint()
                    raise Interrupted
            results = self._finish(log)
            status = "finished"
        except (Interrupted, KeyboardInterrupt):
            status = "interrupted"
            raise
        except DivergedError:
            status = "diverged"
            raise
        finally:
            log.close(status, results)
        return results

    def close(self) -> None:
        """Leaves no environment open, however the run ended; nothing can be trained after it."""
        try:
            self._generator.close()
        finally:
            self._evaluator.close()

    def _finish(self, log: MetricsLog) -> dict[str, Any]:
        """What comes after the last iteration; returns what ``run`` does."""
        self._generator.finish()
        self.checkpoint()
        last = self._evaluate_finally()
        log.write(self._line(_named(last)))
        log.flush()
        # A replay buffer has megabytes, and nothing continues a whole run.
        self._checkpoints.keep_newest(1)
        choice = self._choose(last)
        return {"env_steps": self.env_steps, "iterations": self.iteration, **choice}

    def _choose(self, last: Mapping[str, Any]) -> dict[str, Any]:
        """Chooses the policy to keep; its statistics and which it is, beside the last one's return."""
        selection, kept_statistics = self.selection, last
        statistics = self._evaluate_in_training(self._episodes_per_evaluation)
        selection.remember(statistics, self.iteration, self.env_steps)
        confirming = num_confirming(self._choice_episodes)
        candidate = selection.choose(
            lambda: self._evaluate_in_training(self._choice_episodes, _CHOICE_SEED),
            lambda: self._evaluate_in_training(confirming, _CONFIRMING_SEED),
            Candidate(np.nan, self.iteration, self.env_steps),
            getattr(self._distance, "expert_stays", False),
        )
        if candidate.iteration != self.iteration:
            with selection.kept_policy:
                kept_statistics = self._evaluate_finally()
        of_last = {f"last_{name}": last[name] for name in ("return_mean", "normalized_return")}
        of_kept = {"kept_env_steps": candidate.env_steps, "kept_iteration": candidate.iteration}
        more = {"stochastic": self.stochastic, "evaluation_seconds": self._evaluation_seconds}
        return {**kept_statistics, "keep": selection.keep, **of_kept, **of_last, **more}

    def _prepare(self, log: MetricsLog, should_stop, preparing) -> None:
        metrics: Mapping[str, float] = {}
        for share, metrics in self._generator.prepare():
            self._check_finite(metrics)
            preparing(share, metrics)
            if should_stop():
                raise Interrupted
        if metrics:
            log.write(self._line(metrics))
            self._num_lines = log.num_lines
        self.checkpoint()

    def _iterate(self) -> tuple[dict[str, Any], bool]:
        """One iteration; returns its metrics, and whether they are due in the log."""
        start = time.perf_counter()
        steps, episodes = self._generator.collect(self.iteration)
        collection_end = time.perf_counter()
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
        metrics["time/collect_seconds"] = collection_end - start
        metrics["time/steps_per_second"] = steps / (time.perf_counter() - start)
        if not is_evaluated:  # histograms belong to evaluations, the final one included
            metrics = {name: value for name, value in metrics.items() if not isinstance(value, Mapping)}
        elif self.progress < 1.0:
            before = self._evaluation_seconds
            statistics = self._evaluate_in_training(self._episodes_per_evaluation)
            self.selection.remember(statistics, self.iteration, self.env_steps)
            metrics |= _named(statistics)
            metrics["time/evaluate_seconds"] = self._evaluation_seconds - before
        return self._line(metrics), is_logged

    def _line(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        counters = {"iteration": self.iteration, "env_steps": self.env_steps}
        return {**counters, "wall_seconds": self.wall_seconds, **metrics}

    def _evaluate_in_training(self, num_episodes: int, seed: int = _TRAINING_SEED) -> dict[str, Any]:
        """Their statistics; the time that it takes counts as the price of choosing a policy."""
        start = time.perf_counter()
        seed += self._evaluation_seed
        act = self._drawn(seed) if self.stochastic else self._make_act()
        statistics = self._evaluate(act, num_episodes, seed)[1]
        self._evaluation_seconds += time.perf_counter() - start
        return statistics

    def _evaluate_finally(self) -> dict[str, Any]:
        # As the exported policy acts, or its signature "sampled".
        by_mode, seed = evaluation.deterministic(self._generator.policy), self._evaluation_seed
        act = self._drawn(seed) if self.stochastic else by_mode
        evaluated, statistics = self._evaluate(act, self._final_episodes, seed)
        self.final_returns = evaluated.returns
        return statistics

    def _drawn(self, seed: int) -> ActFn:
        return evaluation.sampled(self._generator.policy, seed)

    def _evaluate(self, act: ActFn, num_episodes: int, seed: int) -> tuple[Evaluation, dict[str, Any]]:
        episodes: list[Mapping[str, Any]] = []
        watch = None if self._distance is None else episodes.append
        seen = getattr(self._distance, "seen", None)
        outcome = self._evaluator.evaluate(act, num_episodes, seed, watch, seen)
        statistics = outcome.statistics()
        self._check_finite(_named(statistics))
        statistics["normalized_return"] = self._normalize(statistics["return_mean"])
        if self._distance is not None:
            statistics["imitation_distance"] = self._distance(episodes)
        return outcome, statistics

    def checkpoint(self) -> None:
        """Saves this iteration, once: replacing a good checkpoint by its equal would risk both."""
        if self._last_checkpoint == self._checkpoints.path(self.iteration):
            return
        self._check_finite({})
        progress = {"env_steps": self.env_steps, "is_over": self._is_over, **self.selection.state()}
        progress |= {"num_lines": self._num_lines, "unlogged_episodes": self._unlogged}
        progress["recent_returns"] = list(self.recent_returns)
        progress |= {"wall_seconds": self.wall_seconds, "evaluation_seconds": self._evaluation_seconds}
        self._run_dir.check_lock()
        start = time.perf_counter()
        self._last_checkpoint = self._checkpoints.save(self.iteration, self._generator.state(), progress)
        self._saved_at = time.perf_counter()
        self._saving_seconds = self._saved_at - start

    def _has_much_to_lose(self) -> bool:
        """Whether a kill would undo minutes, and saving is quick beside them. Not of what diverged."""
        seconds = time.perf_counter() - self._saved_at
        is_due = seconds >= max(_SECONDS_TO_LOSE, self._saving_seconds / _SHARE_OF_SAVING)
        # At which iteration a run is found to have diverged does not depend on the clock.
        return is_due and non_finite_variables(self._trainable) is None

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


def filling_notes(filling: int, unchanged: int, total: int | None, num_evaluations: int) -> list[str]:
    """What a person should know of a long wait: 0 or 1 sentences.

    Args:
      filling: of ``total`` steps those that only fill a replay. unchanged: those before the policy changes.
    """
    if total is None or max(filling, unchanged) * num_evaluations <= total:
        return []
    total_is = f"Trainer.total_env_steps is {total:,}"
    if filling >= total:
        return [
            f"The first {filling:,} steps only fill the replay, and {total_is}: next to nothing is learned."
        ]
    if unchanged >= total:
        waits = "the actor waits for actor_start updates of the critic"
        return [
            f"The policy first changes after {unchanged:,} steps ({waits}), and {total_is}: it never does."
        ]
    if filling * num_evaluations > total:
        return [f"The first {filling:,} steps only fill the replay: nothing is learned before."]
    return [f"In the first {unchanged:,} steps only the critic learns: the policy stays as it is."]
