"""The distance to the demonstrations: small for the expert's own episodes, and in order for worse ones."""

import functools

import gymnasium as gym
import numpy as np
import pytest

from gail_tf.environments.actions import ActionCodec
from gail_tf.training import imitation_distance
from gail_tf.training.imitation_distance import (
    ImitationDistance,
    ScreenDistance,
    ends_of_expert,
    how_they_end,
    screen_blocks,
)

LIMIT = 100
BOX, ARMS = ActionCodec(gym.spaces.Box(-2.0, 2.0, (1,))), ActionCodec(gym.spaces.Discrete(3))


def episode(seed, length=LIMIT, shift=0.0, terminates=False, scale=1.0):
    """A walk around 0 (or ``shift``) whose action follows the state."""
    rng = np.random.default_rng(seed)
    observations = (rng.normal(shift, scale, (length, 2)) * [1.0, 50.0]).astype(np.float32)
    terminated = np.zeros(length, bool)
    terminated[-1] = terminates
    actions = np.clip(observations[:, :1] + rng.normal(0.0, 0.1, (length, 1)), -2, 2).astype(np.float32)
    rewards = np.zeros(length)
    return {"observations": observations, "actions": actions, "rewards": rewards, "terminated": terminated}


def ends(episodes):
    return ends_of_expert(*how_they_end(episodes), LIMIT)


def distance(episodes, codec=BOX):
    observations = np.concatenate([e["observations"] for e in episodes])
    actions = codec.from_environment(np.concatenate([e["actions"] for e in episodes]))
    return ImitationDistance(observations, actions, ends(episodes), codec, LIMIT)


def test_it_is_nothing_of_the_demonstrations_and_little_of_the_experts_others():
    expert = [episode(seed) for seed in range(4)]
    measure = distance(expert)
    assert measure(expert) == 0.0
    assert 0.0 < measure([episode(seed) for seed in range(10, 20)]) < 0.05


def test_without_ends_it_is_the_mean_distance_of_the_projections():
    """Against scipy's distance between all rows, in standard deviations of the expert's."""
    stats = pytest.importorskip("scipy.stats")
    expert, others = ([episode(i, shift=shift) for i in range(4)] for shift in (0.0, 0.3))
    clouds = [
        np.concatenate([np.c_[e["observations"], BOX.from_environment(e["actions"])] for e in episodes])
        for episodes in (expert, others)
    ]
    ours, theirs = ((c.astype(float) - clouds[0].mean(0)) / clouds[0].std(0) for c in clouds)
    directions = np.random.default_rng(0).standard_normal((4, 64))[:3] / 6.0**0.5  # 3 components
    exact = [stats.wasserstein_distance(ours @ d, theirs @ d) for d in directions.T]
    assert distance(expert)(others) == pytest.approx(np.mean(exact), rel=0.01)


def test_a_sample_stands_for_long_demonstrations(monkeypatch):
    expert, others = ([episode(seed) for seed in range(i, i + 40)] for i in (0, 40))
    worse, whole, looked_at = [episode(seed, shift=0.5) for seed in range(80, 90)], distance(expert), []
    rows_of = ImitationDistance._rows
    monkeypatch.setattr(imitation_distance, "_MAX_ROWS", 2000)
    monkeypatch.setattr(
        ImitationDistance, "_rows", lambda *args: looked_at.append(len(args[1])) or rows_of(*args)
    )
    sampled = distance(expert)
    assert looked_at == [2000] and sampled(others) < 0.05
    assert sampled(worse) == pytest.approx(whole(worse), rel=0.1)


@pytest.mark.parametrize(
    "worse",
    [{"shift": s} for s in (0.2, 0.5, 1.0)]
    + [{"length": n, "terminates": True} for n in (90, 60, 20)]
    + [{"scale": s} for s in (0.7, 0.4, 0.1)],
    ids=str,
)
def test_what_is_worse_is_further_away(worse):
    measure = distance([episode(seed) for seed in range(4)])
    others = [measure([episode(seed, **kwargs) for seed in range(10, 15)]) for kwargs in ({}, worse)]
    assert others[1] > 2 * others[0]


