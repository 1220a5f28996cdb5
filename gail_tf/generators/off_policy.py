"""The off-policy generator: collect a little, learn from the replay buffer under today's reward."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf.agents.checked import another_actor_net, made_agent, updated
from gail_tf.agents.policy import Policy
from gail_tf.agents.td3 import TD3
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.atari import stacks_frames
from gail_tf.errors import UserError
from gail_tf.generators import shared
from gail_tf.generators.collecting import Act, CollectingGenerator
from gail_tf.generators.replay import ReplayBuffer
from gail_tf.networks.augmentations import augmented, checked_augmentations
from gail_tf.optimization import averages
from gail_tf.optimization.compiling import with_xla
from gail_tf.optimization.minibatches import drawn_indices, recent_ages, scan_updates
from gail_tf.types import EpisodeStatistics, OffPolicyBatch, RewardSource, Transition

_AGENT = "OffPolicyGenerator.agent"

_LEAST_FRAMES = 64
"""Of frames there is room for so many more than for rows, and for a sixteenth: for episodes' starts."""


def _check(settings: Mapping[str, Any]) -> None:
    """Raises ValueError for settings of the constructor (its ``locals()``) that make no sense together."""
    shared.check_settings("OffPolicyGenerator", settings)
    shared.check_without_segments("OffPolicyGenerator", settings["reward_source"])
    source = settings["reward_source"]
    is_shown = not getattr(source, "is_constant", False)
    per_iteration = settings["num_steps"] * settings["num_environments"]
    for name, least, why in (
        ("num_reward_rows", int(is_shown), "what a discriminator learns from"),
        ("replay_capacity", max(per_iteration, settings["batch_size"]), "an iteration and a minibatch fit"),
    ):
        if settings[name] < least:
            raise ValueError(f"OffPolicyGenerator.{name} is {settings[name]}: want {least} or more ({why}).")
    _check_demonstrations(settings)
    agent = _class_of(settings["agent"])
    if not hasattr(agent, "num_batches"):
        raise ValueError(
            f"OffPolicyGenerator.agent is @{getattr(agent, '__name__', agent)}: want an off-policy agent: "
            "@SAC, @TD3, @SD3, @DDPG, or, of discrete actions, @DQN, @SoftQ, @IQLearn."
        )


def _class_of(agent: Callable) -> Any:
    """The class that ``agent`` is, or that it is a partial call of."""
    return getattr(agent, "func", agent)


def _check_demonstrations(settings: Mapping[str, Any]) -> None:
    """Raises ValueError where demonstrations join minibatches and nobody gives them, or pays for them."""
    share, expert, source = settings["expert_share"], settings["expert"], settings["reward_source"]
    agent = _class_of(settings["agent"])
    if not share:
        why = ""
        if getattr(agent, "needs_demonstrations", False):
            why = f"is 0 and {agent.__name__} learns from demonstrations"
        elif getattr(source, "needs_expert_share", False):
            why = f"is {share} and {type(source).__name__} pays for demonstrations alone"
        if why:
            raise ValueError(f"OffPolicyGenerator.expert_share {why}: want 0.5.")
        return
    if expert is None or not hasattr(source, "expert_reward"):
        missing = "there are no demonstrations" if expert is None else "the reward source pays for none"
        raise ValueError(
            f"OffPolicyGenerator.expert_share is {share} and {missing}: want 0.0, or a recipe such as sqil."
        )
    if getattr(agent, "num_batches", 1) > 1:
        raise ValueError(
            f"OffPolicyGenerator.expert_share is {share} and its agent cuts its rows in pieces: want 0.0."
        )
    if not 0 < round(share * settings["batch_size"]) < settings["batch_size"]:
        raise ValueError(
            f"OffPolicyGenerator.expert_share is {share}: want a share that leaves rows of either kind in a "
            f"minibatch of {settings['batch_size']}."
        )


def _check_actions(codec: ActionCodec, agent: Any) -> None:
    """Raises UserError for actions that the agent cannot take."""
    is_discrete = getattr(agent, "is_discrete", False)
    if codec.is_discrete and not is_discrete:
        given = f"{agent.__name__} needs continuous actions, and the environment's are discrete"
        raise UserError(f"{given}: take sqil/any, gail_ppo/any, or dqn/any on the environment's own reward.")
    if is_discrete and not codec.is_discrete:
        given = f"{agent.__name__} needs discrete actions, and the environment's are continuous"
        raise UserError(f"{given}: take sac_gail/any, or sac/any on the environment's own reward.")
    if is_discrete:
        return
    fixed = np.flatnonzero(codec.space_low == codec.space_high)
    if len(fixed):
        given = f"component {fixed[0]} of the actions can only be {codec.space_low[fixed[0]]}"
        raise UserError(f"{given}: leave it out with a wrapper of the environment, or take gail_ppo/any.")
    if not codec.is_bounded:
        bounds = f"{codec.space_low} to {codec.space_high}"
        given = f"off-policy agents act between the bounds of actions, and the environment's are {bounds}"
        raise UserError(f"{given}: wrap it so that all are finite, or take gail_ppo/any.")


