"""The squashed Gaussian says nothing: training from Python is silent."""

import logging

import tensorflow as tf

from gail_tf.networks.heads import TanhNormal


def test_no_warning_of_tfp(caplog):
    with caplog.at_level(logging.WARNING):
        distribution = TanhNormal(tf.zeros((3, 2)), tf.ones((3, 2)))
        assert distribution.batch_shape == (3,) and distribution.event_shape == (2,)
        assert distribution.parameter_properties().keys() == {"distribution", "bijector"}
        distribution.log_prob(distribution.sample(seed=(0, 1)))
    assert not caplog.records
