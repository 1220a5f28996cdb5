import dataclasses
import hashlib
import re
import textwrap
from pathlib import Path

import gin
import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import gail_tf
from gail_tf.assembly import expert, reward_choice
from gail_tf.demonstrations import Demonstrations, from_arrays
from gail_tf.environments import wrappers
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.make import make_environment
from gail_tf.errors import UserError
from gail_tf.rewards.membership import MembershipReward


def demonstrations(first):
    ends = np.array([False, False, True])
    rows = np.array([[first], [1.0], [2.0]], np.float32)
    return Demonstrations(
        observations=rows,
        actions=rows,
        next_observations=np.append(rows[1:], [[3.0]], axis=0),
        rewards=None,
        terminated=ends,
        truncated=~ends & False,
        episode_ends=np.array([3]),
    )


def pendulums(*episodes):
    """Pendulum-v1 (200 steps), an episode a pair (length, whether it ended)."""
    lengths = [length for length, _ in episodes]
    ends = np.cumsum(lengths)
    terminated = np.zeros(ends[-1], bool)
    terminated[[end - 1 for end, (_, ended) in zip(ends, episodes, strict=True) if ended]] = True
    truncated = np.zeros(ends[-1], bool)
    truncated[ends - 1] = True
    rows = np.full((ends[-1], 3), 0.5, np.float32)
    return Demonstrations(
        observations=rows,
        actions=rows[:, :1],
        next_observations=rows,
        rewards=np.ones(ends[-1], np.float32),
        terminated=terminated,
        truncated=truncated & ~terminated,
        episode_ends=ends,
    )


@pytest.fixture
def prepare():
    """``prepare_expert`` on Pendulum-v1 with the settings of ``load_demonstrations`` given."""

    def prepare(recorded, wrappers=(), **settings):
        for name, value in settings.items():
            gin.bind_parameter(f"load_demonstrations.{name}", value)
        env = make_environment("Pendulum-v1", wrappers=wrappers)
        loaded = expert.load_demonstrations(given=recorded)
        return expert.prepare_expert(loaded, env, ActionCodec(env.action_space), 0)

    return prepare


def test_what_was_cut_short_tells_neither_return_nor_length(prepare):
    shown = prepare(pendulums((200, False), (10, False), (30, True)))
    assert shown.return_mean == 115.0 and shown.length_mean == 115.0 and shown.terminates == 0.5
    assert shown.num_transitions == 240  # but it is learned from
    assert any("1 of 3 episodes stops before the time limit of 200 steps" in note for note in shown.notes)


def test_episodes_longer_than_the_time_limit_tell_neither_return_nor_length(prepare):
    shown = prepare(pendulums((200, False), (800, False)))
    assert shown.return_mean == 200.0 and shown.length_mean == 200.0
    assert any(
        "1 of 2 episodes is longer than the time limit of 200 steps, up to 800" in n for n in shown.notes
    )
    alone = prepare(pendulums((800, False)))
    assert alone.return_mean is None and any("1 of 1 episode is longer" in note for note in alone.notes)


def test_ends_at_the_time_limit_are_doubted_but_where_it_is_a_single_step():
    """Of one-step tasks Gymnasium marks each end as both, and no file could have others."""

    def doubted(length):
        recorded, whole = pendulums((length, True), (length, True)), np.ones(2, bool)
        notes = expert._notes_on_ends(recorded, whole, length)
        return any("if that is why, they are timeouts" in note for note in notes)

    assert doubted(2) and not doubted(1)


def test_a_component_that_a_normaliser_takes_for_a_constant_is_among_the_facts(prepare):
    """Of a position in units of 1e6 a clone of 0.997 of its expert became one of 0.014."""
    recorded, rng = pendulums((200, False)), np.random.default_rng(0)
    rows = np.array([0.0, 7.0, 1e3]) + np.array([1e-6, 0.0, 1e-2]) * rng.standard_normal((200, 3))
    shown = prepare(dataclasses.replace(recorded, observations=rows.astype(np.float32)))
    assert shown.facts["flat_components"] == [0]


