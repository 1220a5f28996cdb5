"""Puts a trained expert into this folder: its demonstrations, its policy, and how both were made.

    python experts/pack.py RUN_DIR --num_episodes=25

RUN_DIR is a run of gail-train-expert, or of gail-train. Of one that was ended before its budget the last
exported policy is taken, and env_steps in the manifest says when that was. Writes
<environment>/demonstrations.npz (the deterministic policy, episode i from reset(seed=i)),
<environment>/policy/ (a SavedModel), and the entry in manifest.json.
"""

import argparse
import hashlib
import json
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import numpy as np

from gail_tf.start_up import import_tensorflow

import_tensorflow()

from gail_tf import demonstrations  # noqa: E402 - TensorFlow is imported quietly first
from gail_tf.training import recording  # noqa: E402

HERE = Path(__file__).resolve().parent


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def squeeze(path):
    """The same arrays in less room: LZMA finds more than an npz's deflate, and more in columns than in rows.

    NumPy reads it as any other. Humanoid-v5: 23 MB in place of 27.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: np.asarray(file[name], order="F") for name in file.files}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def pack(run_dir, num_episodes):
    """Records, copies and describes one expert; returns its manifest entry.

    The command made the expert at the entry's commit; later commits may draw other random numbers.
    """
    run = json.loads((run_dir / "run.json").read_text())
    if (run["git"] or {}).get("dirty", True):
        raise SystemExit(f"{run_dir}: trained from uncommitted code; train it again from a clean checkout")
    folder = HERE / run["environment"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copytree(run_dir / "policy", folder / "policy")
    file = folder / "demonstrations.npz"
    recording.make_demonstrations(
        str(folder / "policy"), str(file), None, num_episodes, seed=0, stochastic=False
    )
    recorded = demonstrations.load(str(file))
    demonstrations.save(str(file), recorded, compact=True)
    squeeze(file)
    card = folder / "policy" / "policy.json"  # so that gail-evaluate can normalise its returns
    about = json.loads(card.read_text()) | {"expert_return": float(recorded.returns.mean())}
    card.write_text(json.dumps(about, indent=2) + "\n")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    binary, *flags = run["command"]
    flags = [flag for flag in flags if not flag.startswith(("--run_dir", "--overwrite"))]
    flags = [re.sub("^(--demonstrations=).*/", r"\1DIR/", flag) for flag in flags]  # not this machine's
    return {
        "environment": run["environment"],
        "algorithm": run["algorithm"],
        "command": shlex.join([Path(binary).name, *flags, "--run_dir=RUN_DIR"]),
        "seed": run["seed"],
        "env_steps": about["env_steps"],
        "git_commit": (run["git"] or {}).get("commit"),
        "versions": run["versions"],
        "num_episodes": recorded.num_episodes,
        "num_transitions": recorded.num_transitions,
        "return_mean": float(recorded.returns.mean()),
        "return_std": float(recorded.returns.std()),
        "random_return": run["random_return"],
        "first_reset_seed": 0,
        "sha256": {str(p.relative_to(HERE)): sha256(p) for p in files},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--num_episodes", type=int, default=25)
    options = parser.parse_args()
    entry = pack(options.run_dir, options.num_episodes)
    path = HERE / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {}
    manifest[entry["environment"]] = entry
    path.write_text(json.dumps(dict(sorted(manifest.items())), indent=2) + "\n")
    print(f"{entry['environment']}: return {entry['return_mean']:.1f} over {entry['num_episodes']} episodes")


if __name__ == "__main__":
    main()
