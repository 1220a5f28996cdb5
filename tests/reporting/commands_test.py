"""Commands as they were typed, and as another machine can run them."""

import pathlib
import re

import pytest

import gail_tf
from gail_tf.reporting import commands

TYPED = [
    *("gail-train", "--config", "bc/cartpole", "--run_dir", "/tmp/x", "--resume", "-seed", "3"),
    *("--num_demonstrations", "2", "--demonstrations", "/at/home/x.npz", "--gin", "a = 1", "--overwrite"),
]
PLAIN = [
    *("gail-train", "--config=bc/cartpole", "--run_dir=/tmp/x", "--resume", "--seed=3"),
    *("--num_demonstrations=2", "--demonstrations=/at/home/x.npz", "--gin=a = 1", "--overwrite"),
]


def test_a_value_in_the_next_word_is_the_flags():
    assert commands.words(TYPED) == commands.words(PLAIN) == PLAIN
    assert commands.words(["mine.py", "--cuda", "--sizes", "1", "2"]) == [
        *("mine.py", "--cuda", "--sizes", "1", "2")
    ]
    assert commands.words(["gail-train", "--seed"]) == ["gail-train", "--seed"]
    assert commands.words(None) == []


def test_no_place_of_this_machine_is_left_however_it_was_typed():
    wanted = [
        *("gail-train", "--config=bc/cartpole", "--resume", "--seed=3", "--num_demonstrations=2"),
        *("--demonstrations=DIR/x.npz", "--gin=a = 1", "--overwrite"),
    ]
    assert list(commands.without_places(TYPED)) == list(commands.without_places(PLAIN)) == wanted


@pytest.mark.parametrize("typed", [["-run_dir", "/a/b"], ["-run_dir=/a/b"], ["--run_dir=/a/b"]])
def test_the_runs_folder_goes(typed):
    assert list(commands.without_places(["gail-train", *typed, "--show"])) == ["gail-train", "--show"]


def test_rewards_configs_and_folders_of_demonstrations_keep_their_names():
    given = ["--reward", "/w/airl/0", "--demonstrations", "/w/mine/", "--config=/w/a.gin"]
    wanted = ["--reward=DIR/airl/0", "--demonstrations=DIR/mine", "--config=a.gin"]
    assert list(commands.without_places(["gail-train-expert", *given]))[1:] == wanted


def test_the_flags_with_a_value_are_those_of_the_programs():
    folder = pathlib.Path(gail_tf.__file__).parent / "bin"
    sources = [(folder / f"{name}.py").read_text() for name in ("training_flags", "train", "train_expert")]
    declared = re.findall(r'DEFINE_(\w+)\(\s*"(\w+)"', "".join(sources))
    assert commands.WITH_VALUE == {name for kind, name in declared if kind != "bool"}
    assert {name for kind, name in declared if kind == "bool"} >= {"resume", "overwrite"}


def test_values_in_their_order():
    command = ["gail-train", "--gin=a = 1", "--gin", "b=2", "--reward=x", "/bin/gin=3", "gin=4"]
    assert commands.values_of(command, ("gin", "reward")) == [
        *(("gin", "a = 1"), ("gin", "b=2"), ("reward", "x"))
    ]
