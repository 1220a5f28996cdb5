"""Archives with something odd in their first bytes or their names."""

import numpy as np
import pytest

from gail_tf import demonstrations
from gail_tf.errors import UserError


def test_a_flipped_bit_in_the_first_bytes_is_one_line(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, observations=np.zeros((3, 2)), actions=np.zeros(3, int), terminals=np.zeros(3, bool))
    content = bytearray(path.read_bytes())
    for at in range(4):
        spoilt = content.copy()
        spoilt[at] ^= 4
        path.write_bytes(spoilt)
        with pytest.raises(UserError, match="a.npz: the file is of no format that is known"):
            demonstrations.load(path)


@pytest.mark.parametrize("own", [False, True])
def test_an_array_without_a_name_is_one_line(tmp_path, own):
    path = tmp_path / "a.npz"
    rows = {
        "observations": np.zeros((3, 2)),
        "actions": np.zeros(3, int),
        "terminals": np.array([0, 0, 1], bool),
    }
    if own:
        demonstrations.save(path, demonstrations.from_arrays(rows | {"next_observations": np.zeros((3, 2))}))
        rows = dict(np.load(path))
    np.savez(path, **rows, **{"": np.zeros(3)})
    with pytest.raises(UserError, match="unknown keys ''; accepted are"):
        demonstrations.load(path)


def test_a_model_of_stable_baselines3_is_told_how_to_be_recorded(made, refuses):
    refuses(made("stable_baselines3_ppo.zip"), "is a model of stable-baselines3; .* --policy=FILE.zip")