def test_falling_earlier_is_further_away_and_being_cut_is_not():
    measure = distance([episode(seed) for seed in range(4)])
    falls = [measure([episode(seed, n, terminates=True) for seed in range(5)]) for n in (80, 60, 40, 20)]
    assert falls == sorted(falls)
    assert measure([episode(seed, 60) for seed in range(5)]) < 0.2 * falls[1]


def walk(seed, length=30, to=3.0):
    """An episode that ends at a place, as those do that reach a goal; one of LIMIT steps never does."""
    one = episode(seed, length, terminates=length < LIMIT)
    if length < LIMIT:
        one["observations"][-1] = [to, 0.0]
    return one


def test_an_expert_that_reaches_its_goal_is_near_those_who_reach_it_as_fast():
    expert = [walk(seed) for seed in range(4)]
    measure = distance(expert)
    assert measure(expert) == 0.0
    same, late, never = (measure([walk(seed, n) for seed in range(10, 15)]) for n in (30, 70, LIMIT))
    assert same < 0.1 < late < never


def test_an_end_elsewhere_is_far_however_alike_the_way_there():
    def apart(to, num_demonstrations=4):
        measure = distance([walk(seed) for seed in range(num_demonstrations)])
        return measure([walk(seed, to=to) for seed in range(10, 15)])

    assert apart(to=-3.0) > 3 * apart(to=3.0)
    # A single demonstration does not say how far apart ends may be.
    assert apart(to=-3.0, num_demonstrations=1) < 1.5 * apart(to=3.0, num_demonstrations=1)


def test_a_fall_among_demonstrations_that_stay_is_not_to_be_imitated():
    stays, falls = (episode(0), episode(1, 60, terminates=True))
    assert len(ends([stays, stays, stays, falls]).absorbed) == 0
    found = ends([stays, stays, falls, falls])
    assert (list(found.absorbed), found.lived) == ([40, 40], 320)


def test_units_do_not_matter_and_a_constant_component_does_no_harm():
    def stretched(e, factor):
        constant = np.full((len(e["rewards"]), 1), 3.0, np.float32)
        return e | {"observations": np.concatenate((factor * e["observations"], constant), 1)}

    small, large = (
        distance([stretched(episode(s), k) for s in range(4)])(
            [stretched(episode(s, shift=0.5), k) for s in range(5, 9)]
        )
        for k in (1.0, 1000.0)
    )
    assert small == pytest.approx(large, rel=1e-3)


def test_discrete_actions_are_compared_by_how_often_they_are_taken():
    def acting(seed, choices):
        rng = np.random.default_rng(seed)
        return episode(seed) | {"actions": rng.choice(choices, LIMIT)}

    measure = distance([acting(seed, [0, 1]) for seed in range(4)], codec=ARMS)
    assert measure([acting(9, [0, 1])]) < 0.3 * measure([acting(9, [2])])


@pytest.mark.parametrize(
    "nothing, codec", [(np.zeros((LIMIT, 1), np.float32), BOX), (np.zeros(LIMIT, int), ARMS)]
)
def test_zeros_in_place_of_actions_that_were_not_recorded_do_not_count(nothing, codec):
    measure = distance([episode(seed) | {"actions": nothing} for seed in range(4)], codec)
    agent = episode(9) | ({"actions": np.full(LIMIT, 2)} if codec is ARMS else {})
    assert measure([agent]) == measure([agent | {"actions": nothing}])


def screens(seed, length=200, place=(6, 40), size=24, wander=1.0):
    """Frames with a ball that wanders around ``place`` on a level ground."""
    rng = np.random.default_rng(seed)
    frames = np.full((length, 2 * size, 2 * size, 2), 90, np.uint8)
    rows, columns = (np.clip(rng.normal(at, wander, length), 0, 2 * size - 1).astype(int) for at in place)
    frames[np.arange(length), rows, columns] = 250
    return frames


def seen(seed, **kwargs):
    return {"observations": screen_blocks(screens(seed, **kwargs), is_stack=True)}


