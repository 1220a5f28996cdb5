"""The on-policy generator: collect, let the reward source learn and relabel, improve the policy."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf.agents.behavioral_cloning import BehavioralCloning
from gail_tf.agents.checked import made_agent, updated
from gail_tf.agents.losses import mean_where
from gail_tf.agents.on_policy import generalized_advantage, policy_gradient_metrics
from gail_tf.agents.policy import Policy
from gail_tf.agents.ppo import PPO
from gail_tf.generators import shared
from gail_tf.generators.collecting import CollectingGenerator
from gail_tf.networks.checked import checked_actor, checked_value
from gail_tf.networks.layers import MakeLayers
from gail_tf.networks.mlp import make_actor_network, make_value_network
from gail_tf.networks.shared_encoder import Encoded, features_spec, make_encoder
from gail_tf.optimization import averages
from gail_tf.optimization.compiling import with_xla
from gail_tf.optimization.frame_table import as_rows
from gail_tf.optimization.minibatches import drawn_indices
from gail_tf.types import EpisodeStatistics, OnPolicyBatch, RewardSource, Transition, ValuedSegments

_AGENT = "OnPolicyGenerator.agent"


def _check(settings: Mapping[str, Any]) -> None:
    """Raises ValueError for settings of the constructor (its ``locals()``) that make no sense together."""
    shared.check_settings("OnPolicyGenerator", settings)
    shared.check_paid("OnPolicyGenerator", settings["reward_source"])
    num_steps, length, expert = settings["num_steps"], settings["segment_length"], settings["expert"]
    if num_steps % length:
        raise ValueError(
            f"OnPolicyGenerator.segment_length is {length}: want a divisor of num_steps, {num_steps}."
        )
    if settings["reward_source"].needs_segments and not settings["generator_first"]:
        raise ValueError(
            "Discriminator.loss_terms: one needs the values fitted in the same iteration: want "
            "OnPolicyGenerator.generator_first = True, or other loss terms."
        )
    shared.check_discount("OnPolicyGenerator", settings["discount"], settings["absorbing"])
    epochs = settings["warm_start_epochs"]
    if epochs and expert is None:
        raise ValueError(f"OnPolicyGenerator.warm_start_epochs is {epochs}: without demonstrations want 0.")
    if settings["fixed_normalizer"] and (expert is None or not settings["normalize_observations"]):
        without = "demonstrations" if expert is None else "OnPolicyGenerator.normalize_observations"
        raise ValueError(f"OnPolicyGenerator.fixed_normalizer is True: without {without} want False.")


@gin.configurable(denylist=["make_env", "reward_source", "expert", "seed", "absorbing"])
class OnPolicyGenerator(CollectingGenerator):
    """Policy-gradient learning from a reward source, for any agent of the OnPolicyAgent protocol.

    An iteration is: collect ``num_steps`` x ``num_environments`` transitions; one compiled call in which the
    reward source learns from them and pays for them; one in which advantages are computed and the agent
    learns. (Two calls instead of one, so that both phases can be timed; the second call costs microseconds.)
    With ``generator_first`` the reward source pays, the agent learns, and then the reward source learns.

    Args:
      make_env: makes one environment. reward_source: pays for transitions. expert: the demonstrations, for a
        warm start and an agent's ``cloning_coef``; None without. seed: of everything random here.
      agent: class of the agent (PPO, TRPO). discount, gae_lambda: of the advantages.
      actor_network: ``(observation_spec, action_spec) ->`` a network, or a Keras model, whose output is a
        distribution over normalised actions. value_network: ``(observation_spec) ->`` one of values ``[B]``.
      encoder: makes the layers, such as those of networks/encoders.py, that both networks share: each is then
        given their features in place of observations. None: they share nothing.
      normalize_observations: running mean and std of the observations collected, frozen within an iteration;
        of as many demonstrations too where the agent clones them.
      fixed_normalizer: of the demonstrations alone, whatever comes later. A clone is not lost then by a scale
        that moves under it.
      generator_first: the reward source learns last, and gets the values that were just fitted to the rewards
        it paid (GAIL-VR, section 4.3). segment_length: steps of one environment in a segment of those; None
        is ``num_steps``.
      average_rate: the policy that is evaluated and exported is a running average of the actor's weights,
        moved by this fraction an iteration; 0: the actor itself. It smooths out the single update after which
        a policy falls in some episodes. Without a warm start it first is one of the newest actors.
      warm_start_epochs: epochs of behavioural cloning before the first iteration.
      jit_compile: compile with XLA. None: do so, except for images on a CPU.

    Attributes:
      notes: what a person should know before the first iteration.
      batch: what was collected last: transitions with the actions as executed, and the actions as sampled;
        all ``[T, B, ...]``.
    """

    def __init__(
        self,
        make_env: Callable[[], gym.Env],
        reward_source: RewardSource,
        expert: Transition | None,
        seed: int,
        absorbing: bool = False,
        num_environments: int = 16,
        num_steps: int = 128,
        agent: Callable[..., Any] = PPO,
        actor_network: Callable[..., Any] = make_actor_network,
        value_network: Callable[..., Any] = make_value_network,
        encoder: MakeLayers | None = None,
        discount: float = 0.99,
        gae_lambda: float = 0.95,
        normalize_observations: bool = True,
        fixed_normalizer: bool = False,
        generator_first: bool = False,
        segment_length: int | None = None,
        average_rate: float = 0.0,
        warm_start_epochs: int = 0,
        jit_compile: bool | None = None,
    ):
        segment_length = num_steps if segment_length is None else min(segment_length, num_steps)
        _check(locals())
        shared.follow_discount(reward_source, discount)
        super().__init__(make_env, reward_source, seed, num_environments, num_steps)
        self._discount, self._gae_lambda, self._absorbing = discount, gae_lambda, absorbing
        self._generator_first, self._segment_length = generator_first, segment_length
        codec, spec = self._environment.codec, self._environment.observation_spec
        normalizer_options = normalize_observations, absorbing
        self._normalizer, notes = shared.make_normalizer("OnPolicyGenerator", spec, *normalizer_options)
        make_networks = functools.partial(_networks, spec, codec.spec, actor_network, value_network, encoder)
        actor_net, value_net = make_networks()
        given = spec, codec.spec, actor_net, value_net
        self.agent = made_agent(_AGENT, agent, given, ("actor_net", "value_net"))
        self._actor = self.policy = Policy(actor_net, self._normalizer, codec, absorbing, spec)
        self._average_rate = average_rate
        if average_rate:
            average_net, _ = make_networks()
            averages.assign(average_net.variables, actor_net.variables)
            self.policy = Policy(average_net, self._normalizer, codec, absorbing, spec)
        self._cloned = self._demonstrated_actions(expert)
        self._scale_is_fixed = fixed_normalizer
        if self._normalizer is not None:
            if fixed_normalizer:
                self._normalizer.update(tf.constant(self._without_absorbing(expert).observation))
            elif self._cloned:
                self._normalizer.update(self._cloned[0])
        self._warm_start_epochs = warm_start_epochs
        self._cloning = self._warm_start(expert, seed) if warm_start_epochs else None
        self._sees_images = not spec.dtype.is_floating
        look = getattr(self.agent, "look", None) if self._sees_images else None
        jit_compile = with_xla(jit_compile, spec.shape)
        self._act_by(self._actor, notes=notes, look=look, jit_compile=jit_compile)
        compiled = functools.partial(tf.function, jit_compile=jit_compile, autograph=False)
        self._pay = compiled(self._relabel if generator_first else self._learn_and_relabel)
        self._update_policy = compiled(self._update_agent)
        self._learn_last = compiled(self._learn)
        self.batch: tuple[Transition, np.ndarray] | None = None

    def _demonstrated_actions(self, expert: Transition | None) -> tuple[Any, ...]:
        """Observations and actions ``[M, ...]`` that the agent's ``cloning_coef`` draws it to, if any."""
        if not shared.check_cloning(self.agent, expert, self._reward_source):
            return ()
        rows = self._without_absorbing(expert)
        return as_rows(rows.observation), as_rows(rows.action)

    def _without_absorbing(self, expert: Transition) -> Transition:
        """The rows in which something can be done."""
        if not self._absorbing:
            return expert
        rows = expert.observation[:, -1] == 0.0
        return Transition(*(field[rows] for field in expert))

    def _warm_start(self, expert: Transition, seed: int) -> Callable[[], BehavioralCloning]:
        """Makes the cloning of ``expert``, now, so that wrong settings are told and the record has them.

        Returns a function that gives it: an attribute of its own would be part of every checkpoint.
        """
        rows = self._without_absorbing(expert)
        if self._cloned:  # the same rows, which clone and agent share
            rows = rows._replace(observation=self._cloned[0], action=self._cloned[1])
        cloning = BehavioralCloning(self._actor, rows, seed)
        return lambda: cloning

    def prepare(self) -> Iterator[tuple[float, dict[str, float]]]:
        """Warm-starts the policy by behavioural cloning, where the config asks for it, an epoch at a time."""
        if self._cloning is None:
            return
        log_std = [v for v in self._actor.actor_net.trainable_variables if "log_std" in v.name]
        exploration = [v.numpy() for v in log_std]
        cloning, metrics = self._cloning(), {}
        for epoch in range(self._warm_start_epochs):
            metrics = cloning.epoch(epoch)
            if cloning.is_finished():
                break
            yield (epoch + 1) / self._warm_start_epochs, metrics
        cloning.use_best()
        # Maximum likelihood of a deterministic expert takes the noise away that policy gradients live on.
        for variable, value in zip(log_std, exploration, strict=True):
            variable.assign(value)
        shared.move_average(self.policy, self._actor, 1.0)
        # Not generator/entropy: it is the clone's, whose noise was just replaced.
        yield 1.0, {name: value for name, value in metrics.items() if name.startswith("cloning/")}

    def collect(self, iteration: int) -> tuple[int, list[EpisodeStatistics]]:
        """Takes ``num_steps`` in every environment with the sampled policy."""
        self._cloning = None  # its rows and its optimizer are needed no more
        transition, samples, episodes = self._steps(self._sampling(self._seed, iteration))
        self.batch = (transition, samples)
        return self._num_steps * self._environment.num_environments, episodes

    def update(self, iteration: int, progress: float) -> dict[str, Any]:
        """Reward source, relabelling and policy, in the order of the config, on the batch collected last."""
        transition, samples = tf.nest.map_structure(tf.convert_to_tensor, self.batch)
        index, progress = tf.constant(iteration, tf.int32), tf.constant(progress, tf.float32)
        start = time.perf_counter()
        reward, metrics = self._pay(transition, index, progress)
        metrics = shared.as_numbers(metrics)
        paid = time.perf_counter()
        looked = self._sampler.looked()
        agent_metrics, *values = self._update_policy(transition, samples, reward, index, progress, looked)
        metrics |= shared.as_numbers(agent_metrics)
        improved = time.perf_counter()
        if self._generator_first:
            metrics |= shared.as_numbers(self._learn_last(transition, index, progress, values))
        return metrics | {
            "time/discriminator_seconds": paid - start + time.perf_counter() - improved,
            "time/generator_seconds": improved - paid,
        }

    def _learn_and_relabel(self, transition, iteration, progress):
        metrics = self._learn(transition, iteration, progress)
        reward, reward_metrics = self._relabel(transition, iteration, progress)
        return reward, {**metrics, **reward_metrics}

    def _learn(self, transition, iteration, progress, values=()):
        seed = shared.iteration_seed(self._run_seed, 1, iteration)
        rows = shared.flatten_time(transition)
        if not values:
            return self._reward_source.update(rows, seed, progress)
        transition, values = shared.cut_windows((transition, tuple(values)), self._segment_length)
        segments = ValuedSegments(transition, *values, self._discount)
        return self._reward_source.update(rows, seed, progress, segments)

    def _relabel(self, transition, iteration, progress):
        del iteration, progress
        rows = shared.flatten_time(transition)
        reward, metrics = shared.pay(self._reward_source, rows)
        return tf.reshape(reward, transition.reward.shape), metrics

    def _update_agent(self, transition, samples, reward, iteration, progress, looked):
        seed = shared.iteration_seed(self._run_seed, 2, iteration)
        observation = self._actor.normalize(shared.flatten_time(transition.observation))
        value, old = (self._values(observation), None) if looked is None else looked
        extras = {} if old is None else {"old": old}
        ended = self._absorbing_value(transition) if self._absorbing else None
        absorbing_metrics = {} if ended is None else {"generator/absorbing_value": ended}
        values = _with_ended(ended, transition, self._values_at(observation, transition, value))
        ends = transition.terminated, transition.truncated
        advantage = generalized_advantage(reward, *values, *ends, self._discount, self._gae_lambda)
        advantage = shared.flatten_time(advantage)
        batch = OnPolicyBatch(observation, shared.flatten_time(samples), advantage, advantage + value, value)
        gradient_metrics = {}
        if not self._sees_images:  # of which they would cost as much as an epoch
            gradient_metrics = policy_gradient_metrics(self.agent.actor_net, batch)
        if ended is not None:
            batch = batch._replace(advantage=_of_real_states(advantage, transition))
        if self._cloned:
            expert_observation, expert_action = self._cloned
            extras["expert"] = self._actor.normalize(expert_observation), expert_action
        metrics = updated(_AGENT, self.agent, batch, seed, progress, **extras)
        shared.move_average(self.policy, self._actor, self._rate_of_average(iteration))
        fitted = []
        if self._generator_first:  # before the normaliser's update: in the scale in which they were fitted
            fitted = _with_ended(ended, transition, self._values_at(observation, transition))
        # Last, so that the batch was collected and learned from in one scale.
        if self._normalizer is not None and not self._scale_is_fixed:
            self._learn_scale(shared.flatten_time(transition.observation), iteration)
        statistics = {
            "generator/advantage_std": tf.math.reduce_std(advantage),
            "generator/value_mean": tf.reduce_mean(value),
        }
        return {**metrics, **gradient_metrics, **statistics, **absorbing_metrics}, *fitted

    def _rate_of_average(self, iteration: tf.Tensor):
        """At first the average is of the newest actors so far, for initial weights know nothing.

        By polynomial decay (Shamir and Zhang 2013, section 4, with an eta of 3) some quarter of them. Cloned
        weights keep their share: they play.
        """
        if self._warm_start_epochs:
            return self._average_rate
        return tf.maximum(self._average_rate, 4.0 / (tf.cast(iteration, tf.float32) + 4.0))

    def _learn_scale(self, observation: tf.Tensor, iteration: tf.Tensor) -> None:
        """The normaliser takes in ``observation`` ``[N, ...]``, and as many rows of what is cloned.

        Of the agent's alone the scale moves away from the demonstrations' where the first policies fall, and
        what was cloned is lost.
        """
        self._normalizer.update(observation)
        if self._cloned:
            seed, demonstrated = shared.iteration_seed(self._run_seed, 3, iteration), self._cloned[0]
            drawn = drawn_indices(observation.shape[0], demonstrated.shape[0], seed)
            self._normalizer.update(tf.gather(demonstrated, drawn))

    def _absorbing_value(self, transition: Transition) -> tf.Tensor:
        """What having ended is worth: the reward of the absorbing state for ever.

        Learned from its one row an episode it was at half of this after 150,000 steps.
        """
        row = shared.absorbing_row(shared.flatten_time(transition))
        return self._reward_source.reward(row)[0] / (1.0 - self._discount)

    def _values_at(self, observation: tf.Tensor, transition: Transition, value=None) -> list[tf.Tensor]:
        """``V(s_t)``, ``V(s'_t)`` ``[T, B]``; ``observation`` ``[T * B, ...]`` is what the networks see.

        Args:
          value: ``V(s_t)`` ``[T * B]`` where it is known; None: looked up.
        """
        shape, value_of = transition.reward.shape, lambda x: self._values(self._actor.normalize(x))
        value_t = tf.reshape(self._values(observation) if value is None else value, shape)
        every_tp1 = lambda: tf.reshape(value_of(shared.flatten_time(transition.next_observation)), shape)  # noqa: E731
        if not self._sees_images:
            return [value_t, every_tp1()]
        # Convolutions are dear, and a successor is the next observation, but for the last and at an end. A
        # termination bootstraps from nothing; only a time limit needs its successor's own value.
        last = value_of(transition.next_observation[-1])
        following = tf.concat([value_t[1:], last[tf.newaxis]], 0)
        is_cut = transition.truncated > 0.0
        chosen = lambda: tf.where(is_cut, every_tp1(), following)  # noqa: E731
        return [value_t, tf.cond(tf.reduce_any(is_cut[:-1]), chosen, lambda: following)]

    def _values(self, observation):
        return self.agent.value_net(observation, step_type=(), network_state=(), training=False)[0]


