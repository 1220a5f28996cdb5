"""The shipped folders are found from a checkout and from an installed package."""

import pytest

from gail_tf import resources


@pytest.mark.parametrize(
    ("find", "name"), [(resources.configs_dir, "configs"), (resources.experts_dir, "experts")]
)
class TestFolders:
    def test_beside_the_package_in_a_checkout(self, tmp_path, monkeypatch, find, name):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "gail_tf")
        assert find() == tmp_path / name

    def test_inside_the_package_when_installed(self, tmp_path, monkeypatch, find, name):
        (tmp_path / name).mkdir()  # an unrelated folder of that name in site-packages
        (tmp_path / "gail_tf" / name).mkdir(parents=True)
        monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "gail_tf")
        assert find() == tmp_path / "gail_tf" / name

    def test_a_missing_folder_says_where_it_was_looked_for(self, tmp_path, monkeypatch, find, name):
        monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "gail_tf")
        with pytest.raises(FileNotFoundError, match=rf"no folder of {name} at .* reinstall"):
            find()


def test_a_recorded_file_of_another_installation_is_this_ones():
    here = str(resources.shipped_file("CartPole-v1"))
    assert resources.recorded_file("/another/venv/gail_tf/experts/CartPole-v1/demonstrations.npz") == here
    for path in (
        here,
        "/mine/experts/Robot-v0/demonstrations.npz",
        "/mine/CartPole-v1/demonstrations.npz",
        "x",
    ):
        assert resources.recorded_file(path) == path
