"""Packaging of gail_tf: `pip install .`, or `make` for a checkout with its own environment."""

import os
import re
import sys

if not (3, 10) <= sys.version_info[:2] <= (3, 11):
    # python_requires alone would say which Pythons are wanted, and not what to do about it.
    sys.exit(
        f"gail_tf runs on Python 3.10 and 3.11, this is {sys.version_info[0]}.{sys.version_info[1]}: make an "
        "environment with one of them ('python3.11 -m venv .venv' or 'uv venv --python 3.11') and install "
        "there."
    )

from setuptools import find_packages, setup  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def read(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read()


def version():
    """Reads the version without importing the package, which is not installed yet."""
    return re.search(r'^__version__ = "([^"]+)"', read("gail_tf", "version.py"), re.MULTILINE).group(1)


# Configs and experts live beside the package in a checkout and travel inside it in a wheel;
# gail_tf/resources.py finds them in both. A folder that is not there yet is left out.
DATA_FOLDERS = {
    f"gail_tf.{folder}": folder
    for folder in ("configs", "experts")
    if os.path.isdir(os.path.join(HERE, folder))
}

BINARIES = ("train", "train_expert", "make_demonstrations", "evaluate", "export_policy", "report", "study")

setup(
    name="gail_tf",
    version=version(),
    description="Adversarial imitation learning on TensorFlow and TF-Agents",
    python_requires=">=3.10,<3.12",
    packages=find_packages(include=["gail_tf", "gail_tf.*"]) + list(DATA_FOLDERS),
    package_dir=DATA_FOLDERS,
    package_data={package: ["**/*"] for package in DATA_FOLDERS},
    install_requires=[
        # TF-Agents needs Keras 2, so tf-keras follows TensorFlow; TensorFlow itself lists no TensorBoard.
        "tensorflow>=2.21,<2.22",
        "tf-keras>=2.21,<2.22",
        "tensorboard>=2.20,<2.22",
        # Its own pins bring tensorflow-probability 0.23, gym 0.23, pygame 2.1.3 and typing-extensions 4.5.0.
        "tf-agents==0.19.0",
        "tensorflow-probability>=0.23,<0.24",
        # The last that live with that typing-extensions (and gymnasium's, below): pip, left to search for
        # them, takes long, and an older one never gets there.
        "grpcio<1.75",
        "optree<0.16",
        # The extra classic-control would bring pygame-ce, which overwrites the pygame that TF-Agents pins.
        "gymnasium[mujoco]>=1.1,<1.4",
        "mujoco>=3.2,<5",
        "etils<1.14; python_version < '3.11'",  # of mujoco; 1.14 needs 3.11, which trips an older pip
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
            "exceptiongroup<1.3; python_version < '3.11'",  # of pytest; for typing-extensions, as above
            # Elsewhere PyBullet is compiled, for minutes, and its configs' tests are left out.
            "pybullet_envs_gymnasium; platform_system == 'Linux' and platform_machine == 'x86_64'",
        ],
        "pybullet": ["pybullet_envs_gymnasium>=0.5"],
        "minari": ["minari>=0.5"],
        "video": ["imageio>=2.34", "imageio-ffmpeg>=0.5"],
    },
    entry_points={
        "console_scripts": [f"gail-{name.replace('_', '-')} = gail_tf.bin.{name}:run" for name in BINARIES]
    },
)