def _with_ended(
    ended: tf.Tensor | None, transition: Transition, values: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """V of states and successors ``[T, B]``; in absorbing ones ``ended``, where it is known."""
    if ended is None:
        return list(values)
    states = transition.observation, transition.next_observation
    return [tf.where(s[..., -1] > 0.0, ended, v) for s, v in zip(states, values, strict=True)]


def _of_real_states(advantage: tf.Tensor, transition: Transition) -> tf.Tensor:
    """``advantage`` ``[N]``, the real states' mean in absorbing ones, where acting has nothing to learn.

    There it is 0, which among the others would decide how advantages are normalised.
    """
    is_real = 1.0 - shared.flatten_time(transition.observation)[:, -1]
    return tf.where(is_real > 0.0, advantage, mean_where(advantage, is_real))


def _networks(spec: tf.TensorSpec, action_spec, actor_network, value_network, encoder: MakeLayers | None):
    """Actor and value network on observations of ``spec``; on features of one encoder where there is one."""
    shared_net = None if encoder is None else make_encoder(spec, encoder)
    seen = spec if shared_net is None else features_spec(shared_net)
    actor_net = checked_actor("OnPolicyGenerator.actor_network", actor_network, seen, action_spec, True)
    value_net = checked_value("OnPolicyGenerator.value_network", value_network, seen)
    return tuple(net if shared_net is None else Encoded(shared_net, net) for net in (actor_net, value_net))
