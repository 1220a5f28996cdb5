"""Making an environment: what it wraps, and one line for everything that cannot be learned in."""

import functools
import os
import subprocess
import sys

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.environments.absorbing import AbsorbingState
from gail_tf.environments.make import factory_name, make_by_arguments, make_environment, with_version
from gail_tf.environments.observations import (
    environment_name,
    observation_components,
    observation_spec,
    one_hot_columns,
    time_limit,
)
from gail_tf.environments.simulators import Loop
from gail_tf.errors import UserError


class _Observing(gym.Env):
    """An environment with any observation space, and an argument."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, space, render_mode=None):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        self.observation_space.seed(seed)
        self.given = self.observation_space.sample()
        return self.given, {}


class _Mission(gym.Space):
    """A space of one's own kind, as MiniGrid's missions are: Gymnasium does not know whether it is flat."""

    def __init__(self):
        super().__init__((), str)

    def sample(self, mask=None, probability=None):
        return "go"


class _Plain(gym.Env):
    """An environment of one's own, without a render_mode."""

    action_space = gym.spaces.Discrete(2)
    observation_space = gym.spaces.Box(-1, 1, (2,))


_SPACES = {
    "Dict": gym.spaces.Dict(a=gym.spaces.Discrete(2), b=gym.spaces.Box(-1, 1, (100,))),
    "Tuple": gym.spaces.Tuple([gym.spaces.Discrete(2)]),
    "Discrete": gym.spaces.Discrete(5),
    "Nested": gym.spaces.Dict(
        {"b": gym.spaces.Discrete(3), "a": gym.spaces.Tuple([gym.spaces.Box(-1, 1, ())] * 2)}
    ),
    "Binary": gym.spaces.MultiBinary(3),
    "Scalar": gym.spaces.Box(-1, 1, ()),
    "Memory": gym.spaces.Box(0, 255, (4,), np.uint8),
    "Matrix": gym.spaces.Box(-1, 1, (3, 4)),
    "Sequence": gym.spaces.Sequence(gym.spaces.Discrete(2)),
    "Mission": gym.spaces.Dict(image=gym.spaces.Box(0, 255, (4, 4, 3), np.uint8), mission=_Mission()),
    "Image": gym.spaces.Box(0, 255, (4, 4, 3), np.uint8),
    "Vector": gym.spaces.Box(-1, 1, (2,)),
}


@pytest.fixture
def registered(monkeypatch):
    """Ids Toy<space>-v0, and Endless-v0 without a time limit."""
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    for name, space in _SPACES.items():
        gym.register(f"Toy{name}-v0", _Observing, max_episode_steps=10, kwargs={"space": space})
    gym.register("Plain-v0", _Plain, max_episode_steps=10)
    gym.register("Endless-v0", _Observing, kwargs={"space": _SPACES["Vector"]})


def refusal(*args, **kwargs):
    with pytest.raises(UserError) as error:
        make_environment(*args, **kwargs)
    message = str(error.value).split("\n  In call to configurable")[0]  # gin's own trail
    assert "\n" not in message
    return message


def test_an_environment_need_not_know_of_render_modes(registered):
    assert make_environment("Plain-v0").spec.id == "Plain-v0"
    assert "takes no render_mode, or its function binds one itself" in refusal(
        "Plain-v0", render_mode="rgb_array"
    )


def test_an_unknown_id_suggests_a_known_one():
    message = refusal("Cartpole-v1")
    assert message.startswith("Environment 'Cartpole-v1' cannot be made") and "did you mean" in message
    assert "CartPole-v1" in message.split("did you mean")[1]
    assert "pprint_registry" in refusal("Zzzzzzzz-v9")


def test_a_module_that_is_not_there_is_named():
    assert "no_such_module" in refusal("no_such_module:Thing-v0")


@pytest.mark.parametrize(
    "name, shape, dtype, components",
    [
        ("Dict", (102,), tf.float32, (("a", 2), ("b", 100))),
        ("Tuple", (2,), tf.float32, (("0", 2),)),
        ("Nested", (5,), tf.float32, (("a/0", 1), ("a/1", 1), ("b", 3))),
        ("Discrete", (5,), tf.float32, ()),
        ("Matrix", (12,), tf.float32, ()),
        ("Binary", (3,), tf.float32, ()),
        ("Scalar", (1,), tf.float32, ()),
        ("Memory", (4,), tf.float32, ()),
        ("Image", (4, 4, 3), tf.uint8, ()),
        ("Vector", (2,), tf.float32, ()),
    ],
)
def test_observations_are_a_vector_or_an_image(registered, name, shape, dtype, components):
    env = make_environment(f"Toy{name}-v0")
    assert env.observation_space.shape == shape
    spec = observation_spec(env.observation_space)
    assert (spec.shape, spec.dtype) == (shape, dtype)
    assert observation_components(env) == components
    if len(shape) == 1:
        assert observation_components(make_environment(f"Toy{name}-v0", absorbing_states=True)) == components


