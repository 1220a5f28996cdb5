"""Rolling out: what is recorded is what happened, and noise differs between episodes."""

import gymnasium as gym
import numpy as np
import tensorflow as tf

from gail_tf.environments.actions import ActionCodec
from gail_tf.training import evaluation

CODEC = ActionCodec(gym.spaces.Box(-2.0, 2.0, (1,)))


def centre(observation, step):
    return np.zeros((len(observation), 1), np.float32)


def test_noise_is_of_the_normalised_action_and_follows_from_the_seed():
    """A std of 0.01 on [-1, 1] is one of 0.02 on a torque of -2 to 2."""
    observation = np.zeros((4000, 3), np.float32)
    drawn = evaluation.with_noise(centre, CODEC, 0.01, seed=0)(observation, 0)
    # Five standard errors of a standard deviation: sigma / sqrt(2 n) each.
    assert abs(drawn.std() - 0.02) < 5 * 0.02 / np.sqrt(2 * 4000)
    np.testing.assert_array_equal(drawn, evaluation.with_noise(centre, CODEC, 0.01, seed=0)(observation, 0))
    act = evaluation.with_noise(centre, CODEC, 0.01, seed=0)
    assert not np.array_equal(act(observation, 0), act(observation, 1))  # every step draws its own


def test_noisy_actions_are_cut_to_the_space():
    act = evaluation.with_noise(lambda o, s: centre(o, s) + 2.0, CODEC, 1.0, seed=0)
    drawn = act(np.zeros((100, 3), np.float32), 0)
    assert drawn.max() == 2.0 and drawn.min() >= -2.0


class Reuses(gym.Env):
    """Counts its steps in one array, which every observation is, and wipes the actions it is given."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gym.spaces.Box(-2.0, 2.0, (1,))

    def __init__(self):
        self._count = np.zeros(1, np.float32)

    def reset(self, *, seed=None, options=None):
        self._count[:] = 0.0
        return self._count, {}

    def step(self, action):
        self._count += 1.0
        action[:] = 0.0
        return self._count, 1.0, bool(self._count[0] == 5), False, {}


def episodes_of(act, num_episodes, seen=None):
    episodes = []
    evaluation.Evaluator(Reuses).evaluate(act, num_episodes, seed=0, on_episode=episodes.append, seen=seen)
    return episodes


def test_an_environment_may_use_its_arrays_again():
    (episode,) = episodes_of(lambda observation, step: centre(observation, step) + 1.0, 1)
    np.testing.assert_array_equal(episode["observations"][:, 0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(episode["next_observations"][:, 0], [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(episode["actions"], np.ones((5, 1)))


def test_of_observations_what_is_seen_is_kept():
    (episode,) = episodes_of(
        lambda observation, step: centre(observation, step) + 1.0, 1, lambda x: 10 * x[:, 0]
    )
    np.testing.assert_array_equal(episode["observations"], [0, 10, 20, 30, 40])
    np.testing.assert_array_equal(episode["next_observations"], [10, 20, 30, 40, 50])


def test_no_two_episodes_have_the_same_noise():
    class Policy:
        def sampled(self, observation, seed):
            return tf.random.stateless_normal([len(observation), 1], seed)

    episodes = episodes_of(evaluation.sampled(Policy(), seed=3), 25)  # more than run side by side
    assert len(np.unique([episode["actions"][:, 0] for episode in episodes], axis=0)) == 25


def test_batched_simulators_and_a_loop_give_the_same_episodes():
    def looped(**kwargs):
        return gym.Wrapper(gym.make("Hopper-v5"))  # one that the batch does not know

    found = []
    for make_env in (lambda: gym.make("Hopper-v5"), looped):
        episodes, evaluator = [], evaluation.Evaluator(make_env)
        for count in (3, 12):  # more than side by side, and more than were made at first
            noise = np.random.default_rng(0).uniform(-1.0, 1.0, (1000, 10, 3)).astype(np.float32)
            evaluator.evaluate(lambda x, t: noise[t], count, seed=5, on_episode=episodes.append)  # noqa: B023
        evaluator.close()
        found.append(episodes)
    assert len(found[0]) == 15 and len({len(episode["rewards"]) for episode in found[0]}) > 3
    for batched, looped in zip(*found, strict=True):
        for name, values in batched.items():
            np.testing.assert_array_equal(values, looped[name], err_msg=name)


def test_the_share_of_actions_on_their_bounds_is_that_of_all_steps():
    """Acts on the bound in two of five steps."""
    act = lambda observation, step: centre(observation, step) + (2.0 if step % 2 else 0.0)  # noqa: E731
    evaluated = evaluation.Evaluator(Reuses).evaluate(act, 2, seed=0)
    assert evaluated.statistics()["actions_at_bounds"] == 0.4


def test_unbounded_and_discrete_actions_have_no_such_share():
    for space in (gym.spaces.Box(-np.inf, np.inf, (1,)), gym.spaces.Box(-3.4e38, 3.4e38, (1,))):

        class Free(Reuses):
            action_space = space

        evaluated = evaluation.Evaluator(Free).evaluate(centre, 1, seed=0)
        assert "actions_at_bounds" not in evaluated.statistics()


def test_random_play_follows_from_its_seed_where_the_action_space_is_made_anew_each_time():
    class Renewing(gym.Wrapper):
        action_space = property(lambda self: gym.spaces.Box(-1.0, 1.0, (3,)))

    def drawn():
        act = evaluation.uniformly_random(lambda: Renewing(gym.make("Pendulum-v1")), 3)
        return np.stack([act(None, step) for step in range(2)])

    assert (drawn() == drawn()).all()
