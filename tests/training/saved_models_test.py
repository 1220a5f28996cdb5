"""Where a run's policy is, and what is said where there is none."""

import pytest

from gail_tf.errors import UserError
from gail_tf.training.saved_models import policy_of


@pytest.mark.parametrize("which", ["best", "last"])
def test_of_an_unfinished_run_it_is_said_that_only_a_finished_one_has_more_policies(tmp_path, which):
    """It was "there is no such path; give a run directory"."""
    (tmp_path / "run.json").write_text("{}")
    said = (
        f"holds no {which}_policy/; only a finished run has last_policy/ and best_policy/: .* --{which} out"
    )
    with pytest.raises(UserError, match=said):
        policy_of(tmp_path, **{which: True})
    with pytest.raises(UserError, match="there is no such path"):
        policy_of(tmp_path / "none", **{which: True})
    folder = tmp_path / f"{which}_policy"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    assert policy_of(tmp_path, **{which: True}) == folder
