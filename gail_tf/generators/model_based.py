"""The model-based generator: collect, learn a model of the environment, improve the policy through it."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.errors import UserError
from gail_tf.generators import shared
from gail_tf.generators.background_collection import Piece
from gail_tf.generators.collecting import Act, CollectingGenerator
from gail_tf.generators.replay import room_for
from gail_tf.mgail.forward_model import h_step_error, one_step_error, termination_accuracy
from gail_tf.mgail.learner import MGAIL
from gail_tf.mgail.segments import Segment, SegmentReplay, first_flags
from gail_tf.networks.normalization import RunningMoments
from gail_tf.optimization.minibatches import Weighted, drawn_indices
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.types import EpisodeStatistics, RewardSource, Transition


def _without_absorbing(env: gym.Env) -> gym.Env:
    """The environment itself: the model learns where episodes end, which the wrapper would hide from it."""
    return env.env if isinstance(env, AbsorbingState) else env


def expert_rows(expert: Transition, absorbing: bool, vector: Callable) -> tuple[Segment, np.ndarray]:
    """Demonstrations as single steps for the model: a Segment ``[M]``, and where the successor is known.

    Padding for absorbing states is undone: its rows go, the indicator goes, and a step into the absorbing
    state has terminated, its true successor unknown.
    """
    observation, next_observation = expert.observation, expert.next_observation
    terminated, truncated, keep = np.asarray(expert.terminated), np.asarray(expert.truncated), slice(None)
    successor_known = np.ones(len(terminated), np.float32)
    if absorbing:
        keep = observation[:, -1] == 0.0
        terminated = np.maximum(terminated, next_observation[:, -1])
        successor_known = 1.0 - next_observation[:, -1]
        observation, next_observation = observation[:, :-1], next_observation[:, :-1]
    action, is_first = vector(expert.action).numpy(), np.ones(len(terminated), np.float32)
    noise = np.zeros_like(action)
    rows = Segment(observation, action, noise, next_observation, terminated, truncated, is_first)
    return tf.nest.map_structure(lambda field: np.asarray(field[keep], np.float32), (rows, successor_known))


def _check(settings: Mapping[str, Any]) -> None:
    """Raises ValueError for settings of the constructor (its ``locals()``) that make no sense together."""
    if settings["expert"] is None or isinstance(settings["reward_source"], EnvironmentReward):
        raise ValueError(
            "ModelBasedGenerator learns through the reward's gradient: want demonstrations and "
            "Experiment.reward_source = @Discriminator."
        )
    shared.check_without_segments("ModelBasedGenerator", settings["reward_source"])
    shared.check_settings("ModelBasedGenerator", settings)
    shared.check_paid("ModelBasedGenerator", settings["reward_source"])
    num_steps = settings["num_steps"]
    for name in ("num_prefill_steps", "replay_capacity"):
        if settings[name] % num_steps:
            given = f"ModelBasedGenerator.{name} is {settings[name]}"
            raise ValueError(f"{given}: want a multiple of num_steps, {num_steps}.")


def _check_rollouts(learner: MGAIL, settings: Mapping[str, Any]) -> None:
    """Raises ValueError where the constructor's settings do not go with the rollout and its length."""
    num_steps, length = settings["num_steps"], settings["segment_length"]
    if min(num_steps, settings["replay_capacity"]) < max(length, learner.horizon):
        raise ValueError(
            f"ModelBasedGenerator has segment_length {length}, MGAIL.horizon "
            f"{learner.horizon}, num_steps {num_steps}: want num_steps to be the largest."
        )
    for name, wanted in (("collect_while_learning", False), ("replay_window", None)):
        if learner.is_fresh and settings[name] != wanted:
            raise ValueError(
                f"ModelBasedGenerator.{name} is {settings[name]} with MGAIL.rollout = @simulated_rollout, "
                f"whose steps are those of the current policy: want {wanted}."
            )
    interval = settings["store_interval"]
    if not learner.is_fresh and interval > 1:
        raise ValueError(
            f"ModelBasedGenerator.store_interval is {interval}, and rollouts come from the replay: "
            "want 1, or MGAIL.rollout = @simulated_rollout."
        )
    if interval > 1 and not settings["num_prefill_steps"]:
        raise ValueError(
            f"ModelBasedGenerator.num_prefill_steps is 0 and store_interval {interval}: the first updates "
            f"would find an empty replay; want num_prefill_steps of {num_steps} or more, or store_interval 1."
        )


