"""What the signals do that stop a training."""

import signal

import pytest

from gail_tf.training import session


@pytest.mark.parametrize("ending", session._ENDING)
def test_an_end_that_is_told_twice_within_a_second_saves(ending):
    """As by a cluster that signals all processes of a job, whose first one hands the signal on."""
    with session._stop_signal(None) as stop:
        signal.raise_signal(ending)
        signal.raise_signal(ending)
        assert stop.is_set() and not stop.at_once
        stop.since -= session._ONE_END_SECONDS
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(ending)
        assert stop.at_once


def test_a_second_ctrl_c_ends_it_at_once_however_soon_it_comes():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
    try:
        with session._stop_signal(None) as stop:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            assert stop.at_once
    finally:
        signal.signal(signal.SIGINT, before)