def test_what_is_not_compared_does_not_count():
    def elsewhere(episodes, seed):  # as if each was on its way to another place
        places = np.random.default_rng(seed).normal(0.0, 500.0, len(episodes))
        shifts = [np.array([0.0, place], np.float32) for place in places]
        pairs = zip(episodes, shifts, strict=True)
        return [{**one, "observations": one["observations"] + shift} for one, shift in pairs]

    expert = elsewhere([episode(seed, terminates=True, length=80) for seed in range(4)], 0)
    agent = elsewhere([episode(seed, terminates=True, length=80) for seed in range(10, 20)], 1)
    observations, actions = (np.concatenate([e[k] for e in expert]) for k in ("observations", "actions"))
    given = observations, BOX.from_environment(actions), ends(expert), BOX, LIMIT
    measure = ImitationDistance(*given, components=(0,))
    seen = [{**one, "observations": measure.seen(one["observations"])} for one in agent]
    assert 2 * measure(seen) < ImitationDistance(*given)(agent)


def test_screens_are_compared_by_what_is_seen_where():
    expert = [seen(seed, place=(20, 20), wander=6.0) for seed in range(4)]
    measure = ScreenDistance(np.concatenate([e["observations"] for e in expert]), 200.0)
    assert measure(expert) == 0.0
    near = measure([seen(seed, place=(20, 20), wander=6.0) for seed in range(10, 14)])
    far = measure([seen(seed, place=(20, 30), wander=6.0) for seed in range(10, 14)])
    elsewhere = measure([seen(seed, place=(5, 44), wander=1.0) for seed in range(10, 14)])
    assert 0.0 < 3 * near < far < elsewhere
    short = measure([seen(seed, length=100, place=(20, 20), wander=6.0) for seed in range(10, 18)])
    assert short == pytest.approx(near + 0.05, abs=0.02)


def test_a_place_where_the_expert_was_once_does_not_count_for_all_others():
    def with_corner(frames, rows):  # something in the upper left corner, in so many frames
        frames = frames.copy()
        frames[:rows, 0, 0] = 100
        return screen_blocks(frames, is_stack=True)

    frames = [screens(seed, place=(20, 20), wander=6.0) for seed in range(8)]
    rows = [with_corner(one, 1 if seed == 0 else 0) for seed, one in enumerate(frames[:4])]
    measure = ScreenDistance(np.concatenate(rows), 200.0)
    plain, there = ([{"observations": with_corner(one, n)} for one in frames[4:]] for n in (0, 200))
    assert measure(plain) < measure(there) < measure(plain) + 0.02


def test_of_many_frames_too_a_block_that_never_changes_counts_in_grey_levels():
    measure = ScreenDistance(np.full((300_000, 2), 100.3, np.float32), 200.0)
    others = [{"observations": np.full((200, 2), 101.3, np.float32)}]
    assert measure(others) == pytest.approx(1.0, rel=1e-3)


def test_blocks_are_of_the_newest_frame_and_of_any_size():
    stack = screens(0)
    blocks = functools.partial(screen_blocks, is_stack=True)
    np.testing.assert_array_equal(blocks(stack), blocks(stack[..., -1]))
    assert blocks(stack).shape == (200, 12 * 12)
    assert blocks(np.zeros((3, 84, 84), np.uint8)).shape == (3, 144)
    assert blocks(np.zeros((3, 30, 5), np.uint8)).shape == (3, 15 * 5)  # blocks of 2 x 1
    frame = np.zeros((1, 24, 24), np.uint8)
    frame[0, 2:4, 22:24] = 100
    expected = np.zeros((12, 12))
    expected[1, 11] = 100
    np.testing.assert_array_equal(blocks(frame)[0], expected.ravel())


def test_of_colours_every_channel_counts_wherever_it_is():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 24, 24, 3), np.uint8)
    blocks = screen_blocks(images, is_stack=False)
    assert blocks.shape == (5, 12 * 12 * 3)
    np.testing.assert_allclose(blocks[2, 1], images[2, :2, :2, 1].mean())
    np.testing.assert_array_equal(screen_blocks(np.moveaxis(images, -1, 1), is_stack=False), blocks)
    other = np.concatenate([rng.integers(0, 256, (5, 24, 24, 2), np.uint8), images[..., 2:]], -1)
    measure = ScreenDistance(blocks, 5.0)
    assert measure([{"observations": measure.seen(images)}]) == 0.0
    assert measure([{"observations": measure.seen(other)}]) > 0.1
