"""Steps that are taken in a thread: nothing of them outlives their generator."""

import threading

import numpy as np

from gail_tf.generators.background_collection import BackgroundCollection


def collecting():
    return [thread for thread in threading.enumerate() if thread.name.startswith("collecting")]


def test_the_thread_ends_when_what_is_under_way_has_been_waited_for():
    ahead, may_go, steps = BackgroundCollection(), threading.Event(), []
    ahead.begin(lambda: steps.append(may_go.wait(10)) or (np.zeros(1), []))
    assert len(collecting()) == 1
    may_go.set()
    ahead.close()
    assert steps == [True] and not collecting() and ahead.take() is None
