"""Rows are recognised by their observation: episode e, step t holds 100 e + t, and its reward is 1."""

import dataclasses

import numpy as np
import pytest

from gail_tf.demonstrations import Demonstrations, importance_weights, pad_absorbing, select, subsample, take
from gail_tf.errors import UserError


def make(lengths, terminated=None, discrete=False, rewards=True):
    """Episodes of these lengths; ``terminated`` [E] says which ended, the others are truncated."""
    ends = np.cumsum(lengths)
    observations = np.concatenate([100.0 * e + np.arange(n) for e, n in enumerate(lengths)])[:, None]
    is_last = np.isin(np.arange(ends[-1]) + 1, ends)
    has_ended = np.repeat(np.zeros(len(lengths)) if terminated is None else terminated, lengths).astype(bool)
    return Demonstrations(
        observations=observations,
        actions=np.ones(ends[-1], int) if discrete else np.ones((ends[-1], 1)),
        next_observations=observations + 1,
        rewards=np.ones(ends[-1]) if rewards else None,
        terminated=is_last & has_ended,
        truncated=is_last & ~has_ended,
        episode_ends=ends,
    )


def rows_of(demonstrations):
    return [demonstrations.observations[rows, 0].tolist() for rows in demonstrations.episode_slices]


# subsample


def test_subsample_keeps_every_kth_row_from_an_offset():
    d = subsample(make([10, 7]), every=3, seed=0)
    for episode, (kept, length) in enumerate(zip(rows_of(d), [10, 7], strict=True)):
        offset = kept[0] - 100 * episode
        assert 0 <= offset < 3
        assert kept == [100 * episode + t for t in range(int(offset), length, 3)]
    assert d.next_observations.tolist() == (d.observations + 1).tolist()


def test_subsample_draws_an_offset_for_each_episode_and_seed():
    offsets = [[kept[0] % 100 for kept in rows_of(subsample(make([10] * 40), 3, seed))] for seed in (0, 0, 1)]
    assert offsets[0] == offsets[1] != offsets[2]
    assert set(offsets[0]) == {0, 1, 2}


def test_subsample_keeps_the_totals_of_whole_episodes():
    d = subsample(make([10, 7]), every=5, seed=0)
    assert d.returns.tolist() == [10, 7]
    assert d.lengths.tolist() == [10, 7]
    assert d.rows_per_episode.sum() < 17


def test_subsample_keeps_flags_of_kept_rows_only():
    # Of a two-step episode one row stays: the last one, terminated, or the first, which ended nothing.
    for seed in range(10):
        d = subsample(make([2], terminated=[1]), every=2, seed=seed)
        assert d.terminated.tolist() == [d.observations[0, 0] == 1]
        assert not d.truncated.any()


def test_subsample_keeps_a_row_of_short_episodes():
    assert [len(kept) for kept in rows_of(subsample(make([2] * 20), every=50, seed=0))] == [1] * 20


def test_subsample_by_one_keeps_all_and_by_less_is_refused():
    d = make([3])
    assert subsample(d, every=1, seed=0) is d
    with pytest.raises(UserError, match="every 0 steps"):
        subsample(d, every=0, seed=0)


# select


