"""Packaging of gail_tf: `pip install .`, or `make` for a checkout with its own environment."""

import json
import os
import re
import subprocess
import sys

if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    # python_requires alone would say which Pythons are wanted, and not what to do about it.
    sys.exit(
        f"gail_tf runs on Python 3.10 to 3.13, this is {sys.version_info[0]}.{sys.version_info[1]}: make an "
        "environment with one of them ('python3.13 -m venv .venv' or 'uv venv --python 3.13') and install "
        "there."
    )

from setuptools import find_packages, setup  # noqa: E402
from setuptools.command.build_py import build_py  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def read(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read()


def version():
    """Reads the version without importing the package, which is not installed yet."""
    return re.search(r'^__version__ = "([^"]+)"', read("gail_tf", "version.py"), re.MULTILINE).group(1)


class BuildWithCommit(build_py):
    """Notes the commit that a package is built of, so that runs of the installed one can say it."""

    def run(self):
        super().run()
        if self.editable_mode or not os.path.exists(os.path.join(HERE, ".git")):
            return
        try:
            commit, changed = (
                subprocess.run(["git", "-C", HERE, *words], capture_output=True, text=True, check=True).stdout
                for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
            )
        except (OSError, subprocess.CalledProcessError):  # no git, or not the owner's folder
            return
        with open(os.path.join(self.build_lib, "gail_tf", "commit.json"), "w", encoding="utf-8") as file:
            json.dump({"commit": commit.strip(), "dirty": bool(changed.strip())}, file)


# Configs and experts live beside the package in a checkout and travel inside it in a wheel;
# gail_tf/resources.py finds them in both. A folder that is not there yet is left out.
DATA_FOLDERS = {
    f"gail_tf.{folder}": folder
    for folder in ("configs", "experts")
    if os.path.isdir(os.path.join(HERE, folder))
}

BINARIES = (
    "train",
    "train_expert",
    "make_demonstrations",
    "evaluate",
    "export_policy",
    "report",
    "study",
    "tune",
    "doctor",
)

setup(
    name="gail_tf",
    version=version(),
    cmdclass={"build_py": BuildWithCommit},
    description="Adversarial imitation learning on TensorFlow and TF-Agents",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["gail_tf", "gail_tf.*"]) + list(DATA_FOLDERS),
    package_dir=DATA_FOLDERS,
    package_data={package: ["**/*"] for package in DATA_FOLDERS}
    | {"gail_tf": ["py.typed"], "gail_tf.reporting": ["assets/*"]},
    install_requires=[
        # TF-Agents needs Keras 2, so tf-keras follows TensorFlow; TensorFlow itself lists no TensorBoard.
        "tensorflow>=2.21,<2.22",
        "tf-keras>=2.21,<2.22",
        "tensorboard>=2.20,<2.22",
        # TF-Agents itself is not here. Its 0.19.0 runs on every Python up to 3.13, but it pins pygame 2.1.3
        # and typing-extensions 4.5.0, which do not, and which little else can live with. What it needs is
        # listed here instead, and it comes without its pins: pip install --no-deps tf-agents==0.19.0
        # (`make` does that; gail_tf.start_up says it where it is missing).
        "tensorflow-probability>=0.25,<0.26",
        "gym==0.23.0",
        "cloudpickle>=1.3",
        "pillow",
        "six>=1.10",
        "protobuf>=3.11",
        "wrapt>=1.11",
        "typing-extensions>=4.5",
        "setuptools",  # TF-Agents imports distutils, which left Python with 3.12
        "gymnasium[mujoco,classic-control]>=1.1,<1.5",
        # mujoco.batch came with 3.17. 4.0.0 factors sparse constraint matrices wrongly.
        "mujoco>=3.17,<5,!=4.0.0",
        # MuJoCo's; 1.14 needs Python 3.11, and pip as Python 3.10 brings it never finds the one before.
        "etils<1.14; python_version < '3.11'",
        "ale-py>=0.10",
        "absl-py>=2.1",
        "gin-config>=0.5",
        "numpy>=2.0",
        "tqdm>=4.66",
        "matplotlib>=3.8",
        "rliable>=1.2,<2",
        "tabulate>=0.9",
        "pandas>=2.0,<3",  # rliable 1.2 breaks with pandas 3
    ],
    extras_require={
        "dev": [
            "pytest>=8",
            "pytest-xdist>=3.5",
            "ruff>=0.17,<0.18",
            "opencv-python-headless>=4.8",  # without it the tests of Atari's screens are left out
            # Without these the tests of other formats, of ONNX and of gail-tune are left out.
            "minari[hdf5,hf]>=0.5",
            "pyarrow>=15",
            "tf2onnx>=1.17",
            "onnx>=1.18",
            "onnxruntime>=1.22",
            "optuna>=5,<6",
            "submitit>=1.5",  # without it the tests of Slurm's engine are left out
            "imageio>=2.34",  # without these the tests of films are left out
            "imageio-ffmpeg>=0.5",
            "gymnasium[box2d]",  # without it LunarLander's expert is not rolled out
            # The report's page in a browser: `playwright install chromium`, or GAIL_TF_BROWSER=PATH of one.
            "playwright>=1.50",
            # Elsewhere PyBullet is compiled, for minutes, and its configs' tests are left out.
            "pybullet_envs_gymnasium; platform_system == 'Linux' and platform_machine == 'x86_64' "
            "and python_version < '3.12'",
        ],
        "box2d": ["gymnasium[box2d]"],
        "pybullet": ["pybullet_envs_gymnasium>=0.5"],
        # Gymnasium's preprocessing of Atari's screens resizes with it.
        "atari": ["opencv-python-headless>=4.8"],
        # 1.17 is the first that takes TensorFlow 2.21 with NumPy 2 and protobuf 7.
        "onnx": ["tf2onnx>=1.17", "onnx>=1.18", "onnxruntime>=1.22"],
        "hub": ["huggingface_hub>=0.30"],
        "ray": ["ray>=2.52"],
        "slurm": ["submitit>=1.5"],
        "tune": ["optuna>=5,<6"],
        "minari": ["minari[hdf5,hf]>=0.5"],
        "arrow": ["pyarrow>=15"],  # Parquet, LeRobot, and what imitation saves
        "sb3": ["stable-baselines3>=2.3"],
        "wandb": ["wandb>=0.19"],
        # The client: with `mlflow` itself installed the tracker uses that.
        "mlflow": ["mlflow-skinny>=2.14"],
        "video": ["imageio>=2.34", "imageio-ffmpeg>=0.5"],
    },
    entry_points={
        "console_scripts": [f"gail-{name.replace('_', '-')} = gail_tf.bin.{name}:run" for name in BINARIES]
    },
)