@pytest.mark.parametrize(
    "name, columns", [("Discrete", (0, 1, 2, 3, 4)), ("Binary", ()), ("Vector", ()), ("Nested", (2, 3, 4))]
)
def test_columns_of_places_are_one_hot(registered, name, columns):
    for absorbing in (False, True):
        env = make_environment(f"Toy{name}-v0", absorbing_states=absorbing)
        assert one_hot_columns(env) == columns


def test_flattened_observations_are_gymnasiums(registered):
    env = make_environment("ToyNested-v0")
    space = _SPACES["Nested"]
    np.testing.assert_array_equal(env.reset(seed=3)[0], gym.spaces.flatten(space, env.unwrapped.given))


def test_observations_that_cannot_be_flattened_are_refused(registered):
    message = refusal("ToySequence-v0")
    assert "'ToySequence-v0' has the observation space Sequence" in message and "MyWrapper" in message
    message = refusal("ToyMission-v0")
    assert "'ToyMission-v0' has the observation space Dict(" in message
    assert message.endswith(
        "a space that Gymnasium can flatten, which mission is not; give a wrapper of your own that leaves it "
        "out, --gin='make_environment.wrappers = [@MyWrapper]'."
    )


def test_absorbing_states_of_images_are_refused(registered):
    assert "the shape (4, 4, 3): want one dimension" in refusal("ToyImage-v0", absorbing_states=True)


def test_an_argument_it_does_not_take_is_refused(registered):
    assert "'colour'" in refusal("ToyVector-v0", kwargs={"colour": "red"})


@pytest.mark.parametrize("name", ["Hopper-v2", "HalfCheetah-v3"])
def test_an_environment_that_moved_away_names_its_successors(name):
    message = refusal(name)
    stem = name[:-3]
    assert message.startswith(f"Environment '{name}' cannot be imported (")
    assert message.endswith(f"; use {stem}-v4 or {stem}-v5.")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory that, as under a console script, is not where Python looks for modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield tmp_path
    for name in ("toy_broken", "toy_module"):
        sys.modules.pop(name, None)


def test_a_module_that_raises_is_named(folder):
    (folder / "toy_broken.py").write_text("1 / 0")
    message = refusal("toy_broken:Thing-v0")
    assert "its module 'toy_broken' cannot be imported (ZeroDivisionError: division by zero)" in message


def test_a_module_that_exits_is_named(folder):
    (folder / "toy_broken.py").write_text("import sys; sys.exit(4)")
    message = refusal("toy_broken:Thing-v0")
    assert "its module 'toy_broken' cannot be imported (SystemExit: 4); mend it" in message


def test_a_module_in_the_working_directory_is_found(folder, registered):
    (folder / "toy_module.py").write_text(
        "import gymnasium as gym\n"
        "gym.register('ToyHere-v0', 'gymnasium.envs.classic_control:CartPoleEnv', max_episode_steps=5)\n"
    )
    assert make_environment("toy_module:ToyHere-v0").spec.max_episode_steps == 5


def test_a_class_that_nothing_registered_is_told_how(folder):
    (folder / "toy_module.py").write_text("from gymnasium.envs.classic_control import CartPoleEnv as Mine\n")
    message = refusal("toy_module:Mine")
    call = "gymnasium.register('Mine-v0', 'toy_module:Mine', max_episode_steps=1000)"
    assert f"Mine is in toy_module and is no id: add {call} there, and give toy_module:Mine-v0." in message


@pytest.mark.parametrize("name", ["a:b:c", ":CartPole-v1", "gymnasium:"])
def test_an_id_with_colons_astray_is_refused(name):
    assert "want an id, or module:Id with one colon" in refusal(name)


def test_of_several_time_limits_the_first_counts():
    assert time_limit(gym.wrappers.TimeLimit(gym.make("Pendulum-v1"), 1000)) == 200
    wrapped = functools.partial(gym.wrappers.TimeLimit, max_episode_steps=50)
    env = make_environment("Pendulum-v1", max_episode_steps=30, wrappers=[wrapped])
    assert time_limit(env) == 30


@pytest.mark.parametrize("limit", [0, -1, 2.5])
def test_a_time_limit_that_is_none_is_refused(limit):
    assert f"max_episode_steps is {limit}: want an integer" in refusal("CartPole-v1", max_episode_steps=limit)
    assert f"max_episode_steps is {limit}" in refusal("CartPole-v1", {"max_episode_steps": limit})