def test_select_keeps_whole_trajectories_in_order():
    d = select(make([2, 3, 4, 5], terminated=[0, 1, 0, 1]), num=2, seed=0)
    episodes = [int(kept[0]) // 100 for kept in rows_of(d)]
    assert episodes == sorted(set(episodes)) and len(episodes) == 2
    assert rows_of(d) == [[100 * e + t for t in range(e + 2)] for e in episodes]
    assert d.returns.tolist() == [e + 2 for e in episodes]
    assert d.terminated[d.episode_ends - 1].tolist() == [e in (1, 3) for e in episodes]


def test_select_depends_on_the_seed_and_is_nested():
    d = make([1] * 25)
    chosen = {n: {kept[0] for kept in rows_of(select(d, n, seed=0))} for n in (1, 4, 25)}
    assert chosen[1] < chosen[4] < chosen[25]
    assert len({tuple(sorted(select(d, 4, seed).observations[:, 0])) for seed in range(10)}) > 5


@pytest.mark.parametrize("num", [0, -1, 3])
def test_select_says_how_many_there_are(num):
    with pytest.raises(UserError, match=f"{num} demonstrations were asked for; wanted 1 to 2"):
        select(make([2, 2]), num, seed=0)


def test_select_after_subsample_keeps_original_totals():
    d = select(subsample(make([10, 20, 30]), 5, seed=0), 3, seed=0)
    assert d.returns.tolist() == [10, 20, 30]


def test_images_are_chosen_as_bytes_and_have_no_absorbing_state():
    rows = np.arange(24, dtype=np.uint8).reshape(6, 2, 2, 1)
    d = dataclasses.replace(make([4, 2]), observations=rows, next_observations=rows)
    thinned = subsample(select(d, 1, seed=0), 2, seed=0)
    assert thinned.observations.dtype == np.uint8 and len(thinned.observations) in (1, 2)
    with pytest.raises(UserError, match="images, which have no absorbing state: set make_environment"):
        pad_absorbing(d)


# pad_absorbing


def test_pad_absorbing_row_by_row():
    # Episode 0 terminates after 0 1; episode 1 is truncated after 100; episode 2 terminates after 200.
    d = pad_absorbing(make([2, 1, 1], terminated=[1, 0, 1]))
    assert d.observations.tolist() == [[0, 0], [1, 0], [0, 1], [100, 0], [200, 0], [0, 1]]
    assert d.next_observations.tolist() == [[1, 0], [0, 1], [0, 1], [101, 0], [0, 1], [0, 1]]
    assert d.actions.tolist() == [[1], [1], [0], [1], [1], [0]]
    assert d.rewards.tolist() == [1, 1, 0, 1, 1, 0]
    assert d.episode_ends.tolist() == [3, 4, 6]
    assert d.terminated.tolist() == [False] * 6
    assert d.truncated.tolist() == [False, False, True, True, False, True]
    assert d.returns.tolist() == [2, 1, 1]
    assert d.lengths.tolist() == [2, 1, 1]
    known = dataclasses.replace(make([2], terminated=[1]), components=(("at", 1),))
    assert pad_absorbing(known).components == (("at", 1), ("absorbing", 1))


def test_pad_absorbing_discrete_without_rewards():
    d = pad_absorbing(make([2], terminated=[1], discrete=True, rewards=False))
    assert d.actions.tolist() == [1, 1, 0]
    assert d.actions.dtype == np.int64
    assert d.rewards is None


def test_pad_absorbing_only_widens_truncated_episodes():
    d = pad_absorbing(make([2, 2]))
    assert d.num_transitions == 4
    assert d.observations[:, 1].tolist() == [0, 0, 0, 0]
    assert d.truncated.tolist() == [False, True, False, True]


def test_pad_absorbing_says_where_the_last_steps_are_missing():
    cut = dataclasses.replace(make([2, 2]), episode_terminated=[1, 0])  # as of a file without successors
    note = pad_absorbing(cut).notes[-1]
    assert "no absorbing rows: the last step of all 1 that ended is missing. Record next_observations" in note


def test_pad_absorbing_comes_before_subsampling():
    subsampled = subsample(make([10] * 9, terminated=[1] * 9), every=5, seed=0)
    with pytest.raises(UserError, match="before subsampling"):
        pad_absorbing(subsampled)
    padded = subsample(pad_absorbing(make([10] * 9, terminated=[1] * 9)), every=5, seed=0)
    assert padded.observations[:, 1].sum() > 0
    assert padded.lengths.tolist() == [10] * 9


def test_subsampling_keeps_every_absorbing_row_and_weighs_it_by_the_inverse():
    """Two ended episodes of 10 and 13 rows and a cut one: padded, then every 5th row."""
    padded = pad_absorbing(make([10, 13, 10], terminated=[True, True, False]))
    kept = subsample(padded, 5, seed=0, absorbing=True)
    indicator = kept.observations[:, -1]
    assert indicator.sum() == 2 and (padded.observations[:, -1].sum()) == 2
    weights = importance_weights(kept, 5, absorbing=True)
    np.testing.assert_allclose(weights, np.where(indicator == 1.0, 0.2, 1.0))
    real = kept.observations[indicator == 0.0]
    assert len(real) in (6, 7)  # 10 / 5 + 13 / 5 (2 or 3) + 10 / 5
    np.testing.assert_array_equal(importance_weights(kept, 5, absorbing=False), np.ones(len(weights)))


def test_take_keeps_the_episodes_that_are_true():
    d = make([2, 3, 4], terminated=[True, False, True])
    kept = take(d, d.returns != 3.0)
    assert rows_of(kept) == [[0.0, 1.0], [200.0, 201.0, 202.0, 203.0]] and kept.ended.tolist() == [True, True]
    assert kept.notes[-1] == "Took 2 of 3 episodes."
    for wrong in ([0, 2], [True, False]):
        with pytest.raises(UserError, match=r"wanted bool \[3\]"):
            take(d, np.array(wrong))
    with pytest.raises(UserError, match="^none of the 3 episodes is to be taken"):
        take(d, d.returns > 1e9)
