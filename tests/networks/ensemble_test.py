"""The mixture of several actors, as one distribution of their own kind."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from gail_tf.networks import heads, mlp
from gail_tf.networks.ensemble import Ensemble, mixed

tfd = tfp.distributions

SPEC = tf.TensorSpec((4,), tf.float32)


def gaussians():
    moments = (0.0, 1.0), (2.0, 2.0), (4.0, 3.0)
    return [tfd.MultivariateNormalDiag([[mean, 1.0]], [[std, 0.5]]) for mean, std in moments]


def test_gaussians_have_the_mean_and_the_variance_of_their_mixture():
    said = mixed(gaussians())
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(tf.zeros((1, 3))),
        tfd.MultivariateNormalDiag(
            tf.stack([d.loc for d in gaussians()], 1), tf.stack([d.stddev() for d in gaussians()], 1)
        ),
    )
    np.testing.assert_allclose(said.mean(), mixture.mean(), rtol=1e-6)
    np.testing.assert_allclose(said.variance(), mixture.variance(), rtol=1e-6)
    np.testing.assert_allclose(said.stddev()[0, 1], 0.5, rtol=1e-6)  # of actors that agree: theirs


def test_squashed_gaussians_are_mixed_before_they_are_squashed():
    said = mixed([heads.TanhNormal(d.loc, d.stddev()) for d in gaussians()])
    np.testing.assert_allclose(said.mode(), np.tanh([[2.0, 1.0]]), rtol=1e-6)
    np.testing.assert_allclose(said.distribution.stddev(), mixed(gaussians()).stddev())


def test_categorical_ones_have_the_mean_of_their_probabilities():
    shares = np.array([[[0.8, 0.2, 0.0]], [[0.3, 0.3, 0.4]]], np.float32)
    said = mixed([tfd.Categorical(np.log(p + 1e-30) + 3.0, dtype=tf.int32) for p in shares])
    np.testing.assert_allclose(said.probs_parameter(), shares.mean(0), atol=1e-6)
    assert said.sample(seed=0).dtype == tf.int32


def test_other_distributions_are_refused_in_a_line():
    with pytest.raises(
        ValueError, match="actors that give a Beta: want MultivariateNormalDiag.*or one actor"
    ):
        mixed([tfd.Beta([1.0], [1.0])] * 2)


def test_it_is_a_network_with_the_weights_of_all_its_actors():
    tf.keras.utils.set_random_seed(0)
    action_spec = tf.TensorSpec((2,), tf.float32)
    actors = [mlp.make_actor_network(SPEC, action_spec, output_gain=1.0) for _ in range(3)]
    ensemble = Ensemble(actors, SPEC)
    assert len(ensemble.trainable_variables) == sum(len(actor.trainable_variables) for actor in actors)
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    means = np.stack([actor(rows)[0].mean() for actor in actors])
    assert np.ptp(means, 0).min() > 1e-3  # each begins elsewhere
    np.testing.assert_allclose(ensemble(rows)[0].mean(), means.mean(0), atol=1e-6)
