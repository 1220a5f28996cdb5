"""A file that begins nearly like a zip."""

import numpy as np
import pytest

from gail_tf import demonstrations
from gail_tf.types import UserError


def test_a_flipped_bit_in_the_first_bytes_is_one_line(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, observations=np.zeros((3, 2)), actions=np.zeros(3, int), terminals=np.zeros(3, bool))
    content = bytearray(path.read_bytes())
    for at in range(4):
        spoilt = content.copy()
        spoilt[at] ^= 4
        path.write_bytes(spoilt)
        with pytest.raises(UserError, match="a.npz: the file is not an .npz archive"):
            demonstrations.load(path)
