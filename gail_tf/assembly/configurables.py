"""Imports every room whose parts gin is to know by name."""

from gail_tf.agents import ddpg, dqn, iq_learn, ppo, sac, sd3, td3, trpo  # noqa: F401
from gail_tf.discriminators import discriminator, losses, regularizers  # noqa: F401
from gail_tf.generators import cloning, model_based, off_policy, on_policy  # noqa: F401
from gail_tf.networks import airl, augmentations  # noqa: F401
from gail_tf.rewards import environment, learned, membership  # noqa: F401
from gail_tf.training import trainer  # noqa: F401
