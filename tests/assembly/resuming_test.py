"""What is given beside --resume, and the function that made a run's environment in Python."""

import functools

import pytest

from gail_tf.assembly.resuming import check_same
from gail_tf.assembly.settings import Request
from gail_tf.types import ARRAYS, UserError


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


def test_a_function_is_no_id():
    with pytest.raises(UserError, match=f"--environment is {MINE}, and the run has CartPole-v1"):
        check_same(Request("runs/mine", environment=functools.partial(make_mine)), info())
    older = info()
    del older["environment_factory"]  # nothing is known of what made it
    check_same(Request("runs/mine", environment=make_mine), older)
