"""D4RL's HDF5, and HDF5 that nobody knows."""

import h5py
import numpy as np
import pytest

from gail_tf import demonstrations as demos


@pytest.fixture
def write(tmp_path, d4rl):
    def write(**changes):
        with h5py.File(tmp_path / "a.hdf5", "w") as file:
            for name, value in d4rl(**changes).items():
                file[name] = value
        return tmp_path / "a.hdf5"

    return write


def test_a_file_as_d4rl_writes_it(made, reference, holds):
    d = demos.load(made("d4rl.hdf5"))
    holds(d, reference("Pendulum-v1"))
    assert d.truncated[[19, 39, 59]].all() and not d.terminated.any()
    assert d.provenance["format"] == "D4RL HDF5" and len(d.provenance["sha256"]) == 64
    assert d.notes == ("Ignored the keys infos/action_log_probs, metadata/algorithm.",)


def test_what_is_missing_is_inferred_as_of_an_npz(write, d4rl, are_equal):
    path = write(timeouts=None)
    wanted = demos.from_arrays(d4rl(timeouts=None))
    d = demos.load(path)
    assert d.episode_ends.tolist() == wanted.episode_ends.tolist() and d.notes == wanted.notes


def test_observations_by_component(write):
    parts = {"observations/b": np.arange(5.0), "observations/a": np.zeros((5, 2)), "observations": None}
    d = demos.load(write(next_observations=None, **parts))
    assert d.components == (("a", 2), ("b", 1))


def test_components_within_components_and_the_environment(write):
    parts = {"observations/arm/angle": np.arange(5.0), "observations/goal": np.zeros((5, 2))}
    d = demos.load(write(next_observations=None, observations=None, environment="Arm-v0", **parts))
    assert d.components == (("arm/angle", 1), ("goal", 2)) and d.environment == "Arm-v0"


def test_metadata_may_be_anything(write):
    d = demos.load(write(metadata="{}", infos=np.zeros(3)))
    assert d.notes[0] == "Ignored the keys infos/, metadata/."


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"environment": np.zeros(5)}, "environment"),
        ({"environment": np.array([b"Arm-v0"])}, r"environment has shape \[1\] .*; wanted one string"),
        ({"driver": "Ann"}, "unknown keys driver"),
        ({"terminals": None}, "missing keys terminals"),
        ({"actoins": np.zeros(5)}, "unknown keys actoins"),
        ({"actions": np.zeros((4, 1))}, "actions has 4 rows and observations has 5"),
        ({"actions": np.array([b"left"] * 5)}, "actions has dtype .*; wanted real numbers"),
        ({"rewards": np.array([0, 1, np.nan, 0, 0])}, "rewards row 2 is nan"),
        ({"dones": np.zeros(5)}, "dones merges two"),
    ],
)
def test_malformed_files(write, refuses, changes, sentence):
    refuses(write(**changes), sentence)


def test_damaged_files(write, refuses):
    path = write()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refuses(path, "cannot be read as HDF5 .*truncated")
    path.write_bytes(content[:100])
    refuses(path, "cannot be read as HDF5")


def test_hdf5_of_nobody_is_named_and_the_inside_of_minari_too(tmp_path, made, refuses):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_group("weights")
    refuses(tmp_path / "a.hdf5", r"HDF5 that is not D4RL's or robomimic's \(weights\)")
    refuses(made("minari/reach-v0/data/main_data.hdf5"), "inside of a Minari data set .*metadata.json save")
