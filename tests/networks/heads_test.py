"""The squashed Gaussian: silent, and exact where tanh rounds to 1."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.networks.heads import TanhNormal


def test_no_warning_of_tfp(caplog):
    with caplog.at_level(logging.WARNING):
        distribution = TanhNormal(tf.zeros((3, 2)), tf.ones((3, 2)))
        assert distribution.batch_shape == (3,) and distribution.event_shape == (2,)
        assert distribution.parameter_properties().keys() == {"distribution", "bijector"}
        distribution.log_prob(distribution.sample(seed=(0, 1)))
    assert not caplog.records


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (20.0, 2.0), (-300.0, 7.0)])
def test_a_samples_density_is_exact_where_tanh_rounds_to_1(mean, std, jit_compile):
    """Of the action alone, which is 1.0 there, it would be infinite: the sample before the tanh counts."""

    @tf.function(jit_compile=jit_compile, autograph=False)
    def drawn():
        distribution = TanhNormal(tf.fill((64, 2), mean), tf.fill((64, 2), std))
        action = distribution.sample(seed=(0, 1))
        return action, distribution.log_prob(action), distribution.distribution.sample(seed=(0, 1))

    action, log_prob, raw = drawn()
    raw = raw.numpy().astype(float)
    np.testing.assert_allclose(action, np.tanh(raw), atol=1e-6)
    gaussian = -0.5 * np.square((raw - mean) / std) - np.log(std) - 0.5 * np.log(2.0 * np.pi)
    slope = 2.0 * (np.log(2.0) - raw - np.logaddexp(0.0, -2.0 * raw))  # log(1 - tanh^2)
    np.testing.assert_allclose(log_prob, (gaussian - slope).sum(-1), rtol=1e-4, atol=1e-4)
