"""Rollouts: recorded values exactly, nothing across the end of an episode, gradients step by step."""

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.mgail.forward_model import ModelStep
from gail_tf.mgail.rollout import PerturbedModel, imagined_rollout, replayed_rollout, simulated_rollout
from gail_tf.mgail.segments import Segment

SLOPE, PUSH = 0.7, 2.0


class Counting:
    """s' = 0.7 s + 2 a + memory, memory' = memory + s; the end is likelier the larger s' is."""

    def initial_memory(self, batch_size):
        return tf.zeros([batch_size, 1])

    def step(self, memory, observation, action):
        successor = SLOPE * observation + PUSH * action + memory
        return ModelStep(
            successor, memory + observation, self.termination_logit(observation, action, successor)
        )

    def termination_logit(self, observation, action, next_observation):
        return next_observation[:, 0]


def act(observation, noise):
    action = observation * 0.0 + noise
    return action, action, tf.zeros([observation.shape[0]])


def make_segment(length=5, batch_size=3, end_after=None, flag="terminated"):
    """Random rows that no model predicts; every episode but one goes on. ``end_after``: a step that ends."""
    rng = np.random.default_rng(1)
    states = rng.normal(size=(length + 1, batch_size, 1)).astype(np.float32) * 1e3 + 0.1
    observation, successor = states[:-1].copy(), states[1:].copy()
    flags = {name: np.zeros((length, batch_size), np.float32) for name in ("terminated", "truncated")}
    is_first = np.zeros((length, batch_size), np.float32)
    if end_after is not None:
        flags[flag][end_after] = 1.0
        is_first[end_after + 1] = 1.0
        successor[end_after] = -5.0  # the true last state, not the next episode's first
    noise = rng.normal(size=(length, batch_size, 1)).astype(np.float32)
    fields = (observation, noise, noise, successor, flags["terminated"], flags["truncated"], is_first)
    return Segment(*map(tf.constant, fields))


@pytest.mark.parametrize("end_after", [None, 0, 2])
def test_a_replayed_rollout_has_exactly_the_recorded_states(end_after):
    segment = make_segment(end_after=end_after)
    rollout = replayed_rollout(Counting(), act, segment, None)
    np.testing.assert_array_equal(rollout.observation, segment.observation)
    np.testing.assert_array_equal(rollout.next_observation, segment.next_observation)
    np.testing.assert_array_equal(rollout.termination, segment.terminated)


def test_a_replayed_rollout_compiled_has_exactly_the_recorded_states():
    segment = make_segment()
    compiled = tf.function(lambda s: replayed_rollout(Counting(), act, s, None), jit_compile=True)
    np.testing.assert_array_equal(compiled(segment).observation, segment.observation)


def test_its_gradients_are_the_models():
    segment = make_segment(length=3)
    noise = segment.noise
    with tf.GradientTape() as tape:
        tape.watch(noise)
        rollout = replayed_rollout(Counting(), act, segment._replace(noise=noise), None)
        last = tf.reduce_sum(rollout.next_observation[-1])
    # a_0 pushes s_1 by 2; s_2 gets 0.7 of it; s_3 gets 0.7 of that, and memory carries s_1 into it.
    gradient = tape.gradient(last, noise)
    np.testing.assert_allclose(gradient[:, 0, 0], [PUSH * (SLOPE**2 + 1.0), PUSH * SLOPE, PUSH], rtol=1e-5)


@pytest.mark.parametrize("flag", ["terminated", "truncated"])
def test_nothing_crosses_the_end_of_an_episode(flag):
    segment = make_segment(end_after=2, flag=flag)
    noise = segment.noise
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(noise)
        rollout = replayed_rollout(Counting(), act, segment._replace(noise=noise), None)
        before = tf.reduce_sum(rollout.next_observation[2])
        after = tf.reduce_sum(rollout.observation[3]) + tf.reduce_sum(rollout.next_observation[4])
    assert np.all(tape.gradient(before, noise)[:3].numpy() != 0)
    np.testing.assert_array_equal(tape.gradient(after, noise)[:3], np.zeros((3, 3, 1)))
    np.testing.assert_array_equal(rollout.ended[:, 0], [0, 0, 1, 0, 0])


def test_the_memory_begins_anew_with_an_episode():
    seen = []

    class Spy(Counting):
        def step(self, memory, observation, action):
            seen.append(memory.numpy()[:, 0])
            return super().step(memory, observation, action)

    segment = make_segment(end_after=1)
    replayed_rollout(Spy(), act, segment, None)
    states = segment.observation[..., 0].numpy()
    expected = [0 * states[0], states[0], 0 * states[2], states[2], states[2] + states[3]]
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


def test_a_simulated_rollout_has_the_actions_that_were_taken_and_the_gradients_of_the_policys():
    segment = make_segment(length=3)
    noise = segment.noise
    taken = tf.round(segment.action) + 5.0  # no policy's: only the values are the segment's
    segment = segment._replace(action=taken)
    with tf.GradientTape() as tape:
        tape.watch(noise)
        rollout = simulated_rollout(Counting(), act, segment._replace(noise=noise), None)
        last = tf.reduce_sum(rollout.next_observation[-1])
    np.testing.assert_array_equal(rollout.action, taken)
    np.testing.assert_array_equal(rollout.next_observation, segment.next_observation)
    gradient = tape.gradient(last, noise)
    np.testing.assert_allclose(gradient[:, 0, 0], [PUSH * (SLOPE**2 + 1.0), PUSH * SLOPE, PUSH], rtol=1e-5)
    assert simulated_rollout.is_fresh


def test_an_imagined_rollout_lives_on_the_models_own_states():
    segment = make_segment(length=3, batch_size=1)
    noise = tf.constant([[[1.0]], [[2.0]], [[3.0]]])
    rollout = imagined_rollout(Counting(), act, segment, lambda shape: noise)
    s0 = float(segment.observation[0, 0, 0])
    s1 = SLOPE * s0 + PUSH * 1.0
    s2 = SLOPE * s1 + PUSH * 2.0 + s0
    s3 = SLOPE * s2 + PUSH * 3.0 + s0 + s1
    np.testing.assert_allclose(rollout.observation[:, 0, 0], [s0, s1, s2], rtol=1e-5)
    np.testing.assert_allclose(rollout.next_observation[:, 0, 0], [s1, s2, s3], rtol=1e-5)
    np.testing.assert_allclose(rollout.termination[:, 0], tf.sigmoid([s1, s2, s3]), rtol=1e-5)


def test_a_perturbation_tells_the_gradient_at_each_step():
    segment = make_segment(length=2, batch_size=1)
    perturbation = tf.zeros([2, 1, 1])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(perturbation)
        model = PerturbedModel(Counting(), perturbation)
        rollout = imagined_rollout(model, act, segment, lambda shape: tf.zeros([2, 1, 1]))
        last = tf.reduce_sum(rollout.next_observation[-1])
        ends = tf.reduce_sum(rollout.termination)
    np.testing.assert_allclose(tape.gradient(last, perturbation)[:, 0, 0], [SLOPE, 1.0], rtol=1e-6)
    slopes = (rollout.termination * (1.0 - rollout.termination))[:, 0]
    expected = [slopes[0] + SLOPE * slopes[1], slopes[1]]  # the end depends on the state that was shifted
    np.testing.assert_allclose(tape.gradient(ends, perturbation)[:, 0, 0], expected, rtol=1e-5)
    plain = imagined_rollout(Counting(), act, segment, lambda shape: tf.zeros([2, 1, 1]))
    np.testing.assert_array_equal(rollout.next_observation, plain.next_observation)