@gin.configurable(denylist=["make_env", "reward_source", "expert", "seed", "absorbing"])
class OffPolicyGenerator(CollectingGenerator):
    """Actor-critic learning from replayed transitions, for any agent of the OffPolicyAgent protocol.

    An iteration is: collect ``num_steps`` x ``num_environments`` transitions into the replay buffer; then one
    call in which the reward source learns from replayed rows, pays for the rows of all minibatches as it
    stands now, and the agent takes ``num_updates`` steps. Rewards are never stored. The reward source's steps
    come before the agent's, as in CREDO's Algorithm 1, and not in turns with them: paying for all minibatches
    at once is one product of large matrices.

    Args:
      make_env: makes one environment. reward_source: pays for transitions. expert: the demonstrations, for
        ``expert_share``; None without. seed: of everything random here.
      absorbing: the observations carry an absorbing indicator. In an absorbing state the only action is 0: it
        is what is stored, and what critic target and actor take (DAC's code); otherwise both would ask the
        critic there about actions that it has never seen.
      agent: class of the agent (TD3, DDPG, SD3, SAC; of discrete actions DQN, SoftQ, IQLearn).
      num_updates: agent updates an iteration; over the transitions collected: the update-to-data ratio.
      batch_size: rows of a minibatch.
      expert_share: fraction of every minibatch that is rows of the demonstrations, drawn uniformly and with
        replacement. The reward source says what they are paid (``expert_reward``). SQIL: a half. An agent's
        ``cloning_coef`` needs more than 0.
      augmentations: what images go through before an agent's update, functions such as those of
        networks/augmentations.py: states and successors apart from each other, and anew each update (DrQ,
        2020). The reward source sees images as they are.
      num_reward_rows: replayed rows that the reward source sees an iteration; with a Discriminator of
        ``num_epochs`` 1, divided by its ``batch_size``, that is its number of updates. 0: it never learns.
      reward_recency: k, by which new ones are preferred among these: the age of a row is u^k of the buffer's,
        u uniform; 1 draws uniformly, 3 takes half of them from the newest eighth. A reward source that is
        shown old behaviour most of the time tells it from the expert for ever, and goes on pulling the policy
        past the expert when it is already there; one that is shown none forgets it, and pays for it again.
      num_random_steps: transitions of uniformly random actions at the start; learning begins after them.
      replay_capacity: transitions. Of stacks of frames it holds fewer where episodes are short: there is room
        for a sixteenth more frames than that, and an episode takes one more than it has steps.
      average_rate: the policy that is evaluated and exported is a running average of the actor's weights,
        moved by this fraction an update; 0: the actor itself.
      normalize_observations: running mean and std of the observations collected.
      collect_while_learning: the steps of the next iteration are taken while this one's updates run, by the
        policy of before them: one iteration's lag, for the use of a second core.
      jit_compile: compile with XLA. None: do so, except for images on a CPU.

    Attributes:
      notes: what a person should know before the first iteration. replay: the :class:`ReplayBuffer`.
    """

    def __init__(
        self,
        make_env: Callable[[], gym.Env],
        reward_source: RewardSource,
        expert: Transition | None,
        seed: int,
        absorbing: bool = False,
        agent: Callable[..., Any] = TD3,
        num_environments: int = 1,
        num_steps: int = 64,
        num_updates: int = 64,
        batch_size: int = 256,
        expert_share: float = 0.0,
        augmentations: Sequence[Callable] = (),
        num_reward_rows: int = 0,
        reward_recency: float = 1.0,
        num_random_steps: int = 1000,
        replay_capacity: int = 1_000_000,
        average_rate: float = 0.0,
        normalize_observations: bool = False,
        collect_while_learning: bool = False,
        jit_compile: bool | None = None,
    ):
        _check(locals())
        super().__init__(make_env, reward_source, seed, num_environments, num_steps)
        codec, spec = self._environment.codec, self._environment.observation_spec
        _check_actions(codec, _class_of(agent))
        self._num_updates, self._batch_size, self._absorbing = num_updates, batch_size, absorbing
        self._num_expert_rows = round(expert_share * batch_size)
        images = [] if spec.dtype.is_floating else [spec.shape]
        self._augmentations = checked_augmentations("OffPolicyGenerator", augmentations, images)
        self._num_reward_rows, self._reward_recency = num_reward_rows, reward_recency
        self.steps_before_learning = num_random_steps
        normalizer_options = normalize_observations, absorbing
        self._normalizer, notes = shared.make_normalizer("OffPolicyGenerator", spec, *normalizer_options)
        attributes = "actor_net num_batches exploration_noise make_actor_net".split()
        self.agent = made_agent(_AGENT, agent, (spec, codec.spec), attributes)
        per_iteration = num_steps * num_environments
        filling = -(-max(num_random_steps, 1) // per_iteration) - 1
        waiting = getattr(self.agent, "actor_start", 0) // num_updates
        self.steps_before_policy = (filling + waiting) * per_iteration
        shared.check_discount(type(self.agent).__name__, getattr(self.agent, "discount", 0.0), absorbing)
        shared.follow_discount(reward_source, getattr(self.agent, "discount", None))
        shared.check_cloning(self.agent, expert, reward_source, expert_share)
        self._actor = self.policy = Policy(self.agent.actor_net, self._normalizer, codec, absorbing, spec)
        if average_rate:
            average_net = another_actor_net(_AGENT, self.agent)
            averages.assign(average_net.variables, self.agent.actor_net.variables)
            self.policy = Policy(average_net, self._normalizer, codec, absorbing, spec)
        # Once an iteration instead of once an update: the same decay over num_updates of them.
        self._average_step = 1.0 - (1.0 - average_rate) ** num_updates
        jit_compile = with_xla(jit_compile, spec.shape)
        noise = self.agent.exploration_noise
        self._act_by(self._actor, noise, notes, collect_while_learning, jit_compile=jit_compile)
        action_dim = None if codec.is_discrete else codec.spec.shape[0]
        are_stacks = spec.shape.rank == 3 and stacks_frames(make_env)  # each frame is then stored once
        num_frames = replay_capacity + replay_capacity // 16 + _LEAST_FRAMES if are_stacks else None
        self.replay = ReplayBuffer(replay_capacity, spec, action_dim, num_environments, num_frames)
        if expert_share:
            self._demonstrations = ReplayBuffer.of(expert, spec, action_dim, are_stacks)
        self._learn = tf.function(self._learn_from, jit_compile=jit_compile, autograph=False)
        # The gather is outside of what XLA compiles, which would take the whole table as an argument.
        self._sample_and_learn = tf.function(self._sample_then_learn, autograph=False)

    def collect(self, iteration: int) -> tuple[int, list[EpisodeStatistics]]:
        """Takes ``num_steps`` in every environment, at random until there were ``num_random_steps``."""
        transition, episodes = self._piece(lambda: self._acting(iteration))
        if self._absorbing:  # what is done there changes nothing: the critic learns of one action alone
            can_act = 1.0 - transition.observation[..., -1]
            can_act = can_act if self.policy.codec.is_discrete else can_act[..., None]
            action = transition.action * can_act
            transition = transition._replace(action=action.astype(transition.action.dtype))
        rows = shared.flatten_time(transition)
        self.replay.add(rows)
        if self._normalizer is not None:
            self._normalizer.update(tf.constant(rows.observation))
        return len(rows.reward), episodes

    def _acting(self, iteration: int) -> Act:
        """By the policy; of discrete actions the agent's share is random, and all before it learns are."""
        codec, num_steps = self.policy.codec, self.replay.num_added
        shape = (self._num_steps, self._environment.num_environments)
        if num_steps < self.steps_before_learning:
            random = shared.uniform_actions(codec, shape, np.random.default_rng((self._seed, iteration)))
            return lambda observation, t: random[t]
        sample = self._sampling(self._seed, iteration)
        if not codec.is_discrete:
            return sample
        # Not the words of the samples' noise.
        generator = np.random.default_rng((self._seed, iteration, 4))
        random = shared.uniform_actions(codec, shape, generator)
        is_random = generator.random(shape) < self.agent.random_share(num_steps)
        return lambda observation, t: np.where(is_random[t], random[t], sample(observation, t))

    def update(self, iteration: int, progress: float) -> dict[str, float]:
        """Reward source, relabelling and ``num_updates`` agent updates; nothing while acting at random."""
        if self.replay.num_added < self.steps_before_learning:
            return {}
        start = time.perf_counter()
        if self._collects_ahead:
            self._begin(self._acting(iteration + 1))
        where = self.replay.size, self.replay.first, self.replay.newest
        integers = (tf.constant(i, tf.int32) for i in (*where, iteration))
        metrics = self._sample_and_learn(*integers, tf.constant(progress, tf.float32))
        if self.policy.codec.is_discrete:
            before = self.replay.num_added - self._num_steps * self._environment.num_environments
            is_filling = before < self.steps_before_learning
            metrics["generator/random_share"] = 1.0 if is_filling else self.agent.random_share(before)
        return shared.as_numbers(metrics) | {"time/update_seconds": time.perf_counter() - start}

    def _sample_then_learn(self, size, first, newest, iteration, progress):
        num_batches = self._num_updates * self.agent.num_batches
        num_rows = num_batches * (self._batch_size - self._num_expert_rows)
        seed = shared.iteration_seed(self._run_seed, 1, iteration)
        indices = drawn_indices(num_rows, size, seed)
        indices = tf.math.floormod(first + indices, self.replay.capacity)
        rows, reward_rows, expert_rows = self.replay.gather(indices), None, None
        if self._num_reward_rows:
            seed = shared.iteration_seed(self._run_seed, 3, iteration)
            age = recent_ages(seed, self._num_reward_rows, size, self._reward_recency)
            reward_rows = self.replay.gather(tf.math.floormod(newest - age, self.replay.capacity))
        if self._num_expert_rows:
            seed = shared.iteration_seed(self._run_seed, 4, iteration)
            num_drawn = num_batches * self._num_expert_rows
            indices = drawn_indices(num_drawn, self._demonstrations.size, seed)
            expert_rows = self._demonstrations.gather(indices)
        return self._learn(rows, reward_rows, expert_rows, iteration, progress)

    def _learn_from(self, rows: Transition, reward_rows, expert_rows, iteration, progress):
        seed = shared.iteration_seed(self._run_seed, 2, iteration)
        seed_reward, seed_agent = tf.unstack(tf.random.split(seed, 2))
        metrics = {}
        if reward_rows is not None:
            metrics |= self._reward_source.update(reward_rows, seed_reward, progress)
        reward, reward_metrics = shared.pay(self._reward_source, rows)
        batches = self._by_update(self._as_batch(rows, reward))
        if expert_rows is not None:
            expert_reward = self._reward_source.expert_reward(expert_rows)
            expert = self._by_update(self._as_batch(expert_rows, expert_reward))
            expert = expert._replace(is_expert=tf.ones_like(expert.reward))
            batches = batches._replace(is_expert=tf.zeros_like(batches.reward))
            batches = tf.nest.map_structure(lambda *kinds: tf.concat(kinds, 1), batches, expert)

        def step(i, seed):
            batch = tf.nest.map_structure(lambda x: x[i], batches)
            return updated(_AGENT, self.agent, self._augmented(batch, seed), seed, progress)

        metrics |= reward_metrics | scan_updates(step, self._num_updates, seed_agent)
        shared.move_average(self.policy, self._actor, self._average_step)
        return metrics

    def _augmented(self, batch: OffPolicyBatch, seed: tf.Tensor) -> OffPolicyBatch:
        """``batch`` as the agent sees it: its images through the augmentations."""
        if not self._augmentations:
            return batch
        seeds = tf.unstack(tf.random.split(tf.random.fold_in(seed, 1), 2))
        observation = augmented(batch.observation, self._augmentations, seeds[0])
        next_observation = augmented(batch.next_observation, self._augmentations, seeds[1])
        return batch._replace(observation=observation, next_observation=next_observation)

    def _by_update(self, batch: OffPolicyBatch) -> OffPolicyBatch:
        """``[N, ...]`` -> ``[num_updates, N / num_updates, ...]``."""
        return tf.nest.map_structure(
            lambda x: tf.reshape(x, [self._num_updates, x.shape[0] // self._num_updates, *x.shape[1:]]), batch
        )

    def _as_batch(self, rows: Transition, reward: tf.Tensor) -> OffPolicyBatch:
        """``rows`` ``[N, ...]`` with the rewards paid for them ``[N]``, as the agent learns from them."""
        observation = self._actor.normalize(rows.observation)
        next_observation = self._actor.normalize(rows.next_observation)
        can_act = can_act_next = tf.ones_like(reward)
        if self._absorbing:
            can_act, can_act_next = 1.0 - rows.observation[..., -1], 1.0 - rows.next_observation[..., -1]
        return OffPolicyBatch(
            observation, rows.action, reward, next_observation, rows.terminated, can_act, can_act_next
        )

    def state(self) -> dict[str, np.ndarray]:
        return super().state() | self.replay.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.replay.restore(state)
