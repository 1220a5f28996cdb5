"""A reward and a loss of one's own: least-squares GAIL (Mao et al. 2017) on CartPole."""

import gin
import tensorflow as tf

import gail_tf


@gin.configurable
def least_squares(logit_fn, batch, seed):
    """The expert's logits go to 1, the agent's to -1."""
    del seed
    expert, agent = logit_fn(batch.expert), logit_fn(batch.agent)
    return tf.reduce_mean(tf.square(expert - 1.0)) + tf.reduce_mean(tf.square(agent + 1.0))


@gin.configurable
def capped(logits, slope=0.25):
    """Between 0 (surely the agent's) and 1 (surely the expert's), linear around a logit of 0."""
    return tf.clip_by_value(0.5 + slope * logits, 0.0, 1.0)


result = gail_tf.train(
    "gail_ppo/cartpole",
    seed=0,
    bindings=[
        "Discriminator.loss_terms = [@least_squares, @gradient_penalty]",
        "Discriminator.reward_fn = @capped",
        "capped.slope = 0.5",
        "Trainer.total_env_steps = 24_000",
    ],
)
print(f"return {result.return_mean:.0f}, normalised {result.normalized_return:.2f}")
print(
    result.metrics[["env_steps", "discriminator/loss_least_squares", "reward/agent_mean"]].tail(3).to_string()
)