@gin.configurable(denylist=["make_env", "reward_source", "expert", "seed", "absorbing"])
class ModelBasedGenerator(CollectingGenerator):
    """MGAIL's schedule: everything between two collections is one compiled call.

    An iteration collects ``num_steps`` x ``num_environments`` transitions into the replay, then updates,
    ``num_updates`` times each, the forward model, the reward source, and policy and value.

    Where the rollout is fresh (simulated_rollout), an iteration has one update of policy and value, along the
    steps that this very policy has just taken, and one of model and reward source; with ``in_turn`` the
    reward source waits for every ``num_updates``-th iteration, which begins with ``num_updates`` of both.

    Args:
      make_env, reward_source, expert, seed, absorbing: as for every generator; ``reward_source.reward`` must
        be differentiable in the observation and the action, so the environment's own reward will not do.
      learner: class of what learns from the replay, with MGAIL's updates.
      num_prefill_steps: time steps of each environment before the first update, a multiple of ``num_steps``;
        ``random_share`` of them under uniformly random actions, the rest under the initial policy.
      replay_capacity: time steps of each environment, a multiple of ``num_steps``.
      num_warmup_updates: of model and reward source before the policy's first.
      in_turn: num_updates of model and reward source, then num_updates of model and policy (the authors'
        alternating blocks), instead of all together.
      store_interval: of fresh rollouts' steps, those of every such iteration go into the replay.
      fixed_normalizer: observations are normalised by the demonstrations' moments, whatever comes later.
      batch_size: rollouts of a policy update, and rows that the reward source updates on (its own num_epochs
        and batch_size cut them into minibatches).
      model_batch_size, segment_length: segments of a model update, beside as many single steps of the
        demonstrations, and the steps of each.
      replay_window: time steps of each environment from which rollouts start; None: the whole replay.
      reward_recency: k, by which the reward source is shown new steps more often, as OffPolicyGenerator's.
      collect_while_learning: as OffPolicyGenerator's: one iteration's lag, for the use of a second core.
      jit_compile: compile with XLA.

    Attributes:
      notes: what a person should know before the first iteration.
      replay: the :class:`SegmentReplay`. fresh: the segment that was collected last.
    """

    def __init__(
        self,
        make_env: Callable[[], gym.Env],
        reward_source: RewardSource,
        expert: Transition,
        seed: int,
        absorbing: bool = False,
        learner: Callable[..., MGAIL] = MGAIL,
        num_environments: int = 8,
        num_steps: int = 32,
        num_prefill_steps: int = 256,
        random_share: float = 0.5,
        replay_capacity: int = 12_800,
        num_updates: int = 64,
        num_warmup_updates: int = 500,
        in_turn: bool = False,
        store_interval: int = 1,
        fixed_normalizer: bool = False,
        batch_size: int = 64,
        model_batch_size: int = 16,
        segment_length: int = 5,
        replay_window: int | None = None,
        reward_recency: float = 1.0,
        collect_while_learning: bool = False,
        jit_compile: bool = True,
    ):
        settings = dict(locals())
        _check(settings)
        make_real = lambda: _without_absorbing(make_env())  # noqa: E731
        super().__init__(make_real, reward_source, seed, num_environments, num_steps)
        codec, spec = self._environment.codec, self._environment.observation_spec
        self.check_predictable(tuple(spec.shape))
        observation_dim = spec.shape[0]
        self._num_prefill, self._absorbing = num_prefill_steps, absorbing
        self.steps_before_learning = num_prefill_steps * num_environments
        self._num_updates, self._num_warmup, self._in_turn = num_updates, num_warmup_updates, in_turn
        self._batch_size, self._model_batch_size = batch_size, model_batch_size
        self._replay_window, self._reward_recency = replay_window, reward_recency
        self._normalizer = RunningMoments((observation_dim,))
        # Where a step ends the reward's successor is the absorbing state; without one it has the flag alone.
        reads = "reads_successor" if absorbing else "reads_terminated"
        reward_fn, reads_end = reward_source.reward, getattr(reward_source, reads, False)
        # What stands for the action in the absorbing state nobody has done.
        acted = expert.action[expert.observation[:, -1] == 0.0] if absorbing else expert.action
        self.learner = learner(
            codec, observation_dim, self._normalizer, absorbing, reward_fn, acted, reads_end
        )
        shared.follow_discount(reward_source, self.learner.discount)
        _check_rollouts(self.learner, settings)
        shared.check_cloning(self.learner, expert, reward_source)
        self._store_interval, self._fixed_normalizer = store_interval, fixed_normalizer
        self._segment_length, self._num_random = segment_length, round(random_share * num_prefill_steps)
        widths = observation_dim, self.learner.actions.action_dim
        sizes = replay_capacity, num_environments, *widths, self.learner.noise_dim
        given = f"ModelBasedGenerator.replay_capacity is {replay_capacity}"
        enough = f"Trainer.total_env_steps / {num_environments} environments at most"
        with room_for(SegmentReplay.num_bytes(*sizes), given, enough):
            self.replay = SegmentReplay(*sizes, self._num_random)
        self.policy = Policy(self.learner.average_net, self._normalizer, codec, False, spec)
        actor = Policy(self.learner.actor_net, self._normalizer, codec, False, spec)
        self._act_by(actor, while_learning=collect_while_learning, dropout=self.learner.dropout)
        rows, known = expert_rows(expert, absorbing, self.learner.actions.vector)
        self._expert, self._expert_known = tf.nest.map_structure(tf.constant, (rows, known))
        self._normalizer.update(self._expert.observation)
        self._ended = np.ones(num_environments, np.float32)
        self._iterate = tf.function(self._compiled_iteration, jit_compile=jit_compile, autograph=False)
        self._take_in = tf.function(self._update_moments, jit_compile=jit_compile, autograph=False)
        self.fresh: Segment | None = None

    @staticmethod
    def check_predictable(shape: tuple[int, ...]) -> None:
        """Raises UserError where observations of ``shape`` are no vectors."""
        if len(shape) != 1:
            given = f"MGAIL predicts vectors, and observations have the shape {shape}"
            raise UserError(f"{given}: flatten them with a wrapper, or take gail_ppo/any.")

    def collect(self, iteration: int) -> tuple[int, list[EpisodeStatistics]]:
        """Takes ``num_steps`` in every environment; before the first time the prefill as well."""
        blocks, episodes = 1, []
        if iteration == 0:
            blocks += self._num_prefill // self._num_steps
        for block in range(blocks):
            num_random = self._num_random - block * self._num_steps if iteration == 0 else 0
            self.fresh, finished = self._collect_block(num_random, self._seed, iteration, block)
            if blocks > 1 or (iteration + 1) % self._store_interval == 0:
                self.replay.add(self._to_store(follows=blocks > 1 or self._store_interval == 1))
            episodes += finished
            # What normalised a fresh rollout's actions is what its update sees: the last block waits.
            if not self.learner.is_fresh or block < blocks - 1:
                self._take_in(*(tf.constant(self.fresh[i]) for i in (0, 3)))
        return blocks * self._num_steps * self._environment.num_environments, episodes

    def _to_store(self, follows: bool) -> Segment:
        """The fresh block; where it does not follow what is stored before it a memory starts anew there."""
        if follows:
            return self.fresh
        is_first = self.fresh.is_first.copy()
        is_first[0] = 1.0
        return self.fresh._replace(is_first=is_first)

    def _collect_block(self, num_random: int, *seed: int) -> tuple[Segment, list[EpisodeStatistics]]:
        transition, episodes = self._piece(lambda: self._acting(num_random, *seed))
        observation, action, successor, _, terminated, truncated = transition
        is_first = first_flags(self._ended, terminated, truncated)
        self._ended = np.maximum(terminated[-1], truncated[-1])
        executed = self.learner.actions.vector(action).numpy()
        # Drawn again: a resumed run has the steps that were under way, and not their noise.
        self._sampler.start(seed, self._num_steps, self._environment.num_environments)
        noise = self._sampler.noise
        if self._sampler.mask is not None:
            noise = np.concatenate([noise, self._sampler.mask], -1)
        return Segment(observation, executed, noise, successor, terminated, truncated, is_first), episodes

    def _acting(self, num_random: int, *seed: int) -> Act:
        """Acts by the policy as it is now, but for the first ``num_random`` steps, which are uniform."""
        sample, random = self._sampling(*seed), np.random.default_rng((*seed, 1))
        shape = (self._environment.num_environments,)

        def act(observation, t):
            if t >= num_random:
                return sample(observation, t)
            return shared.uniform_actions(self.policy.codec, shape, random)

        return act

    def _take(self, act: Act) -> Piece:
        transition, samples, episodes = self._steps(act)
        return transition if self.learner.cut_actions else transition._replace(action=samples), episodes

    def _update_moments(self, observation, next_observation) -> None:
        rows, next_rows = shared.flatten_time((observation, next_observation))
        if not self._fixed_normalizer:
            self._normalizer.update(rows)
        self.learner.model.update_moments(rows, next_rows)

    def update(self, iteration: int, progress: float) -> dict[str, float]:
        """Everything that is learned from the replay, on it as it is after the last collection."""
        fresh = tf.nest.map_structure(tf.constant, self.fresh)
        index, progress = tf.constant(iteration, tf.int32), tf.constant(progress, tf.float32)
        start = time.perf_counter()
        if self._collects_ahead:
            self._begin(self._acting(0, self._seed, iteration + 1, 0))
        counts = self._num_warmup if iteration == 0 else 0, self._num_in_block(iteration)
        metrics = self._iterate(fresh, index, progress, *(tf.constant(count, tf.int32) for count in counts))
        if self.learner.is_fresh:
            self._take_in(fresh.observation, fresh.next_observation)
        return shared.as_numbers(metrics) | {"time/update_seconds": time.perf_counter() - start}

    def _num_in_block(self, iteration: int) -> int:
        """Updates of model and reward source, the policy waiting, that ``iteration`` begins with."""
        if not self._in_turn or (self.learner.is_fresh and (iteration + 1) % self._num_updates):
            return 0
        return self._num_updates

    def _compiled_iteration(
        self, fresh: Segment, iteration, progress, num_warmup, num_in_block
    ) -> dict[str, Any]:
        seed = shared.iteration_seed(self._run_seed, 4, iteration)
        seed_updates, seed_norms = tf.unstack(tf.random.split(seed, 2))
        # Before the updates: the fresh steps are held out until then.
        metrics = self._held_out_errors(fresh)
        metrics |= self._updates(fresh, num_warmup, num_in_block, seed_updates, progress)
        metrics |= self._relabel(fresh)
        segment = self._start_segments(fresh, seed_norms)
        norms = self.learner.rollout_gradient_norms(segment, seed_norms)
        return metrics | {
            "model/rollout_gradient_norm_first": norms[0],
            "model/rollout_gradient_norm_last": norms[-1],
            "model/rollout_gradient_norm": {"step": tf.range(1, norms.shape[0] + 1), "norm": norms},
        }

    def _updates(self, fresh: Segment, num_warmup, num_in_block, seed, progress) -> dict[str, Weighted]:
        """The schedule as one loop; means of the metrics over the updates after the warm-up.

        The model learns in every step; whether the reward source and the policy do, a condition says: one
        body, compiled once, serves the warm-up, both orders, and all that follows.
        """
        policy_begins = num_warmup + num_in_block
        num_steps = policy_begins + (1 if self.learner.is_fresh else self._num_updates)
        reward_ends = policy_begins if self._in_turn else num_steps
        parts = (
            (self._learn_model, lambda i: tf.constant(1.0)),
            (self._learn_reward, lambda i: tf.cast(i < reward_ends, tf.float32)),
            (
                functools.partial(self._learn_policy, fresh),
                lambda i: tf.cast(i >= policy_begins, tf.float32),
            ),
        )
        # Traced once, beside the loop, which tells the metrics' names as well.
        specs = tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.float32)
        functions = [tf.function(learn, autograph=False).get_concrete_function(*specs) for learn, _ in parts]
        start = [
            ({name: tf.constant(0.0) for name in function.structured_outputs}, tf.constant(0.0))
            for function in functions
        ]

        def body(i, totals):
            seeds = tf.unstack(tf.random.split(tf.random.fold_in(seed, i), len(parts)))
            counts, added = tf.cast(i >= num_warmup, tf.float32), []
            for function, (_, learns), (zeros, _), part_seed in zip(
                functions, parts, start, seeds, strict=True
            ):
                weight = learns(i)
                call = functools.partial(function, part_seed, progress)
                metrics = tf.cond(weight > 0.0, call, lambda zeros=zeros: zeros)
                added.append(({name: counts * value for name, value in metrics.items()}, counts * weight))
            return i + 1, tf.nest.map_structure(tf.add, totals, added)

        _, totals = tf.while_loop(lambda i, _: i < num_steps, body, (tf.constant(0), start))
        # No weight: in a block of the policy's the reward source did not learn.
        return {
            name: Weighted(tf.math.divide_no_nan(value, weight), weight)
            for sums, weight in totals
            for name, value in sums.items()
        }

    def _held_out_errors(self, fresh: Segment) -> dict[str, tf.Tensor]:
        model = self.learner.model
        segments = shared.cut_windows(fresh, self._segment_length)
        return {
            "model/one_step_error": one_step_error(model, segments, carry=True),
            "model/one_step_error_reset": one_step_error(model, segments, carry=False),
            "model/h_step_error": h_step_error(model, shared.cut_windows(fresh, self.learner.horizon)),
            "model/termination_accuracy": termination_accuracy(model, fresh),
        }

    def _relabel(self, fresh: Segment) -> dict[str, tf.Tensor]:
        """The reward's own metrics, on the steps collected last; moves its running scale."""
        _, metrics = self._reward_source.relabel(self._as_transition(shared.flatten_time(fresh)))
        if self._absorbing:  # the rows are real ones: none of them is the absorbing state
            absorbing = self._reward_source.reward(self.learner.absorbing_transition(1))[0]
            metrics["reward/absorbing_mean"] = absorbing
        return metrics

    def _as_transition(self, rows: Segment) -> Transition:
        return self.learner.transition(
            rows.observation, rows.action, rows.next_observation, rows.terminated, rows.truncated
        )

    def _start_segments(self, fresh: Segment, seed) -> Segment:
        if self.learner.is_fresh:
            return shared.cut_windows(fresh, self.learner.horizon)
        return self.replay.sample(
            seed, self.learner.horizon, self._batch_size, self._replay_window, only_policy=True
        )

    def _learn_model(self, seed, progress) -> dict[str, tf.Tensor]:
        seed_segment, seed_expert = tf.unstack(tf.random.split(seed, 2))
        segment = self.replay.sample(seed_segment, self._segment_length, self._model_batch_size)
        drawn = self._expert_rows(self._model_batch_size, seed_expert)
        expert, successor_known = tf.nest.map_structure(lambda x: x[tf.newaxis], drawn)
        return self.learner.update_model(segment, expert, successor_known, progress)

    def _expert_rows(self, count: int, seed) -> tuple[Segment, tf.Tensor]:
        """Demonstrations ``[count]``, drawn with replacement, and where their successor is known."""
        rows = drawn_indices(count, self._expert.terminated.shape[0], seed)
        return tf.nest.map_structure(lambda x: tf.gather(x, rows), (self._expert, self._expert_known))

    def _learn_reward(self, seed, progress) -> dict[str, tf.Tensor]:
        seed_rows, seed_absorbing, seed_update = tf.unstack(tf.random.split(seed, 3))
        rows = self.replay.sample(seed_rows, 1, self._batch_size, recency=self._reward_recency)
        transition = self._as_transition(Segment(*(field[0] for field in rows)))
        if self._absorbing:
            # As if every termination had been followed by one absorbing row, like the demonstrations'.
            chance = tf.random.stateless_uniform([self._batch_size], seed_absorbing)
            is_absorbing = chance < self.replay.termination_share(self._reward_recency)
            absorbing = self.learner.absorbing_transition(self._batch_size)
            mask = lambda x: tf.reshape(is_absorbing, [-1] + [1] * (len(x.shape) - 1))  # noqa: E731
            transition = tf.nest.map_structure(lambda a, b: tf.where(mask(b), a, b), absorbing, transition)
        return self._reward_source.update(transition, seed_update, progress)

    def _learn_policy(self, fresh: Segment, seed, progress) -> dict[str, tf.Tensor]:
        seed_segment, seed_noise = tf.unstack(tf.random.split(seed, 2))
        segment, expert = self._start_segments(fresh, seed_segment), None
        if self.learner.cloning_coef:
            expert, _ = self._expert_rows(self._batch_size, tf.random.fold_in(seed_noise, 2))
        return self.learner.update_policy(segment, seed_noise, progress, expert)

    def state(self) -> dict[str, np.ndarray]:
        return super().state() | {"ended": self._ended.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._ended = np.array(state["ended"])
