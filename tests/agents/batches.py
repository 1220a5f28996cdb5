"""What the off-policy agents' tests update on."""

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

from gail_tf.types import OffPolicyBatch

OBSERVATION = tf.TensorSpec((3,), tf.float32)
ACTION = tensor_spec.BoundedTensorSpec((2,), tf.float32, -1.0, 1.0)

# For linear networks, of one number each. The second row ends the MDP.
TWO_ROWS = OffPolicyBatch(
    observation=tf.constant([[1.0], [1.0]]),
    action=tf.constant([[0.0], [0.0]]),
    reward=tf.constant([1.0, 1.0]),
    next_observation=tf.constant([[2.0], [2.0]]),
    terminated=tf.constant([0.0, 1.0]),
    can_act=tf.ones([2]),
    can_act_next=tf.ones([2]),
)


def make_batch(num_rows=12, seed=0):
    """Of OBSERVATION and ACTION; every third row ends the MDP."""
    rng = np.random.default_rng(seed)
    fields = (
        rng.normal(size=(num_rows, 3)),
        rng.uniform(-1.0, 1.0, (num_rows, 2)),
        rng.normal(size=num_rows),
        rng.normal(size=(num_rows, 3)),
        np.arange(num_rows) % 3 == 0,
        np.ones(num_rows),
        np.ones(num_rows),
    )
    return OffPolicyBatch(*(tf.constant(np.asarray(f, np.float32)) for f in fields))


def update(agent, batch, seed=0, progress=0.0):
    return agent.update(batch, tf.constant([seed, 3]), tf.constant(progress))
