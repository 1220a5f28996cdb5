"""A folder that the Hugging Face Hub shows: a run's policy with its page, figures, settings and results."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gail_tf.environments.third_party import any_error_as_user_error
from gail_tf.environments.wrappers import as_bindings
from gail_tf.errors import UserError
from gail_tf.files import new_folder, write_atomically
from gail_tf.machine import pip_install
from gail_tf.reporting.commands import without_folders
from gail_tf.reporting.groups import demonstrations_text
from gail_tf.reporting.text import episodes
from gail_tf.training.export import check_outside, load_policy
from gail_tf.training.run_directory import RunDirectory, read_json, write_errors_as_user_errors, write_json


def write(
    run_dir: str, policy: Path, out: str, license_name: str | None = None, film: str | None = None
) -> str:
    """Writes the folder ``out``; returns what to print.

    It holds ``README.md`` (with the Hub's YAML on top), ``policy/``, ``curve.png``, ``config.gin`` without
    the folders of this machine, ``results.json``, and the film where one is given.

    Args:
      run_dir: a finished run. policy: its exported policy, the one that ``summary.json`` is about.
      license_name: as the Hub names it; None: "unknown".

    Raises:
      UserError: the run is not finished, the film is none, or the folder lies in the policy or cannot be
        written.
    """
    run = RunDirectory(run_dir)
    check_outside(policy, Path(out))
    if not run.summary.is_file():
        raise UserError(f"{run_dir}: a model card is of a finished run (summary.json): give its directory.")
    summary, info = read_json(run.summary), read_json(run.run_json)
    if film is not None and (Path(film).suffix not in (".mp4", ".gif") or not Path(film).is_file()):
        raise UserError(
            f"--film={film}: want an .mp4 or .gif that is there: gail-evaluate --video=FILE.mp4 makes one."
        )
    metadata = load_policy(policy)[1]
    folder = Path(out)
    with write_errors_as_user_errors(f"{out}:", "choose another folder"), new_folder(folder) as temporary:
        shutil.copytree(policy, temporary / "policy")
        write_json(temporary / "results.json", _results(summary, info, metadata))
        write_atomically(temporary / "config.gin", without_folders(run.config.read_text()))
        if run.curve.is_file():
            shutil.copy(run.curve, temporary)
        film_name = f"replay{Path(film).suffix}" if film else None
        if film:
            shutil.copy(film, temporary / film_name)
        card = _card(summary, info, metadata, license_name or "unknown", film_name)
        write_atomically(temporary / "README.md", card)
    license_note = "" if license_name else " Its licence reads 'unknown': name one with --license."
    return f"Wrote the model card {folder}/README.md and what it shows.{license_note}"


def uploader(name: str) -> Callable[[str], str]:
    """A function that uploads a folder to USER/NAME on the Hub and returns what to print.

    Raises:
      UserError: the name is none, or huggingface_hub is not installed; now, and not when all is written.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise UserError(f"--push={name}: want USER/NAME, as huggingface.co shows it.")
    try:
        from huggingface_hub import HfApi
    except ImportError as e:
        raise UserError(f"--push needs huggingface_hub: {pip_install('gail_tf[hub]')}") from e

    def upload(folder: str) -> str:
        with any_error_as_user_error(
            f"--push={name}: cannot be uploaded", f"log in with 'hf auth login'; {folder} stays"
        ):
            api = HfApi()
            api.create_repo(name, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=folder, commit_message="Policy of gail_tf")
        return f"Uploaded {folder} to https://huggingface.co/{name}"

    return upload


def _results(
    summary: Mapping[str, Any], info: Mapping[str, Any], metadata: Mapping[str, Any]
) -> dict[str, Any]:
    """``results.json``, by the names that stable-baselines3's models on the Hub have, and ours."""
    ours = ("environment", "algorithm", "seed", "normalized_return", "expert_return", "random_return")
    return {
        "mean_reward": summary["return_mean"],
        "std_reward": summary["return_std"],
        "is_deterministic": not summary.get("stochastic"),
        "n_eval_episodes": summary["num_episodes"],
        "eval_datetime": info.get("ended"),
        "environment_factory": info.get("environment_factory"),
        "environment_kwargs": metadata.get("environment_kwargs"),
        **{name: summary.get(name) for name in (*ours, "env_steps", "num_demonstrations", "subsample")},
    }


def _environment(summary, info, metadata) -> str:
    """The environment's id, and what it is made with: the numbers are not the bare id's."""
    factory, made = info.get("environment_factory"), as_bindings(metadata.get("environment_kwargs") or {})
    bindings = "; ".join(line for line in made if not line.startswith("import "))
    name = summary["environment"] + (f" of {factory}" if factory else "")
    return name + (f" with {bindings}" if bindings else "")


def _card(summary, info, metadata, license_name: str, film: str | None) -> str:
    environment, algorithm = _environment(summary, info, metadata), summary["algorithm"]
    version, show = info["versions"]["gail_tf"], "!" if film and film.endswith(".gif") else ""
    result = f"{summary['return_mean']:.2f} +/- {summary['return_std']:.2f}"
    parts = [
        _front_matter(environment, algorithm, result, license_name),
        f"# {algorithm} on {environment}",
        f"A policy for {environment}, trained by {algorithm} with gail_tf {version}.",
        _table(summary, environment, result),
        f"{show}[Film of one episode]({film})" if film else "",
        "![Learning curve](curve.png)",
        _use(metadata, bool(summary.get("stochastic"))),
        "## Settings\n\n`config.gin` holds every value in effect, `policy/policy.json` versions and spaces.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(environment: str, algorithm: str, result: str, license_name: str) -> str:
    """The Hub's YAML. A JSON string is a YAML string too, whatever is in it."""
    texts = {name: json.dumps(value) for name, value in (("environment", environment), ("result", result))}
    tags = [environment, "reinforcement-learning", "imitation-learning", "gail_tf", "tensorflow"]
    task = "reinforcement-learning"
    return "\n".join(
        [
            "---",
            "library_name: gail_tf",
            f"license: {json.dumps(license_name)}",
            f"pipeline_tag: {task}",
            "tags:",
            *(f"- {json.dumps(tag)}" for tag in tags),
            "model-index:",
            f"- name: {json.dumps(algorithm)}",
            "  results:",
            f"  - task: {{type: {task}, name: {task}}}",
            f"    dataset: {{name: {texts['environment']}, type: {texts['environment']}}}",
            "    metrics:",
            f"    - {{type: mean_reward, value: {texts['result']}, name: mean_reward, verified: false}}",
            "---",
        ]
    )


def _kept(summary: Mapping[str, Any]) -> str:
    """When the policy was kept, where that was before the end."""
    kept_env_steps = summary.get("kept_env_steps")
    return "" if kept_env_steps in (None, summary["env_steps"]) else f"; the policy is of {kept_env_steps:,}"


def _table(summary: Mapping[str, Any], environment: str, result: str) -> str:
    score = summary.get("normalized_return")
    how = "with sampled actions" if summary.get("stochastic") else "by the policy's mode"
    known = summary.get("expert_return"), summary.get("random_return")
    demonstrations = summary.get("num_demonstrations"), summary.get("subsample") or 1
    rows = [
        ("environment", environment.replace("|", "\\|")),
        ("return", f"{result} over {episodes(summary['num_episodes'])}, {how}"),
        ("expert, random policy", " and ".join(map(_number, known))),
        ("normalised return", "unknown" if score is None else f"{score:.3f}"),
        ("demonstrations", demonstrations_text(*demonstrations)),
        ("environment steps", f"{summary['env_steps']:,}{_kept(summary)}"),
        ("seed", str(summary["seed"])),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"


def _use(metadata: Mapping[str, Any], stochastic: bool) -> str:
    observation = metadata.get("observation", {})
    dtype = observation.get("dtype", "float32")
    shape = ", ".join(map(str, ["B", *observation.get("shape", ["d"])]))
    more = ", seed=tf.constant([0, step])" if stochastic else ""  # another seed for every step
    signature = "sampled" if stochastic else "serving_default"
    code = (
        "import tensorflow as tf\n\n"
        f'act = tf.saved_model.load("policy").signatures["{signature}"]\n'
        f'actions = act(observation=observations{more})["action"]  # of observations {dtype} [{shape}]'
    )
    warning = "A SavedModel is a program: load one only from somebody that you trust."
    pointer = "`policy/policy.json` says what goes in and what comes out."
    return f"## Use\n\n```python\n{code}\n```\n\n{pointer} {warning}"
