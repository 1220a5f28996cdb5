"""Trainings in one process, one after the other, leave no graphs behind."""

import gc
import weakref

import tensorflow as tf

from gail_tf.networks.heads import TanhNormal
from gail_tf.training.bijector_cache import cleared_after_training


def traced():
    """The graph of a function that squashes and asks for the density, as SAC does; and what it computed."""

    @tf.function(autograph=False)
    def sample(mean):
        distribution = TanhNormal(mean, tf.ones_like(mean))
        action = distribution.sample(seed=tf.constant([0, 1]))
        return action, distribution.log_prob(action)

    return weakref.ref(sample.get_concrete_function(tf.TensorSpec((None, 2))).graph)


def is_gone(graph):
    gc.collect()
    return graph() is None


def test_a_graph_with_a_squashed_gaussian_goes_with_its_training():
    with cleared_after_training():
        graph = traced()
        assert not is_gone(graph)  # else TFP forgets by itself, and the module can go
    assert is_gone(graph)


def test_nothing_is_forgotten_while_another_training_is_at_work():
    with cleared_after_training():
        with cleared_after_training():
            graph = traced()
        assert not is_gone(graph)
    assert is_gone(graph)