@pytest.mark.parametrize("error", [ValueError, AttributeError, AssertionError, OSError, KeyError])
def test_a_constructor_that_fails_is_refused(registered, error):
    def fails(**kwargs):
        raise error("no such\ncolour")

    gym.register("ToyFails-v0", fails, max_episode_steps=10)
    message = refusal("ToyFails-v0", kwargs={"colour": "red"})
    assert f"'ToyFails-v0' failed while it was made with {{'colour': 'red'}} ({error.__name__}: " in message
    assert "mend make_environment.kwargs" in message


def test_arguments_that_are_no_dict_are_refused():
    assert "make_environment.kwargs is 'red': want a dict" in refusal("CartPole-v1", kwargs="red")


def test_an_environment_without_a_time_limit_is_refused_until_it_gets_one(registered):
    assert "make_environment.max_episode_steps" in refusal("Endless-v0")
    assert make_environment("Endless-v0", max_episode_steps=7).spec.max_episode_steps == 7


def test_a_time_limit_replaces_the_ids_own():
    assert make_environment("CartPole-v1").spec.max_episode_steps == 500
    env = make_environment("CartPole-v1", max_episode_steps=3)
    env.reset(seed=0)
    assert [env.step(i % 2)[3] for i in range(3)] == [False, False, True]


def test_absorbing_states_are_the_outermost_wrapper():
    assert isinstance(make_environment("CartPole-v1", absorbing_states=True), AbsorbingState)
    assert not isinstance(make_environment("CartPole-v1"), AbsorbingState)


def test_arguments_reach_the_environment():
    env = make_environment("Pendulum-v1", kwargs={"g": 2.0}, render_mode="rgb_array")
    assert env.unwrapped.g == 2.0 and env.render_mode == "rgb_array"


class _Scaled(gym.ObservationWrapper):
    def __init__(self, env, factor=2.0):
        super().__init__(env)
        self.factor = factor

    def observation(self, observation):
        return self.factor * observation


def test_wrappers_are_applied_in_order_and_before_absorbing_states(registered):
    wrappers = [functools.partial(_Scaled, factor=3.0), _Scaled]
    env = make_environment("CartPole-v1", absorbing_states=True, wrappers=wrappers)
    plain = gym.make("CartPole-v1").reset(seed=1)[0]
    np.testing.assert_allclose(env.reset(seed=1)[0], [*(6.0 * plain), 0.0], rtol=1e-6)
    assert isinstance(env, AbsorbingState) and env.get_wrapper_attr("factor") == 2.0


def test_a_wrapper_that_fails_is_named(registered):
    def breaks(env):
        raise KeyError("no\nsuch thing")

    message = refusal("CartPole-v1", wrappers=[breaks])
    assert "breaks cannot wrap 'CartPole-v1' (KeyError" in message
    assert "want a list of callables" in refusal("CartPole-v1", wrappers="FlattenActions")


def test_what_may_be_meant_keeps_its_module():
    assert "did you mean gymnasium:CartPole-v1" in refusal("gymnasium:CartPool-v1")


def test_a_factory_makes_the_environment():
    env = make_environment(_Plain, max_episode_steps=7)
    assert (environment_name(env), time_limit(env), env.spec) == ("_Plain", 7, None)
    assert "'_Plain' has no time limit" in refusal(_Plain)
    assert "does not take these arguments" in refusal(_Plain, {"colour": "red"})
    assert time_limit(make_environment(lambda: gym.make("CartPole-v1"))) == 500


def test_a_function_goes_by_its_qualified_name():
    here = _Plain.__module__
    assert factory_name(_Plain) == factory_name(functools.partial(_Plain, 3)) == f"{here}._Plain"
    assert factory_name(lambda: None).startswith(here) and factory_name(lambda: None).endswith(".<lambda>")
    assert "Environment '_Plain' has no time limit" in refusal(functools.partial(_Plain))


def test_a_factorys_own_time_limit_is_replaced():
    env = make_environment(lambda: gym.make("Pendulum-v1"), max_episode_steps=300)
    env.reset(seed=0)
    ends = [env.step(np.zeros(1, np.float32))[3] for _ in range(300)]
    assert time_limit(env) == 300 and ends.index(True) == 299


def test_a_factory_gives_an_environment():
    assert "gave None: want a gymnasium.Env" in refusal(lambda: None)

    def breaks():
        raise KeyError("gone")

    assert "failed while it was made" in refusal(breaks)


@pytest.mark.parametrize("given", [[0.5, 1.0], [300, 1], [-1, 0]])
def test_what_an_integer_space_cannot_hold_is_refused(given):
    class Rounding(_Plain):
        observation_space = gym.spaces.Box(0, 255, (2,), np.uint8)

        def reset(self, *, seed=None, options=None):
            return np.array(given), {}

    env = make_environment(Rounding, max_episode_steps=7)
    with pytest.raises(UserError, match="gave the observation .* in reset; want numbers of uint8"):
        env.reset()
    given[:] = [255, 0]
    assert env.reset()[0].tolist() == [255, 0]


