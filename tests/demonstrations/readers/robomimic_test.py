"""robomimic: keys by name, successors that are copies, and demos in the order of their numbers."""

import h5py
import numpy as np
import pytest

from gail_tf import demonstrations as demos


@pytest.fixture
def write(tmp_path):
    """Demos of so many steps: ``at`` counts on from 10 times the demo's number, ``arm`` is its negative."""

    def write(lengths=(3, 2), change=None):
        path = tmp_path / "low_dim.hdf5"
        with h5py.File(path, "w") as file:
            for i, length in enumerate(lengths):
                demo, steps = file.create_group(f"data/demo_{i}"), 10.0 * i + np.arange(length)
                demo["actions"], demo["rewards"] = np.full((length, 2), 0.5 + i), np.ones(length)
                demo["dones"] = np.arange(length) == length - 1
                for kind, rows in (("obs", steps), ("next_obs", steps + 1)):
                    demo[f"{kind}/at"], demo[f"{kind}/arm"] = rows[:, None], np.stack([-rows, -rows], 1)
                    demo[f"{kind}/camera"] = np.zeros((length, 4, 4, 3), np.uint8)
            if change:
                change(file)
        return path

    return write


def test_a_file_that_robomimic_converted(made, reference, holds):
    """convert_d4rl.py writes the last observation where the last successor should be."""
    d = demos.load(made("robomimic.hdf5"))
    holds(d, reference("Pendulum-v1"), without_last=True)
    assert d.environment == "Pendulum-v1" and d.components == (("flat", 3),)
    assert "next_obs ends with a copy of obs in 3 demos" in " ".join(d.notes)


def test_components_are_sorted_and_images_left_out(write):
    d = demos.load(write())
    assert d.components == (("arm", 2), ("at", 1))
    assert d.observations.tolist()[3:] == [[-10, -10, 10], [-11, -11, 11]]
    assert d.next_observations[:, 2].tolist() == [1, 2, 3, 11, 12]
    assert d.truncated.tolist() == [False, False, True, False, True] and not d.terminated.any()
    assert "Left out what is no vector: camera" in d.notes[0] and d.environment is None


def test_keys_are_chosen_by_name_in_the_order_given(write, refuses):
    path = write()
    chosen = demos.load(path, observation_keys=["at", "arm"])
    assert chosen.components == (("at", 1), ("arm", 2))
    assert chosen.observations[4].tolist() == [11, -11, -11]
    assert demos.load(path, observation_keys=["at"]).next_observations.tolist()[0] == [1]
    refuses(
        path, r"observation_keys are arm, hand; wanted some of arm \(2\)", observation_keys=["arm", "hand"]
    )


def test_there_are_no_keys_to_choose_where_nothing_has_a_name(made, refuses):
    refuses(made("d4rl.hdf5"), "no named components: leave observation_keys out", observation_keys=["a"])


def test_the_tenth_demo_comes_after_the_ninth(write):
    assert demos.load(write([2] * 11)).actions[::2, 0].tolist() == [0.5 + i for i in range(11)]


def test_masks_are_not_heeded_and_a_note_says_so(write):
    """Their names are texts of fixed length, as robomimic's split_train_val.py writes them."""

    def masked(file, **masks):
        for name, demos_of in masks.items():
            file[f"mask/{name}"] = np.array(demos_of, dtype="S")

    d = demos.load(write(change=lambda file: masked(file, train=["demo_0"], valid=["demo_1"])))
    assert d.num_episodes == 2
    assert "All 2 demos were read, and no mask was heeded (train 1, valid 1)" in d.notes[1]
    everything = demos.load(write(change=lambda file: masked(file, all=["demo_0", "demo_1"])))
    assert len(everything.notes) == 1


def one_array(file):
    """As Isaac Lab's recorder writes a group of observations that it has put together."""
    del file["data/demo_0/obs"]
    file["data/demo_0/obs"] = np.zeros((3, 3))


def drop(name):
    return lambda file: file.__delitem__(name)


@pytest.mark.parametrize(
    "change, sentence",
    [
        (drop("data/demo_1/actions"), "data/demo_1 has no actions; wanted it in every demo"),
        (drop("data/demo_0/obs"), "only states of the simulator.*dataset_states_to_obs.py"),
        (lambda f: f.move("data/demo_0/obs/arm", "data/demo_0/obs/left/arm"), "demo_0/obs/left is a group"),
        (one_array, "demo_0/obs is one array; wanted arrays in a group"),
        (drop("data/demo_1/obs/arm"), "data/demo_1 has no obs/arm, which data/demo_0 has"),
        (drop("data/demo_0"), None),
        (lambda f: [f.__delitem__(f"data/demo_{i}") for i in (0, 1)], "data holds no demo_0"),
        (lambda f: f.move("data/demo_0/actions", "data/demo_1/more"), "data/demo_0 has no actions"),
    ],
)
def test_malformed_files(write, refuses, change, sentence):
    if sentence is None:
        assert demos.load(write(change=change)).num_episodes == 1
    else:
        refuses(write(change=change), sentence)


def test_demos_of_other_lengths_or_widths(write, refuses):
    def shorter(file):
        del file["data/demo_1/actions"]
        file["data/demo_1/actions"] = np.zeros((1, 2))

    def wider(file):
        del file["data/demo_1/obs/at"]
        file["data/demo_1/obs/at"] = np.zeros((2, 5))

    def with_rows(key, rows):
        def change(file):
            del file[f"data/demo_1/{key}"]
            file[f"data/demo_1/{key}"] = rows

        return write(change=change)

    other = r"data/demo_1/actions has shape \[2, 1\], data/demo_0/actions \[3, 2\]; wanted one row a step"
    refuses(with_rows("actions", np.zeros((2, 1))), other)
    refuses(with_rows("rewards", np.zeros((2, 1))), r"rewards has shape \[2, 1\], data/demo_0/rewards \[3\]")
    refuses(with_rows("rewards", 1.0), r"rewards has shape \[\], data/demo_0/rewards \[3\]")
    refuses(write(change=shorter), "data/demo_1 has 2 obs and 1 actions; wanted as many")
    refuses(write(change=wider), "data/demo_1/obs has other widths than data/demo_0/obs")
