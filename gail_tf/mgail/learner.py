"""What MGAIL learns beside the discriminator: forward model, policy and value function, one update each."""

import functools
from collections.abc import Callable
from typing import Any

import gin
import tensorflow as tf
from tf_agents.networks import sequential

from gail_tf.environments.actions import ActionCodec
from gail_tf.mgail.forward_model import ForwardModel
from gail_tf.mgail.objective import lambda_returns, survival
from gail_tf.mgail.policies import GaussianActions, GumbelActions
from gail_tf.mgail.rollout import PerturbedModel, Rollout, imagined_rollout
from gail_tf.mgail.segments import Segment
from gail_tf.networks.checked import checked_actor, checked_value
from gail_tf.networks.heads import GaussianHead
from gail_tf.networks.mlp import make_actor_network, make_value_network
from gail_tf.networks.normalization import RunningMoments
from gail_tf.optimization import averages
from gail_tf.optimization.checks import check_settings
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import Transition


def _check_choices(codec, discount, absorbing, bootstrap, std_from_expert) -> None:
    """Raises ValueError where MGAIL's arguments do not go together."""
    if not 0.0 < discount < 1.0:
        raise ValueError(f"MGAIL.discount is {discount}: want a number between 0 and 1.")
    if absorbing and not bootstrap:
        raise ValueError(
            "MGAIL.bootstrap is False with absorbing states: want True, since the value of having ended "
            "would count for ever and that of going on for MGAIL.horizon steps only."
        )
    if std_from_expert is not None and codec.is_discrete:
        raise ValueError("MGAIL.std_from_expert is set, but the actions are discrete: want None.")


def _check_dropout(network, dropout: float) -> int:
    """Units of the last hidden layer; raises ValueError where it is not a dense one of its own."""
    layer = network.layers[-2:-1] if type(network) is sequential.Sequential else []
    if dropout and not (layer and isinstance(layer[0], tf.keras.layers.Dense)):
        given = f"MGAIL.dropout is {dropout:g}, and the actor has no dense layer before its head"
        raise ValueError(f"{given}: want make_actor_network with hidden layers and no normalization, or 0.")
    return layer[0].units if dropout else 0


def _set_std(network, std: tf.Tensor) -> None:
    """Sets the standard deviation ``[k]`` of the actor's actions; ValueError where its head has none."""
    head = (getattr(network, "layers", None) or [network])[-1]
    if not isinstance(head, GaussianHead):
        given = f"MGAIL.std_from_expert is set, and the actor ends in a {type(head).__name__}"
        raise ValueError(f"{given}: want make_actor_network, which ends in a GaussianHead, or None.")
    head.set_std(std)