def test_a_warning_of_mujoco_leaves_no_file_behind(tmp_path, monkeypatch):
    pytest.importorskip("mujoco")
    monkeypatch.chdir(tmp_path)
    env = make_environment("Hopper-v5")
    env.reset(seed=0)
    env.unwrapped.data.qvel[:] = np.nan  # MuJoCo warns of it in the next step
    env.step(np.zeros(3, np.float32))
    env.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "given, wanted",
    [
        ("Hopper", "Hopper-v5"),
        ("Hopper-v4", "Hopper-v4"),
        ("gymnasium:CartPole", "gymnasium:CartPole-v1"),
        ("NoSuchTask", "NoSuchTask"),  # making it says so
    ],
)
def test_an_id_without_a_version_is_the_newest(given, wanted):
    assert with_version(given) == wanted


def test_a_function_that_gives_one_environment_again_and_again_is_refused():
    """All simulators, and the evaluator, would step one and the same."""
    env = gym.make("CartPole-v1")
    make_environment(lambda: env)
    with pytest.raises(UserError, match="gave the same environment twice: want a new one at each call"):
        make_environment(lambda: gym.wrappers.TimeLimit(env, 7))


def test_made_by_arguments_alone_gin_has_no_part():
    gin.parse_config("make_environment.max_episode_steps = 7")
    assert time_limit(make_environment("CartPole-v1")) == 7
    assert time_limit(make_by_arguments("CartPole-v1")) == 500
    assert time_limit(make_by_arguments("CartPole-v1", max_episode_steps=9)) == 9


def test_a_limit_replaces_that_of_a_function_s_environment_however_deep():
    def make():
        inner = gym.make("Pendulum-v1")  # 200 steps
        return gym.wrappers.RescaleAction(inner, -1.0, 1.0)

    env = make_environment(make, max_episode_steps=300)
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[3] for _ in range(300)]
    assert time_limit(env) == 300 and ends.index(True) == 299


def test_integers_of_another_width_are_those_of_the_space():
    class Counting(gym.Env):
        observation_space = gym.spaces.Box(0, 10, (3,), np.uint8)
        action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.array([1, 2, 3]), {}

        def step(self, action):
            return [4, 5, 6], 0.0, False, False, {}

    loop = Loop([make_environment(Counting, max_episode_steps=9)])
    found = loop.reset([0], [0])
    assert found.dtype == np.uint8 and found.tolist() == [[1, 2, 3]]
    assert loop.step(np.array([0])).observation.tolist() == [[4, 5, 6]]


def test_pybullet_is_quiet():
    """In a process of its own: PyBullet writes one of its lines when it is imported."""
    pytest.importorskip("pybullet_envs_gymnasium", reason="pip install 'gail_tf[pybullet]'")
    script = (
        "from gail_tf.environments.make import make_by_arguments\n"
        "for _ in range(2): make_by_arguments('pybullet_envs_gymnasium:HopperBulletEnv-v0').reset(seed=0)\n"
        "print('reset', flush=True)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout == "reset\n"
    assert "build time" not in done.stderr


def test_an_id_of_vectors_alone_is_not_suggested_again(monkeypatch):
    spec = gym.envs.registration.EnvSpec("Vectors-v0", vector_entry_point="their_task:Vectors")
    monkeypatch.setitem(gym.registry, "Vectors-v0", spec)
    assert "register it with an entry_point" in refusal("Vectors-v0")
    assert "register it with an entry_point" in refusal("gymnasium:Vectors-v0")


def test_a_type_error_is_not_always_of_what_was_given(monkeypatch):
    class Old:  # of the time before gymnasium.Env
        pass

    def adds_to_none():
        return None + 1

    for entry_point, why in (
        (Old, "must inherit from the gymnasium.Env"),
        (adds_to_none, "unsupported operand"),
    ):
        monkeypatch.setitem(gym.registry, "Old-v0", gym.envs.registration.EnvSpec("Old-v0", entry_point))
        message = refusal("Old-v0")
        assert why in message and "or the environment" in message and "does not take" not in message
        assert "does not take these arguments" in refusal("Old-v0", kwargs={"gravity": 1.0})


def test_another_thread_may_import_while_an_environment_is_made(monkeypatch):
    """Two trainings begun at once in one program: the second's was told of a dictionary that changed."""

    class Imported(str):
        __slots__ = ()

        def startswith(self, *prefixes):
            sys.modules[f"{self}_too"] = sys
            return False

    others = {name: module for name, module in sys.modules.items() if "pybullet" not in name}
    monkeypatch.setattr(sys, "modules", {Imported("of_another_thread"): sys, **others})
    make_environment("CartPole-v1").close()
