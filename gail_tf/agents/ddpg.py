"""DDPG: TF-Agents' agent holds the networks; its losses are ours, with absorbing states in them."""

from collections.abc import Callable

import gin
import tensorflow as tf
from tf_agents.agents.ddpg import ddpg_agent

from gail_tf.agents import losses
from gail_tf.agents.actor_critic import ActorCritic
from gail_tf.agents.off_policy import actor_update, values_of
from gail_tf.networks.mlp import make_critic_network, make_deterministic_actor
from gail_tf.types import OffPolicyBatch


@gin.configurable
class DDPG(ActorCritic):
    """Deep deterministic policy gradient (Lillicrap et al. 2016) as an ``OffPolicyAgent``.

    Exploration is uncorrelated Gaussian noise, as in TD3's comparison, not an Ornstein-Uhlenbeck process.

    Args and attributes: as of :class:`gail_tf.agents.td3.TD3`, with one critic.
    """

    def __init__(
        self,
        observation_spec,
        action_spec,
        actor_network: Callable = make_deterministic_actor,
        critic_network: Callable = make_critic_network,
        discount: float = 0.99,
        tau: float = 0.005,
        actor_learning_rate: float = 1e-3,
        critic_learning_rate: float = 1e-3,
        final_actor_learning_rate_fraction: float = 1.0,
        actor_start: int = 0,
        exploration_noise: float = 0.1,
        max_actor_gradient_norm: float | None = None,
        cloning_coef: float = 0.0,
    ):
        super().__init__(
            locals(), ddpg_agent.DdpgAgent, num_critics=1, ou_stddev=exploration_noise, ou_damping=1.0
        )
        self.exploration_noise = exploration_noise

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of critic, actor and targets."""
        del seed
        target = self._target(batch, self.target_actor_net(batch.next_observation, training=False)[0])
        metrics = self._update_critics(batch, target, progress)

        # TF-Agents writes the actor's loss as a regression on a + dQ/da: the same direction in another scale,
        # so that gradient norms would not compare with TD3's.
        def actor_loss():
            action = self.actor_net(batch.observation, training=True)[0]
            return losses.actor_loss(*values_of(self.critics, batch.observation, action), batch.can_act)

        started = self.train_step.assign_add(1) > self.actor_start
        cloning_fn = self._cloning_fn(batch)
        metrics |= actor_update(started, actor_loss, self._actor_step, progress, cloning_fn)
        self.agent._update_target()
        return metrics | self._learning_rate()
