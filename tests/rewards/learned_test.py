"""A learned reward, exported and taken up again: the same numbers, and one line where it does not fit."""

import json
import shutil

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.discriminators.portable import PortableReward
from gail_tf.environments.actions import ActionCodec
from gail_tf.environments.description import described_spaces
from gail_tf.errors import UserError
from gail_tf.networks.airl import make_shaped_network
from gail_tf.rewards import functions
from gail_tf.rewards.exported import digest
from gail_tf.rewards.learned import LearnedReward
from gail_tf.rewards.transforms import NormalizedReward
from gail_tf.training.export import export_reward
from gail_tf.types import Transition

_SHAPED = ("observation", "next_observation", "terminated")


def transitions(space, num_rows, absorbing=False, seed=0):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(2, num_rows, 3)).astype(np.float32)
    if absorbing:
        states = np.concatenate([states, np.zeros((2, num_rows, 1), np.float32)], -1)
    is_discrete = isinstance(space, gym.spaces.Discrete)
    actions = rng.integers(space.n, size=num_rows) if is_discrete else rng.uniform(-1, 1, (num_rows, 1))
    ends = np.float32(rng.uniform(size=num_rows) < 0.3) * (not absorbing)
    zeros = np.zeros(num_rows, np.float32)
    actions = actions.astype(np.int32 if is_discrete else np.float32)
    return Transition(*map(tf.constant, (states[0], actions, states[1], zeros, ends, zeros)))


class Task(gym.Env):
    """Spaces, and nothing in them."""

    def __init__(self, action_space):
        self.observation_space, self.action_space = gym.spaces.Box(-5.0, np.inf, (3,)), action_space


def export(folder, space, absorbing=False, **arguments):
    """A discriminator that has learned a little, exported to ``folder``."""
    tf.keras.utils.set_random_seed(0)
    codec = ActionCodec(space)
    expert = transitions(space, 40, absorbing, seed=1)
    discriminator = Discriminator(
        Transition(*(field.numpy() for field in expert)),
        codec.num_actions,
        absorbing,
        reward_transforms=[NormalizedReward()],
        reward_fn=functions.airl,
        learning_rate=0.05,
        batch_size=16,
        **arguments,
    )
    discriminator.update(transitions(space, 40, absorbing, seed=2), tf.constant([0, 1]), tf.constant(0.5))
    discriminator.relabel(transitions(space, 40, absorbing, seed=2))
    spec = tf.TensorSpec((3,), tf.float32)
    spaces = described_spaces(Task(space))
    before = kinds(spaces)
    export_reward(
        PortableReward(discriminator, codec, spec, absorbing, spaces), folder, {"environment": "Mine-v0"}
    )
    assert kinds(spaces) == before  # policy.json is written from them too
    return discriminator, codec


