"""Functions hold the gin parameters that they had when they were frozen."""

import functools
import threading

import gin
import pytest

from gail_tf.errors import UserError
from gail_tf.functions import call_user_factory, call_user_function, frozen, name_of


@gin.configurable(module="functions_test")
def scaled(value, factor=2.0, shift=0.0):
    return factor * value + shift


scaled.needs_segments = True


@gin.configurable(module="functions_test")
def demanding(value, factor=gin.REQUIRED):
    return factor * value


def test_a_bound_value_holds_when_gin_forgets_it_or_binds_another():
    gin.parse_config("scaled.factor = 3.0")
    held = frozen(scaled)
    gin.clear_config()
    assert held(1.0) == 3.0 and scaled(1.0) == 2.0
    gin.parse_config("scaled.factor = 5.0\nscaled.shift = 1.0")
    assert held(1.0) == 3.0 and frozen(held)(1.0) == 3.0
    assert frozen(scaled)(1.0) == 6.0


def test_name_and_attributes_stay():
    for held in (frozen(scaled), frozen(frozen(scaled)), frozen(functools.partial(scaled, shift=1.0))):
        assert held.__name__ == name_of(held) == "scaled" and held.needs_segments


def test_a_partial_keeps_its_own_arguments():
    gin.parse_config("scaled.factor = 3.0\nscaled.shift = 7.0")
    held = frozen(functools.partial(scaled, shift=1.0))
    gin.clear_config()
    assert held(1.0) == 4.0


def test_what_every_call_brings_itself_is_not_bound_besides():
    """A task's recipe binds make_environment.environment, and a program gives a function in its place."""
    gin.parse_config("scaled.value = 9.0\nscaled.factor = 3.0")
    assert frozen(functools.partial(scaled, 1.0))() == 3.0
    assert frozen(scaled, ["value"])(1.0) == 3.0


def test_each_scope_has_parameters_of_its_own():
    @gin.configurable(module="functions_test")
    def holder(functions):
        return functions

    gin.parse_config("""
    scaled.shift = 0.5
    weak/scaled.factor = 1.0
    strong/scaled.factor = 10.0
    holder.functions = [@weak/scaled, @strong/scaled, @scaled]
    """)
    held = [frozen(fn) for fn in holder()]
    gin.clear_config()
    assert [fn(1.0) for fn in held] == [1.5, 10.5, 2.5]


def test_two_threads_hold_what_each_had():
    """One thread binds and calls while another holds its own."""
    gin.parse_config("scaled.factor = 3.0")
    held, seen = frozen(scaled), []

    def other():
        with gin.unlock_config():
            gin.bind_parameter("scaled.factor", 4.0)
        seen.append((held(1.0), frozen(scaled)(1.0)))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [(3.0, 4.0)] and held(1.0) == 3.0


def test_what_is_not_gins_comes_back_as_it_is():
    class Instance:
        def __call__(self, value):
            return value

    @functools.wraps(scaled)
    def decorated(value):
        return -scaled(value)

    instance = Instance()
    for fn in (len, None, instance, decorated, lambda x: x):
        assert frozen(fn) is fn
    assert name_of(instance) == name_of(frozen(functools.partial(instance))) == "Instance"


def test_frozen_parameters_are_in_the_operative_config():
    gin.parse_config("scaled.factor = 3.0")
    frozen(scaled)
    assert "scaled.factor = 3.0" in gin.operative_config_str()
    assert "scaled.shift = 0.0" in gin.operative_config_str()  # a default is in effect too


def test_a_required_parameter_is_asked_for_at_once():
    with pytest.raises(ValueError, match="demanding.factor has no value: bind it"):
        frozen(demanding)
    gin.parse_config("demanding.factor = 2.0")
    assert frozen(demanding)(3.0) == 6.0


@pytest.mark.parametrize("call", [call_user_function, call_user_factory])
def test_what_a_function_of_ones_own_raises_is_a_line_but_for_a_machine_that_is_too_small(call):
    def raises(error):
        raise error

    class ResourceExhaustedError(Exception):
        """As TensorFlow's."""

    with pytest.raises(
        UserError, match=r"^G.part: raises fails \(KeyError: 'x'\) in functions_test.py, line"
    ):
        call("G.part", raises, KeyError("x"))
    for error in (MemoryError(), ResourceExhaustedError(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            call("G.part", raises, error)


def test_a_class_of_a_notebook_has_no_file_to_name():
    class Cell:
        def __init__(self):
            raise KeyError("x")

    Cell.__module__ = "__main__of_a_notebook"
    with pytest.raises(UserError, match=r"^G.part: Cell fails \(KeyError: 'x'\); mend it"):
        call_user_factory("G.part", Cell)
