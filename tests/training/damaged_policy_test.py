"""A policy whose files are damaged is refused in one line, and not copied."""

import shutil

import pytest

from gail_tf.errors import UserError
from gail_tf.training import export, model_card, portable, rollouts


def _cut_out_of_the_index(folder):
    index = folder / "variables" / "variables.index"
    content = index.read_bytes()
    index.write_bytes(content[: len(content) // 2] + content[len(content) // 2 + 64 :])


def _data_as_index(folder):
    variables = folder / "variables"
    shutil.copy(variables / "variables.data-00000-of-00001", variables / "variables.index")


def _no_graph(folder):
    (folder / "saved_model.pb").write_bytes(b"")


DAMAGES = (_cut_out_of_the_index, _data_as_index, _no_graph)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_policy_is_one_line_and_is_not_copied(reference, tmp_path, damage):
    run_dir = tmp_path / "run"
    shutil.copytree(reference("BC CartPole")[0], run_dir)
    damage(run_dir / "policy")
    with pytest.raises(UserError, match="export it again") as error:
        export.load_policy(run_dir)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="export it again"):
        export.copy_policy(run_dir, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_policy_is_not_copied_into_itself(reference):
    run_dir = reference("BC CartPole")[0]
    policy = run_dir / "policy"
    before = sorted(policy.rglob("*"))
    for write in (
        lambda out: export.copy_policy(policy, out),
        lambda out: portable.export_tflite(policy, out),
        lambda out: model_card.write(str(run_dir), policy, str(out)),
    ):
        with pytest.raises(UserError, match="is a folder of the policy that is copied"):
            write(policy / "copy")
    assert sorted(policy.rglob("*")) == before


def test_a_policy_below_a_pattern_is_not_called_damaged(reference, tmp_path):
    moved = shutil.copytree(reference("BC CartPole")[0], tmp_path / "a[1]")
    with pytest.raises(UserError, match=r"policy: has \[ in its path, below which .* nothing: rename it"):
        export.load_policy(moved)
    with pytest.raises(UserError, match=r"b\[2\] has \[ in its path, .*: choose another"):
        export.copy_policy(reference("BC CartPole")[0], tmp_path / "b[2]")


_UNKNOWN = '{"environment": "CartPole-v1", "environment_kwargs": {"max_steps": 3}}'
_METADATA = {
    '["CartPole-v1"]': "no JSON object",
    '{"environment": 7}': "environment = 7",
    '{"environment_kwargs": "k"}': 'environment_kwargs = "k"',
    '{"num_actions": "2"}': 'num_actions = "2"',
    _UNKNOWN: "environment_kwargs has max_steps",
}


@pytest.mark.parametrize("content", _METADATA)
def test_a_damaged_description_is_one_line(reference, tmp_path, content):
    policy = shutil.copytree(reference("BC CartPole")[0] / "policy", tmp_path / "policy")
    (policy / "policy.json").write_text(content)
    with pytest.raises(UserError, match=_METADATA[content]) as error:
        rollouts.evaluate_policy(str(policy), None, 1, 0, False)
    assert "export the policy again" in str(error.value) and "\n" not in str(error.value)