def kinds(value):
    """The exact types in nested containers: TensorFlow's proxies pass for dicts and lists."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return type(value), *map(kinds, inner)


_PENDULUM, _ARMS = gym.spaces.Box(-2.0, 2.0, (1,)), gym.spaces.Discrete(3)
CASES = {
    "continuous": (_PENDULUM, False, {}),
    "discrete": (_ARMS, False, {}),
    "absorbing": (_PENDULUM, True, {}),
    "shaped": (_PENDULUM, False, {"inputs": _SHAPED, "network": make_shaped_network}),
    "shaped and absorbing": (_ARMS, True, {"inputs": _SHAPED, "network": make_shaped_network}),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    made = {}
    for name, (space, absorbing, arguments) in CASES.items():
        folder = tmp_path_factory.mktemp("rewards") / "reward"
        made[name] = (*export(folder, space, absorbing, **arguments), folder)
    return made


@pytest.mark.parametrize("name", CASES)
def test_the_exported_reward_is_the_discriminators(exported, name):
    space, absorbing, _ = CASES[name]
    discriminator, codec, folder = exported[name]
    rows = transitions(space, 20, absorbing, seed=3)
    real = [field[:, :3] for field in (rows.observation, rows.next_observation)]
    inputs = {"observation": real[0], "next_observation": real[1]}
    inputs["action"] = codec.to_environment(rows.action)
    signatures = tf.saved_model.load(str(folder)).signatures
    given = signatures["at_ends"](**inputs, terminated=rows.terminated)
    for output, expected in (
        ("reward", discriminator.reward(rows)),
        ("logit", discriminator.logits(rows)),
        ("unshaped", discriminator.unshaped(rows)),
    ):
        assert given[output].shape == (20,)
        np.testing.assert_allclose(given[output], expected, rtol=1e-5, atol=1e-5)
    goes_on = signatures["serving_default"](**inputs)["reward"]
    real_ends = rows._replace(terminated=tf.zeros(20))
    np.testing.assert_allclose(goes_on, discriminator.reward(real_ends), rtol=1e-5, atol=1e-5)


def test_only_the_shaped_logit_has_a_potential_and_feels_the_end(exported):
    for name, is_shaped in (("continuous", False), ("shaped", True)):
        discriminator, _, _ = exported[name]
        rows = transitions(_PENDULUM, 20, seed=3)
        others = (
            discriminator.unshaped(rows),
            discriminator.logits(rows._replace(terminated=1.0 - rows.terminated)),
        )
        for other in others:
            assert np.any(np.abs(discriminator.logits(rows) - other) > 1e-3) == is_shaped


def test_the_end_of_an_episode_is_the_absorbing_state(exported):
    discriminator, codec, folder = exported["absorbing"]
    rows = transitions(_PENDULUM, 20, absorbing=True, seed=3)
    absorbing = tf.constant([[0.0, 0.0, 0.0, 1.0]] * 20)
    given = tf.saved_model.load(str(folder)).signatures["at_ends"](
        observation=rows.observation[:, :3],
        action=codec.to_environment(rows.action),
        next_observation=rows.next_observation[:, :3],
        terminated=tf.ones(20),
    )
    expected = discriminator.logits(rows._replace(next_observation=absorbing))
    np.testing.assert_allclose(given["logit"], expected, rtol=1e-5, atol=1e-5)


def test_one_state_has_one_vector_in_both_places(exported):
    discriminator, _, _ = exported["shaped"]
    state = tf.random.stateless_normal([10, 3], [0, 1])
    rows = transitions(_PENDULUM, 10)._replace(observation=state, next_observation=state)
    features = discriminator.features(discriminator.features.fields(rows))
    np.testing.assert_array_equal(features[:, :3], features[:, 3:6])
    np.testing.assert_array_equal(features[:, 6], rows.terminated)


@pytest.mark.parametrize("name", CASES)
def test_as_a_reward_source_it_pays_the_same(exported, name):
    space, absorbing, _ = CASES[name]
    discriminator, _, folder = exported[name]
    source = LearnedReward(str(folder.parent), normalize=False, scale=2.0, sha256=digest(folder))
    rows = transitions(space, 20, absorbing, seed=3)
    in_time = Transition(*(tf.reshape(field, [5, 4, *field.shape[1:]]) for field in rows))
    expected = 2.0 * tf.reshape(discriminator.reward(rows), [5, 4])
    for jit_compile in (False, True):
        paid, metrics = tf.function(source.relabel, jit_compile=jit_compile)(in_time)
        np.testing.assert_allclose(paid, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(metrics["reward/agent_mean"], np.mean(expected), rtol=1e-4, atol=1e-5)
    assert not source.variables  # a checkpoint holds nothing of it


def test_its_scale_is_taken_out_where_it_is_normalised(exported):
    source = LearnedReward(str(exported["continuous"][2]), scale=1000.0)
    paid, _ = source.relabel(transitions(_PENDULUM, 200, seed=3))
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(paid))), 1.0, rtol=1e-3)


def test_the_same_environment_made_otherwise_is_not_asked_for_by_its_name_alone(exported, tmp_path):
    shutil.copytree(exported["continuous"][2], tmp_path / "reward")
    path = tmp_path / "reward" / "reward.json"
    described = json.loads(path.read_text()) | {"environment": "Mine-v0"}
    path.write_text(json.dumps({**described, "environment_kwargs": {"kwargs": {"num_joints": 1}}}))
    with pytest.raises(
        UserError, match="spaces of Mine-v0, made with the environment_kwargs of its reward.json"
    ):
        LearnedReward(str(tmp_path / "reward")).check_fit(described_spaces(Task(_ARMS)), False, "Mine-v0")


def test_what_does_not_fit_is_one_line(exported, tmp_path):
    _, _, folder = exported["continuous"]
    source = LearnedReward(str(folder))
    fitting = described_spaces(Task(_PENDULUM))
    source.check_fit(fitting, False, "Mine-v1")
    newer = {**fitting["action"], "combinations": {"counts": [2, 3]}}  # which older rewards do not tell
    source.check_fit({**fitting, "action": newer}, False, "Mine-v1")
    wide = described_spaces(Task(gym.spaces.Box(-3.0, 3.0, (1,))))
    short = {**fitting, "observation": {**fitting["observation"], "shape": [2]}}
    for spaces, absorbing, sentence in (
        (wide, False, r"takes actions of shape \[1\] from \[-2.0\] to \[2.0\], Mine-v1 gives .* \[3.0\]"),
        (described_spaces(Task(_ARMS)), False, r"Mine-v1 gives actions 0..2: give an environment .* Mine-v0"),
        (short, False, r"takes observations float32 \[3\], Mine-v1 gives observations float32 \[2\]"),
        (
            fitting,
            True,
            "was learned without absorbing states: add --gin='make_environment.absorbing_states = F",
        ),
    ):
        with pytest.raises(UserError, match=sentence):
            source.check_fit(spaces, absorbing, "Mine-v1")
    with pytest.raises(UserError, match="has changed since the run began"):
        LearnedReward(str(folder), sha256="0" * 64)
    with pytest.raises(ValueError, match="LearnedReward.output is 'g': want one of logit, reward, unshaped"):
        LearnedReward(str(folder), output="g")
    with pytest.raises(UserError, match="holds no learned reward"):
        LearnedReward(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"none")
    (tmp_path / "reward.json").write_text(json.dumps({}))
    with pytest.raises(UserError, match="is no SavedModel"):
        LearnedReward(str(tmp_path))


def _saved(folder, function, name):
    module = tf.Module()
    module.act = tf.function(function)
    signature = module.act.get_concrete_function(tf.TensorSpec([None], tf.float32, name="x"))
    tf.saved_model.save(module, str(folder), {name: signature})
    (folder / "reward.json").write_text("{}")


def test_a_model_of_something_else_is_no_learned_reward(tmp_path):
    _saved(tmp_path, lambda x: {"reward": x}, "serving_default")
    with pytest.raises(UserError, match="is no learned reward"):
        LearnedReward(str(tmp_path))


def test_a_reward_that_reads_files_is_not_loaded(tmp_path, monkeypatch):
    size = lambda: tf.cast(tf.strings.length(tf.io.read_file("/x")), tf.float32)  # noqa: E731
    _saved(tmp_path, lambda x: {"reward": x + size()}, "at_ends")
    monkeypatch.setattr(tf.saved_model, "load", None)
    with pytest.raises(UserError, match=r"reads or writes outside of itself \(ReadFile\) and is not loaded"):
        LearnedReward(str(tmp_path))
