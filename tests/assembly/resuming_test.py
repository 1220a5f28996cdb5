"""What is given beside --resume, and the function that made a run's environment in Python."""

import functools
import hashlib
import pprint

import gin
import numpy as np
import pytest

from gail_tf import demonstrations as demos
from gail_tf.assembly.gin_text import recorded, statements
from gail_tf.assembly.resuming import check_same
from gail_tf.assembly.settings import Request, find_moved
from gail_tf.errors import UserError
from gail_tf.resources import shipped_file
from gail_tf.types import ARRAYS


def make_mine():
    """Stands for one that makes an environment."""


MINE = f"{__name__}.make_mine"


def info(factory=None, **more):
    return {
        "config_name": "ppo/any",
        "gin_config": "",
        "environment": "CartPole-v1",
        "status": "interrupted",
    } | {
        "environment_factory": factory,
        **more,
    }


def test_what_python_made_is_made_there_again():
    for environment in (None, "CartPole-v1"):
        with pytest.raises(UserError) as told:
            check_same(Request("runs/mine", environment=environment), info(MINE))
        call = "gail_tf.train(run_dir='runs/mine', environment=make_mine, resume=True)."
        assert str(told.value).startswith(f"--resume: {MINE} made the environment of this run in Python")
        assert str(told.value).endswith(call)
    with pytest.raises(UserError, match=r"environment=make_mine, demonstrations=\.\.\., resume=True\)\.$"):
        check_same(Request("runs/mine"), info(MINE, demonstrations=ARRAYS))
    check_same(Request("runs/mine", environment=make_mine), info(MINE))
    check_same(Request("runs/mine", environment=lambda: None), info(MINE))  # moved or renamed: a warning
    check_same(Request("runs/mine"), info(MINE, status="finished"))  # there is nothing to make


RECORDED = """
make_environment.environment = 'CartPole-v1'
Experiment.seed = 4
Trainer.total_env_steps = 2048
"""


@pytest.mark.parametrize(
    "given",
    [
        {"bindings": ["Trainer.total_env_steps = 4096", "Trainer.total_env_steps = 2048"]},
        {"bindings": ["Experiment.seed = 3"], "seed": 4},
        {"bindings": ["include 'with/cloning.gin'"]},
        {"bindings": ["make_environment.environment = 'CartPole'"]},
        {"environment": "CartPole"},
        {"demonstrations": np.zeros((3, 2))},  # no setting, and not compared
    ],
)
def test_the_command_that_began_a_run_goes_on_with_it(given):
    check_same(Request("runs/mine", **given), info(gin_config=RECORDED, seed=4))


@pytest.mark.parametrize(
    "given, told",
    [
        ({"bindings": ["Trainer.total_env_steps = 2048", "Trainer.total_env_steps = 4096"]}, "to 4096, and"),
        ({"bindings": ["Experiment.seed = 4"], "seed": 3}, "--seed is 3, and the run has 4"),
        ({"environment": "CartPole-v0"}, "--environment is CartPole-v0, and the run has CartPole-v1"),
    ],
)
def test_what_counts_in_a_command_is_compared(given, told):
    with pytest.raises(UserError, match=told):
        check_same(Request("runs/mine", **given), info(gin_config=RECORDED, seed=4))


def test_demonstrations_may_have_moved_but_not_changed(tmp_path):
    here, changed = tmp_path / "here.npz", tmp_path / "changed.npz"
    here.write_bytes(b"rows")
    changed.write_bytes(b"others")
    was = str(tmp_path / "was.npz")
    recorded = {"demonstrations": was, "demonstrations_sha256": hashlib.sha256(b"rows").hexdigest()}
    check_same(Request("runs/mine", demonstrations=here), info(**recorded))
    find_moved(here, recorded)
    assert gin.query_parameter("load_demonstrations.path") == str(here)
    with pytest.raises(UserError, match="--demonstrations is .*changed.npz, and the run has .*was.npz"):
        check_same(Request("runs/mine", demonstrations=changed), info(**recorded))
    with pytest.raises(UserError, match="demonstrations are not at .*was.npz any more: put them back, or"):
        find_moved(None, recorded)
    find_moved(None, {**recorded, "demonstrations_reader": "mine.read"})  # which may need no file
    gin.clear_config()
    find_moved(None, {**recorded, "demonstrations": str(here)})  # where it was resumed from before
    assert gin.query_parameter("load_demonstrations.path") == str(here)
    find_moved(None, {"demonstrations": "/another/experts/CartPole-v1/demonstrations.npz"})
    assert gin.query_parameter("load_demonstrations.path") == str(shipped_file("CartPole-v1"))


def test_a_folder_of_tables_may_have_moved_too(tmp_path):
    for name, action in (("here", 1), ("changed", 0)):
        (tmp_path / name).mkdir()
        rows = f"0,0.0,{action}\n0,0.1,0\n0,0.2,1\n"
        (tmp_path / name / "a.csv").write_text("episode,observation.x,action\n" + rows)
    here, changed = str(tmp_path / "here"), str(tmp_path / "changed")
    recorded = {"demonstrations": "/was", "demonstrations_sha256": demos.digest(here, demos.load(here))}
    check_same(Request("runs/mine", demonstrations=here), info(**recorded))
    with pytest.raises(UserError, match="--demonstrations is .*changed, and the run has /was"):
        check_same(Request("runs/mine", demonstrations=changed), info(**recorded))


def test_a_function_is_no_id():
    with pytest.raises(UserError, match=f"--environment is {MINE}, and the run has CartPole-v1"):
        check_same(Request("runs/mine", environment=functools.partial(make_mine)), info())
    older = info()
    del older["environment_factory"]  # nothing is known of what made it
    check_same(Request("runs/mine", environment=make_mine), older)


def test_a_long_path_is_recorded_whole_however_gin_writes_it():
    path = "/home/me/a long name of a folder that somebody's colleague has made/and another one/reward"
    (one,) = statements(f"LearnedReward.path = \\\n    {pprint.pformat(path, width=60)}", "config")
    assert recorded(one) == path
    (two,) = statements("A.b = ('x', 'y')", "config")
    assert recorded(two) == "('x', 'y')"
