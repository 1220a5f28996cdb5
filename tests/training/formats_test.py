"""Every format that docs/demonstrations.md lists is trained on as it is, by gail-train."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.training.conftest import TINY

FILES = Path(__file__).parents[1] / "demonstrations" / "files"
_ONE_ITERATION = (
    *TINY,
    "--gin=Trainer.total_env_steps = 128",
    "--gin=Trainer.num_evaluations = 1",
    "--gin=Trainer.final_episodes = 1",
    "--gin=make_environment.max_episode_steps = 40",
)
CARTPOLE, PENDULUM = "--environment=CartPole-v1", "--environment=Pendulum-v1"
# Format -> file, the flags beside it, a package that it needs.
FORMATS = {
    "npz": ("reference_CartPole-v1.npz", (CARTPOLE,), None),
    "D4RL": ("d4rl.hdf5", (PENDULUM,), "h5py"),
    "robomimic": ("robomimic.hdf5", (PENDULUM,), "h5py"),
    "imitation": ("imitation", (CARTPOLE,), "pyarrow"),
    "imitation 0.3": ("imitation_0_3.npz", (CARTPOLE,), None),
    "stable-baselines2": ("stable_baselines2.npz", (CARTPOLE,), None),
    "CSV": ("table.csv", (CARTPOLE,), None),
    "Parquet": ("table.parquet", (CARTPOLE,), "pyarrow"),
    "LeRobot v2.1": ("lerobot_v2_1", (PENDULUM,), "pyarrow"),
    "LeRobot v3.0": ("lerobot_v3_0", (PENDULUM,), "pyarrow"),
    "Minari HDF5": ("minari/classic/cartpole/hdf5-v0", (), "minari"),
    "Minari Arrow": ("minari/classic/cartpole/arrow-v0", (), "minari"),
    "Minari Dict": ("minari/reach-v0", ("--environment=reach:Reach-v0",), "minari"),
}


@pytest.fixture
def folder(tmp_path):
    """A working folder with the environment of the Dict of observations."""
    shutil.copy(FILES / "make.py", tmp_path / "made.py")
    (tmp_path / "reach.py").write_text(
        "import gymnasium\nfrom made import Reach\ngymnasium.register('Reach-v0', Reach)\n"
    )
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_another_project_is_trained_on_as_it_is(processes, folder, name):
    file, flags, package = FORMATS[name]
    if package is not None:
        pytest.importorskip(package)
    path = os.path.relpath(FILES / file, folder)
    flags = ("--config=gail_ppo/any", f"--demonstrations={path}", *flags, *_ONE_ITERATION, "--run_dir=run")
    result = processes("train", *flags, cwd=folder)
    assert result.code == 0, result.err
    info = json.loads((folder / "run" / "run.json").read_text())
    assert info["status"] == "finished" and info["num_demonstrations"] == 3