@gin.configurable(
    denylist=[
        "codec",
        "observation_dim",
        "normalizer",
        "absorbing",
        "reward_fn",
        "expert_action",
        "reward_reads_end",
    ]
)
class MGAIL(tf.Module):
    """Forward model, policy, its running average, and value function, with an update of each.

    Args:
      codec: of actions. normalizer: of observations; the caller's, and updated there. absorbing: the reward
        source sees absorbing states, so the value of having ended is learned: reward(absorbing) /
        (1 - discount). Otherwise having ended is worth 0.
      reward_fn: transition -> reward ``[...]``, differentiable. reward_reads_end: whether it depends on
        the end of a step, by the absorbing successor or by ``terminated``.
      actor_network: ``(observation_spec, action_spec) -> network``. value_network: ``(observation_spec) ->
        network``. Observations are vectors ``[d]``, because the forward model predicts them.
      horizon: H, steps of a rollout. rollout: of rollout.py. discount: gamma.
      bootstrap: add the value of the last state, by lambda-returns (``gae_lambda``) of a target network that
        follows with rate ``target_rate``; the paper's objective stops after H steps.
      entropy_coef: weight of the policy's mean entropy along the rollout.
      cloning_coef: weight of a term that draws the policy to the demonstrations' actions, in units of
        mean |G_0|, the objective's (as TD3's is in units of mean |Q|), and weighted as it is; no unit of the
        policy is left out in it.
      temperature: of the Gumbel-Softmax, for discrete actions.
      std_from_expert: the policy's std begins at the std of ``expert_action`` divided by this, component by
        component (the authors' code: 6), and stays there with make_actor_network.learn_std = False; for a
        network that ends in a GaussianHead. None leaves the std alone.
      dropout: share of the units of the policy's last hidden layer that are left out where it acts in
        training and where it learns, by the same mask (the authors' code: 0.25); the evaluated policy has
        all.
      cut_actions: discriminator and model see actions as the environment executes them, cut to its space;
        otherwise as the policy drew them (the authors' code), so that the discriminator sees one leave it.
      average_rate: of the running average of the policy that is evaluated and exported; 1 is the policy.
      policy_learning_rate falls linearly to ``final_learning_rate_fraction`` of it; the others stay.
      objective_weight: what the objective, and cloning's term, are multiplied by, before the bound (the
        authors' code: 0.01).
      max_gradient_value: bound on every component of every gradient (the authors' code: 2); None: no bound.
      bound_each_rollout: the policy's gradient is bounded for each rollout by itself, and the step takes
        their mean (as the authors' code does); otherwise the mean is bounded.

    Attributes:
      is_fresh: the rollout wants segments that the current policy has just taken in the simulator.
      noise_dim: of what a rollout needs for one step, the action's noise and the mask of the dropout.
    """

    def __init__(
        self,
        codec: ActionCodec,
        observation_dim: int,
        normalizer: RunningMoments,
        absorbing: bool,
        reward_fn: Callable[[Transition], tf.Tensor],
        expert_action: Any,
        reward_reads_end: bool = False,
        actor_network: Callable = make_actor_network,
        value_network: Callable = make_value_network,
        horizon: int = 5,
        rollout: Callable[..., Rollout] = imagined_rollout,
        discount: float = 0.99,
        bootstrap: bool = True,
        gae_lambda: float = 0.95,
        target_rate: float = 0.01,
        entropy_coef: float = 0.0,
        cloning_coef: float = 0.0,
        temperature: float = 1.0,
        std_from_expert: float | None = None,
        dropout: float = 0.0,
        cut_actions: bool = True,
        average_rate: float = 0.002,
        model_learning_rate: float = 1e-3,
        policy_learning_rate: float = 1e-4,
        value_learning_rate: float = 1e-3,
        final_learning_rate_fraction: float = 0.1,
        objective_weight: float = 1.0,
        max_gradient_value: float | None = None,
        bound_each_rollout: bool = False,
    ):
        super().__init__(name="mgail")
        check_settings("MGAIL", locals())
        _check_choices(codec, discount, absorbing, bootstrap, std_from_expert)
        self.horizon, self._rollout, self.discount = horizon, rollout, discount
        self._bootstrap, self._gae_lambda = bootstrap, gae_lambda
        self._absorbing, self._reward_fn, self._normalizer = absorbing, reward_fn, normalizer
        self.is_fresh, self.dropout = getattr(rollout, "is_fresh", False), dropout
        self._objective_weight, self.cut_actions = objective_weight, cut_actions
        self._max_each = max_gradient_value if bound_each_rollout else None
        self._end_has_own_reward = reward_reads_end
        self._entropy_coef, self._target_rate, self._average_rate = entropy_coef, target_rate, average_rate
        self.cloning_coef = cloning_coef
        if codec.is_discrete:
            self.actions = GumbelActions(codec.num_actions, temperature)
        else:
            self.actions = GaussianActions(codec, cut_actions)
        spec = tf.TensorSpec((observation_dim,), tf.float32, name="observation")
        self.actor_net, self.average_net = (
            checked_actor("MGAIL.actor_network", actor_network, spec, codec.spec, True) for _ in range(2)
        )
        self._num_masked = _check_dropout(self.actor_net, dropout)
        self.noise_dim = self.actions.action_dim + self._num_masked
        if std_from_expert is not None:
            _set_std(self.actor_net, tf.math.reduce_std(expert_action, 0) / std_from_expert)
        averages.assign(self.average_net.variables, self.actor_net.variables)
        self.model = ForwardModel(observation_dim, self.actions.action_dim, normalizer)
        bounded = functools.partial(GradientStep, max_value=max_gradient_value)
        self._model_step = bounded(self.model.trainable_variables, model_learning_rate)
        self._policy_step = bounded(
            self.actor_net.trainable_variables, policy_learning_rate, final_learning_rate_fraction
        )
        if bootstrap:
            self.value_net, self.target_net = (
                checked_value("MGAIL.value_network", value_network, spec) for _ in range(2)
            )
            averages.assign(self.target_net.variables, self.value_net.variables)
            self._value_step = bounded(self.value_net.trainable_variables, value_learning_rate)

    def update_model(
        self, segment: Segment, expert: Segment, expert_has_successor: tf.Tensor, progress: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """One step on a segment ``[L, B]`` and on single transitions of the expert ``[1, M]``."""
        num_rows, num_expert = (float(rows.terminated.shape.num_elements()) for rows in (segment, expert))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.model.trainable_variables)
            loss = self.model.loss(segment, tf.ones_like(segment.terminated)) * num_rows
            loss += self.model.loss(expert, expert_has_successor) * num_expert
            loss /= num_rows + num_expert
        norm, _ = self._model_step(tape, loss, progress)
        return {"model/loss": loss, "model/gradient_norm": norm}

    def act(self, observation: tf.Tensor, noise: tf.Tensor):
        """(executed action, the action before the cut, entropy) at ``[B, d]`` under ``[B, noise_dim]``."""
        normalized = self._normalizer.normalize(observation)
        noise, mask = tf.split(noise, [self.actions.action_dim, self._num_masked], -1)
        if self.dropout:
            *hidden, head = self.actor_net.layers
            features = functools.reduce(lambda x, layer: layer(x), hidden, normalized)
            distribution = head(features * mask)
        else:
            distribution = self.actor_net(normalized, training=False)[0]
        uncut = self.actions.sample(distribution, noise)
        return self.actions.executed(uncut), uncut, distribution.entropy()

    def transition(self, observation, action, next_observation, terminated, truncated) -> Transition:
        """Rows as the reward source sees them: with the absorbing indicator where there is one."""
        if self._absorbing:
            real = tf.zeros_like(observation[..., :1])
            observation = tf.concat([observation, real], -1)
            indicator = terminated[..., tf.newaxis]
            next_observation = tf.concat([next_observation * (1.0 - indicator), indicator], -1)
            terminated = tf.zeros_like(terminated)
        return Transition(
            observation, action, next_observation, tf.zeros_like(terminated), terminated, truncated
        )

    def absorbing_transition(self, batch_size: int) -> Transition:
        """Rows ``[B]`` of the absorbing state: it leads to itself, under the action 0."""
        nowhere = tf.zeros([batch_size, self._normalizer.mean.shape[0]])
        state = tf.concat([nowhere, tf.ones([batch_size, 1])], -1)
        action, none = tf.zeros([batch_size, self.actions.action_dim]), tf.zeros([batch_size])
        return Transition(state, action, state, none, none, tf.ones([batch_size]))

    def absorbing_value(self) -> tf.Tensor:
        """What having ended is worth: the reward of the absorbing state for ever, or 0 without one."""
        if not self._absorbing:
            return tf.constant(0.0)
        reward = self._reward_fn(self.absorbing_transition(1))[0]
        return tf.stop_gradient(reward) / (1.0 - self.discount)

    def values(self, net, observation: tf.Tensor) -> tf.Tensor:
        """Value ``[H, B]``. The network's output is (1 - discount) V: of the order of one reward."""
        flat = tf.reshape(observation, [-1, observation.shape[-1]])
        value = net(self._normalizer.normalize(flat), training=False)[0]
        return tf.reshape(value, observation.shape[:-1]) / (1.0 - self.discount)

    def returns(self, rollout: Rollout) -> tf.Tensor:
        """:func:`lambda_returns` of a rollout under the current reward source, ``[H, B]``."""
        zeros = tf.zeros_like(rollout.termination)

        def reward_of(terminated):
            steps = rollout.observation, rollout.action, rollout.next_observation
            return self._reward_fn(self.transition(*steps, terminated, zeros))

        reward = reward_of(zeros)
        if self._end_has_own_reward:
            reward += rollout.termination * (reward_of(zeros + 1.0) - reward)
        value_tp1, gae_lambda = tf.zeros_like(reward), 1.0
        if self._bootstrap:
            value_tp1 = self.values(self.target_net, rollout.next_observation)
            gae_lambda = self._gae_lambda
        after = value_tp1, self.absorbing_value(), self.discount, gae_lambda
        return lambda_returns(reward, rollout.termination, rollout.ended, *after)

    def noise_fn(self, seed: tf.Tensor):
        """``shape -> `` fresh noise ``[*shape, noise_dim]``, as rollouts take it."""

        def noise(shape):
            drawn = self.actions.noise(shape, seed)
            if not self.dropout:
                return drawn
            uniform = tf.random.stateless_uniform([*shape, self._num_masked], tf.random.fold_in(seed, 1))
            mask = tf.cast(uniform >= self.dropout, tf.float32) / (1.0 - self.dropout)
            return tf.concat([drawn, mask], -1)

        return noise

    def _cloning_term(self, expert: Segment, returns: tf.Tensor) -> tf.Tensor:
        """``cloning_coef * mean |G_0|`` of ``returns`` ``[B]`` times the loss of demonstrations ``[M]``."""
        distribution = self.actor_net(self._normalizer.normalize(expert.observation), training=False)[0]
        scale = tf.stop_gradient(tf.reduce_mean(tf.abs(returns)))
        return self.cloning_coef * scale * self.actions.cloning_loss(distribution, expert.action)

    def update_policy(
        self, segment: Segment, seed: tf.Tensor, progress: tf.Tensor, expert: Segment | None = None
    ) -> dict[str, tf.Tensor]:
        """One step up the H-step objective, mean G_0 + entropy, and one of V towards the same returns.

        ``segment``: ``[H, B]``; its first states are where the rollouts start. Where the rollout
        ``is_fresh``, the current policy has taken it. ``expert``: demonstrations ``[M]``, for
        ``cloning_coef``.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.actor_net.trainable_variables)
            rollout = self._rollout(self.model, self.act, segment, self.noise_fn(seed))
            returns = self.returns(rollout)
            objective = tf.reduce_mean(returns[0])
            entropy = tf.reduce_mean(rollout.entropy)
            loss = -self._objective_weight * objective - self._entropy_coef * entropy
            of_each = -self._objective_weight * returns[0]
            of_each -= self._entropy_coef * tf.reduce_mean(rollout.entropy, 0)
            if self.cloning_coef:
                cloning = self._objective_weight * self._cloning_term(expert, returns[0])
                loss, of_each = loss + cloning, of_each + cloning
        norm, mean_abs = self._policy_step.apply(self._policy_gradient(tape, loss, of_each), progress)
        averages.move_towards(self.average_net.variables, self.actor_net.variables, self._average_rate)
        metrics = {
            "generator/objective": objective,
            "generator/entropy": entropy,
            "generator/policy_gradient_norm": norm,
            "generator/policy_gradient_mean_abs": mean_abs,
            "generator/learning_rate": self._policy_step.learning_rate.read_value(),
        }
        if self.cloning_coef:
            metrics["generator/cloning_loss"] = cloning
        if isinstance(self.actions, GaussianActions):
            metrics["generator/saturation"] = self.actions.saturation(rollout.uncut_action)
        return metrics | (self._update_value(rollout, returns, progress) if self._bootstrap else {})

    def _policy_gradient(self, tape, loss: tf.Tensor, of_each: tf.Tensor) -> list[tf.Tensor]:
        """Of ``loss``, or of the rollouts' own losses ``of_each`` ``[B]``, bounded and then averaged."""
        variables = self.actor_net.trainable_variables
        if self._max_each is None:
            return tape.gradient(loss, variables)
        each = tape.jacobian(of_each, variables)
        bounded = lambda g: tf.reduce_mean(tf.clip_by_value(g, -self._max_each, self._max_each), 0)  # noqa: E731
        return [g if g is None else bounded(g) for g in each]  # None of a weight that nothing uses

    def _update_value(self, rollout: Rollout, returns: tf.Tensor, progress: tf.Tensor):
        states, returns = tf.stop_gradient(rollout.observation), tf.stop_gradient(returns)
        weight = tf.stop_gradient(survival(rollout.termination, rollout.ended))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.value_net.trainable_variables)
            error = (self.values(self.value_net, states) - returns) * (1.0 - self.discount)
            loss = tf.reduce_sum(weight * tf.square(error)) / tf.reduce_sum(weight)
        self._value_step(tape, loss, progress)
        averages.move_towards(self.target_net.variables, self.value_net.variables, self._target_rate)
        return {
            "generator/value_loss": loss,
            "generator/value_mean": tf.reduce_mean(returns),
            "generator/absorbing_value": self.absorbing_value(),
        }

    def rollout_gradient_norms(self, segment: Segment, seed: tf.Tensor) -> tf.Tensor:
        """Mean over the batch of the norm of dG_0 / ds_t in normalised units, t = 1 to H: float32 ``[H]``."""
        horizon, batch_size = segment.terminated.shape
        perturbation = tf.zeros([horizon, batch_size, segment.observation.shape[-1]])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(perturbation)
            model = PerturbedModel(self.model, perturbation)
            returns = self.returns(self._rollout(model, self.act, segment, self.noise_fn(seed)))
            total = tf.reduce_sum(returns[0])
        _, scale, _ = self._normalizer.affine()
        # A single step without a value function depends on no predicted state at all.
        zero = tf.UnconnectedGradients.ZERO
        gradient = tape.gradient(total, perturbation, unconnected_gradients=zero)
        return tf.reduce_mean(tf.norm(gradient / scale, axis=-1), -1)