def test_rows_of_zeros_behind_episodes_are_taken_for_padding(prepare):
    recorded = pendulums((200, False), (200, False))
    rows = recorded.per_step

    def warned(**zeros):
        fields = {name: rows[name].copy() for name in ("observations", "actions", "rewards")}
        for name, at in zeros.items():
            fields[name][at] = 0.0
        notes = prepare(dataclasses.replace(recorded, **fields)).notes
        return [note for note in notes if "padding?" in note]

    behind = np.r_[150:200]
    (told,) = warned(observations=behind, actions=behind, rewards=behind)
    assert told.startswith("warning: 1 of 2 episodes ends in rows of zeros alone, 50 at most: padding? If so")
    assert not warned(observations=behind, actions=behind)  # paid: the expert rests there
    assert not warned(actions=behind, rewards=behind)
    within = np.r_[behind, 20]
    assert not warned(observations=within, actions=within, rewards=within)
    assert not warned(observations=np.r_[:400], actions=np.r_[:400], rewards=np.r_[:400])


def test_padding_whose_successors_were_recorded_is_an_episode_and_warned_of(prepare):
    """What the last real row leads to is no row of zeros: it was told to be truncated, and that was all."""
    rows, ends = pendulums((200, False), (200, False)).per_step, np.arange(400) % 200 == 199
    fields = {name: rows[name].copy() for name in ("observations", "actions", "rewards", "next_observations")}
    for column in fields.values():
        column[150:200] = 0.0
    padded = from_arrays(fields | {"timeouts": ends, "terminals": np.zeros(400, bool)})
    assert padded.lengths.tolist() == [150, 50, 200]
    (told,) = (note for note in prepare(padded).notes if "padding?" in note)
    assert "1 of 3 episodes ends in rows of zeros alone, 50 at most" in told


def test_an_absorbing_states_action_is_the_agents(prepare):
    """0 in normalised units, which is another number in an environment whose actions go from 0 to 1."""
    recorded = pendulums((5, True), (200, False))
    recorded = dataclasses.replace(recorded, actions=np.full_like(recorded.actions, 0.25))
    env = make_environment("Pendulum-v1", absorbing_states=True)
    codec = ActionCodec(gym.spaces.Box(0.0, 1.0, (1,)))
    shown = expert.prepare_expert(expert.load_demonstrations(given=recorded), env, codec, 0).transitions
    absorbing = shown.observation[:, -1] > 0.0
    assert absorbing.sum() == 1 and (shown.action[absorbing] == 0.0).all()
    assert (shown.action[~absorbing] == -0.5).all()


def test_an_expert_of_whom_no_end_was_seen_is_taken_to_last(prepare):
    shown = prepare(pendulums((10, False), (10, False)))
    assert shown.return_mean is None
    assert any("no normalised returns" in note for note in shown.notes)
    assert reward_choice.outlives_chance(shown, 50.0) and not reward_choice.seeks_the_end(shown, 50.0)


def test_whole_episodes_are_not_remarked_upon(prepare):
    notes = prepare(pendulums((200, False), (50, True))).notes
    assert not any("cut short" in note or "time limit" in note for note in notes)


def test_ends_at_the_time_limit_alone_are_remarked_upon(prepare):
    assert any("they are timeouts" in note for note in prepare(pendulums((200, True), (200, True))).notes)
    assert not any("timeouts" in note for note in prepare(pendulums((200, True), (9, True))).notes)


def test_subsampling_that_leaves_one_transition_is_refused(prepare):
    with pytest.raises(UserError, match="one in 500 of 200 transitions leaves 1; wanted at least 2"):
        prepare(pendulums((200, False)), subsample=500)


def test_a_reward_that_pays_ends_is_told_where_subsampling_left_none(prepare):
    ended, cut = pendulums((100, True), (100, True)), pendulums((200, False))
    note = expert.ends_note(prepare(ended, subsample=20), MembershipReward(end_reward=None))
    assert "--subsample=20 kept no step that ended a demonstration" in note
    ends = {"terminals": ended.terminated, "timeouts": ended.terminated & False}
    without = from_arrays({"observations": ended.observations, "actions": ended.actions, **ends})
    note = expert.ends_note(prepare(without, subsample=1), MembershipReward(end_reward=None))
    assert "no step that ended one" in note and "record next_observations" in note
    for shown, reward_source in (
        (prepare(ended, subsample=20), MembershipReward()),  # the paper's pays all rows alike
        (prepare(ended, subsample=1), MembershipReward(end_reward=None)),
        (prepare(cut, subsample=20), MembershipReward(end_reward=None)),
    ):
        assert expert.ends_note(shown, reward_source) is None


