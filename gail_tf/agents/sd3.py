"""SD3 for the off-policy generator: the numbers in gin, the agent behind the ``OffPolicyAgent`` protocol."""

import gin
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from gail_tf.agents.off_policy import check_positive, check_settings
from gail_tf.agents.sd3_agent import SD3Agent
from gail_tf.networks.two_actors import TwoActors
from gail_tf.optimization.gradient_step import GradientStep
from gail_tf.types import OffPolicyBatch


@gin.configurable
class SD3(tf.Module):
    """Softmax deep double deterministic policy gradients (Pan, Cai, Huang 2020) as an ``OffPolicyAgent``.

    ``agent`` is the TF-Agents agent: ``policy`` acts with the actor whose own critic is higher,
    ``collect_policy`` adds noise to it. An update consumes two minibatches, one for each actor-critic pair.

    Args:
      discount: gamma. tau: of the target networks, moved with every update.
      actor_learning_rate, critic_learning_rate: Adam's; the actors' falls linearly to
        ``final_actor_learning_rate_fraction`` of it.
      actor_start: updates of both critics before the actors' first one.
      exploration_noise: std of the noise on collected actions, of which the range is 2.
      beta: inverse temperature of the softmax over the sampled actions' values, 1 / unit of the return; 0
        takes their mean.
      num_target_samples: actions sampled around the target actor's.
      target_noise, target_noise_clip: std and bound of the noise on them.
      importance_weights: weigh each sample by the inverse of its noise's density.
      max_actor_gradient_norm: global norm, of either actor. None: no bound.
    """

    num_batches = 2

    def __init__(
        self,
        observation_spec,
        action_spec,
        discount: float = 0.99,
        tau: float = 0.005,
        actor_learning_rate: float = 1e-3,
        critic_learning_rate: float = 1e-3,
        final_actor_learning_rate_fraction: float = 1.0,
        actor_start: int = 0,
        exploration_noise: float = 0.1,
        beta: float = 0.05,
        num_target_samples: int = 50,
        target_noise: float = 0.2,
        target_noise_clip: float = 0.5,
        importance_weights: bool = False,
        max_actor_gradient_norm: float | None = None,
    ):
        super().__init__(name="sd3")
        check_settings("SD3", locals())
        check_positive("SD3", num_target_samples=num_target_samples)
        if not beta >= 0:
            raise ValueError(f"SD3.beta is {beta}: want 0 or more.")
        self._specs = observation_spec, action_spec
        self.exploration_noise = exploration_noise
        self.actor_net = self.make_actor_net()
        self._actor_steps = [
            GradientStep(
                actor.trainable_variables,
                actor_learning_rate,
                final_actor_learning_rate_fraction,
                max_actor_gradient_norm,
            )
            for actor in self.actor_net.actors
        ]
        self.agent = SD3Agent(
            ts.time_step_spec(observation_spec),
            action_spec,
            network=self.actor_net,
            target_network=self.make_actor_net(),
            actor_steps=self._actor_steps,
            critic_steps=[
                GradientStep(critic.trainable_variables, critic_learning_rate)
                for critic in self.actor_net.critics
            ],
            discount=discount,
            tau=tau,
            beta=beta,
            num_target_samples=num_target_samples,
            target_noise=target_noise,
            target_noise_clip=target_noise_clip,
            importance_weights=importance_weights,
            actor_start=actor_start,
            exploration_noise=exploration_noise,
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step"),
        )
        self.agent.initialize()

    def make_actor_net(self) -> TwoActors:
        return TwoActors(*self._specs)

    def update(self, batch: OffPolicyBatch, seed: tf.Tensor, progress: tf.Tensor) -> dict:
        """One update of either pair, on its own half of the rows: critic, actor and targets."""
        metrics = self.agent.train(batch, seed=seed, progress=progress).extra
        return metrics | {"generator/learning_rate": self._actor_steps[0].learning_rate.read_value()}