@pytest.mark.parametrize(
    "made, told",
    [
        ({"kwargs": {"g": 3.0}}, "make_environment.kwargs = {'g': 3.0}"),
        # As it is anyhow.
        ({"kwargs": {"g": 10.0, "render_mode": "rgb_array"}, "max_episode_steps": 200}, None),
        ({"max_episode_steps": 50}, "make_environment.max_episode_steps = 50"),
        ({"wrapper_names": ["RescaleObservation", "TimeLimit"]}, "the wrapper RescaleObservation"),
        ({"wrapper_names": ["RecordEpisodeStatistics"]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_the_recorded_environment_had_and_this_one_has_not_is_remarked_upon(prepare, made, told):
    of_today = {"environment_kwargs": made}
    of_before = {"policy": {"environment": "Pendulum-v1", "environment_kwargs": made}}
    elsewhere = {"policy": {"environment": "Pendulum-v0", "environment_kwargs": made}}
    for provenance, said in ((of_today, told), (of_before, told), (elsewhere, None)):
        recorded = dataclasses.replace(pendulums((200, False)), provenance=provenance)
        notes = [
            note for note in prepare(recorded).notes if note.startswith("Recorded in an environment with")
        ]
        assert len(notes) == (said is not None) and all(f"with {said}, which" in note for note in notes)


def test_wrappers_that_are_bound_otherwise_than_in_the_recording_are_remarked_upon(prepare):
    stacked = {"wrapper": "gail_tf.environments.observations:StackedFrames", "arguments": {"num_frames": 2}}
    recorded = pendulums((200, False))
    of = lambda made: dataclasses.replace(recorded, provenance={"environment_kwargs": {"wrappers": made}})  # noqa: E731
    said = lambda made: [n for n in prepare(of(made)).notes if n.startswith("Recorded in an envir")]  # noqa: E731
    gin.bind_parameter("make_environment.wrappers", [gym.wrappers.ClipAction])
    mine = wrappers.described([gym.wrappers.ClipAction])
    assert said(mine) == []
    (note,) = said([mine[0] | {"arguments": {"share": 0.5}}])
    assert "with import gymnasium" in note and "ClipAction.share = 0.5" in note
    (note,) = said([stacked, *mine])
    assert "StackedFrames.num_frames = 2; " in note


def test_of_rows_that_do_not_fit_it_is_told_what_their_environment_was_made_with(prepare):
    rows = np.zeros((200, 5), np.float32)
    recorded = dataclasses.replace(pendulums((200, False)), observations=rows, next_observations=rows)
    with pytest.raises(UserError, match="wanted 3, as Pendulum-v1 has: give demonstrations .* environment$"):
        prepare(recorded)
    made = {"kwargs": {"g": 3.0}, "wrappers": wrappers.described([wrappers.FlattenActions])}
    recorded = dataclasses.replace(recorded, provenance={"environment_kwargs": made})
    told = "make_environment.kwargs = {'g': 3.0}; make_environment.wrappers = [@FlattenActions], which"
    with pytest.raises(UserError, match=re.escape(f"environment. Recorded in an environment with {told}")):
        prepare(recorded)


def test_other_arguments_are_told_with_those_that_are_bound(prepare):
    gin.bind_parameter("make_environment.kwargs", {"render_mode": "rgb_array"})
    made = {"environment_kwargs": {"kwargs": {"g": 3.0}}}
    (note,) = [
        n for n in prepare(dataclasses.replace(pendulums((200, False)), provenance=made)).notes if "bind" in n
    ]
    assert "make_environment.kwargs = {'render_mode': 'rgb_array', 'g': 3.0}" in note


@pytest.mark.parametrize("size, noted", [(1.0, False), (1e4, True)])
def test_large_observations_are_remarked_upon(prepare, size, noted):
    shown = prepare(pendulums((200, False)))
    rows = shown.transitions.observation * np.array([1.0, 1.0, 2.0 * size], np.float32)
    note = expert.unscaled_note(shown._replace(transitions=shown.transitions._replace(observation=rows)), "G")
    assert (note is not None) == noted
    assert not noted or "Component 2" in note and "--gin='G.normalize_observations = True'" in note


def test_neighbours_among_flattened_images_are_not_asked_for_their_actions(prepare):
    """Most pixels of a camera are the same at any two places, so actions would seem to fit nothing."""

    class Camera(gym.ObservationWrapper):
        def __init__(self, env):
            super().__init__(env)
            pixels = spaces.Box(0, 255, (9, 9, 3), np.uint8)
            self.observation_space = spaces.Dict({"camera": pixels, "state": env.observation_space})

        def observation(self, observation):
            return {"camera": np.zeros((9, 9, 3), np.uint8), "state": observation}

    rng, ends = np.random.default_rng(0), np.arange(200) == 199
    fields = {"actions": rng.uniform(-2, 2, (200, 1)), "terminals": ends & False, "timeouts": ends}
    state = rng.uniform(-1, 1, (200, 3))
    assert prepare(from_arrays({**fields, "observations": state})).facts["action_noise"] > 0.5
    parts = {"observations/camera": np.zeros((200, 243)), "observations/state": state}
    shown = prepare(from_arrays({**fields, **parts}), wrappers=[Camera])
    assert shown.facts["action_noise"] is None


@pytest.mark.parametrize(
    "around, spread, noted",
    [(0.0, 1e-2, False), (0.0, 1e-5, True), (1e5, 0.3, True), (1e5, 30.0, False), (7.0, 0.0, False)],
)
def test_a_component_that_hardly_varies_is_remarked_upon(prepare, around, spread, noted):
    recorded = pendulums((200, False))
    rows = np.array(recorded.observations)
    rows[:, 1] = around + spread * np.resize([-1.0, 1.0], 200)
    notes = prepare(dataclasses.replace(recorded, observations=rows)).notes
    assert any("Component 1 of the observations varies by" in note for note in notes) == noted
    rows[:, 2] = rows[:, 1]
    notes = prepare(dataclasses.replace(recorded, observations=rows)).notes
    assert any("Component 1 (and 2) of the observations varies by" in note for note in notes) == noted


def test_episodes_that_are_copies_are_remarked_upon(prepare):
    recorded = pendulums((200, False), (200, False), (200, False))
    steps = np.linspace(-1.0, 1.0, 600, dtype=np.float32)[:, None]
    recorded = dataclasses.replace(recorded, actions=steps)
    assert not any("copies" in note for note in prepare(recorded).notes)
    rows = np.resize(np.arange(200), 600)
    columns = {
        name: getattr(recorded, name)[rows] for name in ("observations", "actions", "next_observations")
    }
    (note,) = (note for note in prepare(dataclasses.replace(recorded, **columns)).notes if "copies" in note)
    assert note.startswith("2 of 3 episodes are copies of others: a") and "Different ones: 1." in note


@pytest.mark.parametrize(
    "high, recorded, noted",
    [(np.inf, 50.0, True), (np.inf, 1e-2, True), (np.inf, 2.0, False), (100.0, 50.0, False)],
)
def test_actions_that_are_not_scaled_and_far_from_1_are_remarked_upon(high, recorded, noted):
    actions = np.resize([0.5, recorded, 0.5, 0.0], (50, 2)).astype(np.float32)
    codec = ActionCodec(gym.spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, high]), dtype=np.float64))
    notes = expert._notes_on_unscaled(codec, actions)
    assert [note.split(" of the")[0] for note in notes] == ["Component 1"] * noted


class Named(gym.ObservationWrapper):
    """Pendulum's observation as two components: its tip and its speed."""

    observation_space = gym.spaces.Dict(
        {"tip": gym.spaces.Box(-1.0, 1.0, (2,)), "speed": gym.spaces.Box(-8.0, 8.0, (1,))}
    )

    def observation(self, observation):
        return {"tip": observation[:2], "speed": observation[2:]}


def test_components_are_put_in_the_environments_order(prepare):
    recorded = pendulums((200, False))
    rows = recorded.observations * np.array([2.0, 2.0, 1.0], np.float32)
    known = {"observations": rows, "next_observations": rows, "components": (("tip", 2), ("speed", 1))}
    shown = prepare(dataclasses.replace(recorded, **known), wrappers=[Named])
    assert shown.transitions.observation[0].tolist() == [0.5, 1.0, 1.0]  # Gymnasium sorts a plain dict's keys


def test_integers_of_a_discrete_space_are_learned_from_as_the_policy_sees_them():
    places = {"observations": np.array([0, 4]), "next_observations": np.array([4, 5])}
    fields = places | {"actions": np.array([1, 2]), "terminals": np.array([0, 1])}
    loaded = expert.load_demonstrations(given=fields)
    for absorbing in (False, True):
        env = make_environment("FrozenLake-v1", absorbing_states=absorbing)
        shown = expert.prepare_expert(loaded, env, ActionCodec(env.action_space), 0).transitions
        assert shown.observation.shape[1] == 16 + absorbing
        assert shown.observation[:2, :16].argmax(1).tolist() == [0, 4]


# load_demonstrations


def as_arrays(recorded):
    return {
        "observations": recorded.observations,
        "actions": recorded.actions,
        "next_observations": recorded.next_observations,
        "terminals": recorded.terminated,
        "timeouts": recorded.truncated,
    }


def test_files_arrays_and_demonstrations_are_loaded_alike(tmp_path):
    recorded = demonstrations(0.0)
    np.savez(tmp_path / "a.npz", **as_arrays(recorded))
    gin.bind_parameter("load_demonstrations.num_trajectories", 1)
    found = [
        expert.load_demonstrations(str(tmp_path / "a.npz")),
        expert.load_demonstrations(given=as_arrays(recorded)),
        expert.load_demonstrations(given=recorded),
    ]
    assert [loaded.name for loaded in found] == [str(tmp_path / "a.npz"), "the arrays", "the demonstrations"]
    for loaded in found:
        assert np.array_equal(loaded.recorded.observations, recorded.observations)
        assert (loaded.num_trajectories, loaded.subsample, loaded.seed) == (1, 1, None)


def test_what_is_refused_is_named(prepare):
    with pytest.raises(UserError, match="the arrays: missing keys observations"):
        expert.load_demonstrations(given={})
    with pytest.raises(UserError, match="^the demonstrations: .* 1 components; wanted 3, as Pendulum-v1 has"):
        prepare(demonstrations(0.0))
    with pytest.raises(UserError, match="no demonstrations given: add --demonstrations=PATH"):
        expert.load_demonstrations()


def test_the_reader_of_the_documentation_is_bound_in_gin(tmp_path):
    page = (Path(gail_tf.__file__).parents[1] / "docs" / "demonstrations.md").read_text()
    source = page[page.index("    # my_reader.py") : page.index("    # mine.gin")]
    exec(textwrap.dedent(source), {"__name__": "my_reader"})
    gin.parse_config(["load_demonstrations.reader = @my_reader", "my_reader.num_observations = 1"])
    table = "angle,torque,terminal,timeout\n1,0.5,0,0\n2,0.5,0,0\n3,0.5,0,1\n"
    (tmp_path / "mine.csv").write_text(table)
    loaded = expert.load_demonstrations(str(tmp_path / "mine.csv"))
    assert loaded.recorded.observations.tolist() == [[1], [2]]
    assert loaded.sha256 == hashlib.sha256(table.encode()).hexdigest()


def test_the_digest_is_of_the_files_contents_or_of_the_arrays(tmp_path):
    def digest(path=None, **given):
        return expert.load_demonstrations(path and str(path), **given).sha256

    np.savez(tmp_path / "a.npz", **as_arrays(demonstrations(0.0)))
    alone = digest(tmp_path)
    assert alone == digest(tmp_path / "a.npz")
    assert alone == hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest()
    np.savez(tmp_path / "b.npz", **as_arrays(demonstrations(9.0)))
    assert digest(tmp_path) != alone
    same = digest(given=demonstrations(0.0))
    assert same == digest(given=as_arrays(demonstrations(0.0))) != digest(given=demonstrations(9.0))


def test_components_are_taken_of_given_arrays_too():
    fields = {
        "observations/a": np.zeros((4, 1), np.float32),
        "observations/b": np.ones((4, 2), np.float32),
        "actions": np.zeros((4, 1), np.float32),
        "terminals": np.arange(4) == 3,
        "timeouts": np.zeros(4, bool),
    }
    loaded = expert.load_demonstrations(given=fields, observation_keys=["b", "a"])
    assert loaded.recorded.observations[0].tolist() == [1.0, 1.0, 0.0]
    with pytest.raises(UserError, match="observation_keys are c; wanted some of"):
        expert.load_demonstrations(given=fields, observation_keys=["c"])
