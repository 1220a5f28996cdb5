"""A killed run, resumed, ends with the numbers of one that was never killed."""

import json
import os
import shutil
import socket

import pytest

_KEPT = ("keep", "kept_env_steps")
UNEQUAL = ("wall_seconds", "evaluation_seconds", "git_commit")


def numbers(run_dir):
    """metrics.jsonl and summary.json without what a clock wrote, and without where the checkout stood."""
    timed = lambda name: name.startswith("time/") or name in UNEQUAL  # noqa: E731
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((run_dir / "summary.json").read_text())
    return [{name: value for name, value in line.items() if not timed(name)} for line in [*lines, summary]]


def assert_finished_like(run_dir, reference_dir):
    assert numbers(run_dir) == numbers(reference_dir)
    infos = [json.loads((path / "run.json").read_text()) for path in (run_dir, reference_dir)]
    assert infos[0]["status"] == "finished"
    assert [infos[0][name] for name in _KEPT] == [infos[1][name] for name in _KEPT] != [None, None]
    names = lambda folder: sorted(path.name for path in folder.iterdir())  # noqa: E731
    assert names(run_dir) == names(reference_dir)
    assert names(run_dir / "checkpoints") == names(reference_dir / "checkpoints")


CHAINS = {
    "PPO CartPole": (
        "first iteration",
        "checkpoint",
        "third iteration",
        "final evaluation",
        "before the summary",
        "after the summary",
    ),
    "TRPO CartPole": ("third iteration",),
    "PPO Pendulum": ("checkpoint",),
    "VR CartPole": ("third iteration",),
    "SAC Pendulum": ("checkpoint", "third iteration"),
    "TRPO Pendulum": ("first iteration",),
    "BC CartPole": ("third iteration",),
    "BC CartPole, ensemble": ("third iteration",),
    "MGAIL CartPole": ("third iteration",),
    "PPO pixels": ("third iteration",),
    "SQIL pixels": ("checkpoint", "third iteration"),
    "IQ-Learn pixels": ("third iteration",),
    "BC pixels": ("third iteration",),
    "MGAIL CartPole, ahead": ("checkpoint", "third iteration"),
    "SAC Pendulum, ahead": ("checkpoint", "third iteration"),
}


# `make test-long` kills every kind of run everywhere, the campaign at any moment. A replay and memories of
# frames are resumed in tests/generators too.
_USUAL = {"PPO CartPole": ("checkpoint", "after the summary")}


@pytest.mark.parametrize(
    "recipe, faults",
    [
        *(pytest.param(recipe, faults, id=f"{recipe}, seldom") for recipe, faults in _USUAL.items()),
        *(
            pytest.param(recipe, faults, id=recipe, marks=pytest.mark.long)
            for recipe, faults in CHAINS.items()
            if faults != _USUAL.get(recipe)
        ),
    ],
)
def test_killed_again_and_again_a_run_ends_with_the_same_numbers(
    processes, recipes, reference, request, recipe, faults
):
    run_dir = processes.folder / f"killed {request.node.callspec.id}"
    flags = recipes[recipe]
    for fault in faults:
        assert processes("train", f"--run_dir={run_dir}", *flags, fault=fault).code == -9, fault
        assert json.loads((run_dir / "run.json").read_text())["status"] == "running"
        flags = ("--resume",)
    result = processes("train", f"--run_dir={run_dir}", "--resume")
    assert result.code == 0, result.err
    assert_finished_like(run_dir, reference(recipe)[0])


@pytest.mark.long
def test_a_run_killed_before_its_first_checkpoint_begins_anew(processes, recipes, reference):
    run_dir = processes.folder / "killed early"
    flags = recipes["PPO CartPole"]
    killed = processes("train", f"--run_dir={run_dir}", *flags, fault="before the first checkpoint")
    assert killed.code == -9
    result = processes("train", f"--run_dir={run_dir}", "--resume")
    assert result.code == 0, result.err
    assert "starting from the beginning" in result.out
    assert_finished_like(run_dir, reference("PPO CartPole")[0])


@pytest.fixture(scope="module")
def interrupted(processes, recipes):
    """A run that got Ctrl-C in its second iteration. Only for reading."""
    run_dir = processes.folder / "interrupted run"
    return run_dir, processes("train", f"--run_dir={run_dir}", *recipes["PPO CartPole"], fault="Ctrl-C")


def test_ctrl_c_saves_and_prints_the_command_that_resumes(processes, interrupted, reference):
    run_dir, result = interrupted
    assert result.code == 130
    assert result.err.strip().startswith("Stopping after this iteration")
    assert f"gail-train --run_dir='{run_dir}' --resume" in result.out
    info = json.loads((run_dir / "run.json").read_text())
    assert info["status"] == "interrupted"
    assert (info["keep"], info["kept_env_steps"]) == ("imitation_distance", None)
    assert (run_dir / "policy" / "saved_model.pb").is_file()
    copy = shutil.copytree(run_dir, run_dir.with_name("continued"))
    assert processes("train", f"--run_dir={copy}", "--resume").code == 0
    # It has the checkpoint of iteration 2 from Ctrl-C, which the interval would have written too.
    assert_finished_like(copy, reference("PPO CartPole")[0])


def test_a_second_ctrl_c_stops_at_once_at_the_last_checkpoint(processes, recipes):
    run_dir = processes.folder / "interrupted twice"
    result = processes("train", f"--run_dir={run_dir}", *recipes["PPO CartPole"], fault="two Ctrl-C")
    assert result.code == 130
    assert "Traceback" not in result.err and "--resume" in result.out
    assert sorted(path.name for path in (run_dir / "checkpoints").iterdir()) == ["000000000"]


def test_resuming_keeps_the_number_of_threads_and_the_program(processes, recipes):
    threads = ("--num_threads=2", "--tensorflow_threads=2")
    flags = ("--config=ppo/any", "--environment=CartPole-v1", *threads, *recipes["PPO CartPole"][2:])
    run_dir = processes.folder / "threads"
    result = processes("train_expert", f"--run_dir={run_dir}", *flags, fault="Ctrl-C")
    assert f"gail-train-expert --run_dir={run_dir} --resume" in result.out
    other = processes("train_expert", f"--run_dir={run_dir}", "--resume", "--tensorflow_threads=3")
    assert other.code == 2 and "--tensorflow_threads is 3, and the run has 2" in other.err
    again = processes("train_expert", f"--run_dir={run_dir}", "--resume", fault="Ctrl-C")
    assert "at iteration 2" in again.out and again.code == 130
    info = json.loads((run_dir / "run.json").read_text())
    assert info["num_threads"] == info["tensorflow_threads"] == 2


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(processes, interrupted, reference):
    run_dir = shutil.copytree(interrupted[0], interrupted[0].with_name("damaged"))
    variables = next((run_dir / "checkpoints" / "000000002").glob("variables.data*"))
    content = bytearray(variables.read_bytes())
    content[len(content) // 2] ^= 1
    variables.write_bytes(content)
    (run_dir / "checkpoints" / ".4.999999999.tmp").mkdir()
    (run_dir / ".policy.999999999.tmp").mkdir()
    (run_dir / ".run.json.999999999.tmp").touch()
    (run_dir.parent / ".damaged.999999999.tmp").mkdir()
    result = processes("train", f"--run_dir={run_dir}", "--resume")
    assert result.code == 0, result.err
    assert "the run began with" not in result.out  # no other versions
    assert "checkpoint 000000002 is damaged" in result.out and "using the one before" in result.out
    assert_finished_like(run_dir, reference("PPO CartPole")[0])
    assert not (run_dir.parent / ".damaged.999999999.tmp").exists()


def test_a_run_that_goes_on_elsewhere_says_with_which_versions_and_remembers_its_demonstrations(
    processes, interrupted, cartpole, tmp_path
):
    run_dir, moved = shutil.copytree(interrupted[0], tmp_path / "upgraded"), tmp_path / "moved.npz"
    shutil.copy(cartpole, moved)
    info = json.loads((run_dir / "run.json").read_text())
    info["versions"] |= {"tensorflow": "2.1.0", "gone": "1.0"}
    info |= {"git": {"commit": 40 * "0", "dirty": False}, "demonstrations": str(tmp_path / "was.npz")}
    (run_dir / "run.json").write_text(json.dumps(info))
    resume = ("train", f"--run_dir={run_dir}", "--resume")
    result = processes(*resume, f"--demonstrations={moved}", fault="Ctrl-C")
    assert "note: the run began with tensorflow 2.1.0 (now 2." in result.out, result.err
    assert "commit 000000000000 (now " in result.out and "gone" not in result.out
    assert json.loads((run_dir / "run.json").read_text())["demonstrations"] == str(moved)


def test_a_resumed_run_takes_no_other_settings(processes, interrupted):
    before = sorted(os.listdir(interrupted[0]))
    result = processes("train", f"--run_dir={interrupted[0]}", "--resume", "--seed=3", "--environment=X-v0")
    assert result.code == 2
    line = result.err.strip()
    assert "--environment is X-v0, and the run has CartPole-v1; --seed is 3, and the run has 0" in line
    assert "leave these out" in line and "\n" not in line
    assert sorted(os.listdir(interrupted[0])) == before


def test_the_same_command_with_resume_continues(processes, recipes, reference):
    """As a requeued job gives it: whatever it was that ended the one before."""
    command = ("train", f"--run_dir={processes.folder / 'requeued'}", *recipes["PPO CartPole"], "--resume")
    assert processes(*command, fault="Ctrl-C").code == 130  # there was nothing to resume yet
    result = processes(*command)
    assert result.code == 0 and "Resuming" in result.out, result.err
    assert_finished_like(processes.folder / "requeued", reference("PPO CartPole")[0])
    before = (processes.folder / "requeued" / "run.json").read_text()
    again = processes(*command)
    assert again.code == 0 and "is finished already" in again.out and "gail-evaluate" in again.out
    assert (processes.folder / "requeued" / "run.json").read_text() == before
    (processes.folder / "requeued" / "summary.json").write_text('{"env_steps": 1')  # a copy cut short
    again = processes(*command)
    assert again.code == 0 and "is finished already" not in again.out, again.err
    assert_finished_like(processes.folder / "requeued", reference("PPO CartPole")[0])


@pytest.mark.parametrize(
    "flag, says",
    [
        ("--gin=PPO.num_epochs = 3", "--gin binds PPO.num_epochs to 3, and the run has 2"),
        ("--gin=PPO.clip_range = 0.1", "--gin binds PPO.clip_range to 0.1, and the run has"),
        ("--config=gail_trpo/any", "--config is gail_trpo/any, and the run has gail_ppo/any"),
        ("--demonstrations=/none.npz", "--demonstrations is /none.npz, and the run has /"),
        ("--tags=a,b", "--tags is a, b, and the run has none"),
        ("--label=mine", "--label is mine, and the run has none"),
    ],
)
def test_what_the_run_does_not_have_is_refused_by_name(processes, interrupted, flag, says):
    result = processes("train", f"--run_dir={interrupted[0]}", "--resume", flag)
    assert result.code == 2 and says in result.err and "leave this out" in result.err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_save_as_ctrl_c_does(processes, recipes, name):
    run_dir = processes.folder / name
    result = processes("train", f"--run_dir={run_dir}", *recipes["BC CartPole"], fault=name)
    assert result.code == 130, result.err
    assert "Stopped at iteration 2." in result.out  # cloning has no environment steps
    assert json.loads((run_dir / "run.json").read_text())["status"] == "interrupted"
    assert "000000002" in os.listdir(run_dir / "checkpoints")


def test_a_run_that_stops_in_its_cloned_start_leaves_no_policy_and_begins_again(processes, recipes):
    """The clone is not in the policy yet: what was exported had never learned."""
    run_dir, whole = processes.folder / "cloned start", processes.folder / "whole cloned start"
    epochs = ("--gin=OnPolicyGenerator.warm_start_epochs = 4", "--gin=BehavioralCloning.jit_compile = False")
    flags = (*recipes["PPO CartPole"], *epochs)
    result = processes("train", f"--run_dir={run_dir}", *flags, fault="SIGTERM in a cloned start")
    assert result.code == 130 and "Begin again with:" in result.out, result.err
    assert json.loads((run_dir / "run.json").read_text())["status"] == "interrupted"
    assert not (run_dir / "policy").exists()
    evaluated = processes("evaluate", f"--policy={run_dir}")
    assert evaluated.code == 2 and evaluated.err.count("\n") == 1
    assert processes("train", f"--run_dir={run_dir}", "--resume").code == 0
    assert processes("train", f"--run_dir={whole}", *flags).code == 0
    assert_finished_like(run_dir, whole)


def test_who_is_impatient_has_a_run_to_resume(processes, recipes):
    """Signals after the second one came while the end was being written, and left the run "running"."""
    run_dir = processes.folder / "impatient"
    result = processes("train", f"--run_dir={run_dir}", *recipes["BC CartPole"], fault="five Ctrl-C")
    assert result.code == 130 and "Traceback" not in result.err, result.err
    assert json.loads((run_dir / "run.json").read_text())["status"] == "interrupted"
    assert processes("train", f"--run_dir={run_dir}", "--resume").code == 0


def test_nohup_outlives_its_terminal(processes, recipes):
    run_dir = processes.folder / "nohup"
    result = processes("train", f"--run_dir={run_dir}", *recipes["BC CartPole"], fault="SIGHUP under nohup")
    assert result.code == 0, result.err


def test_a_run_whose_terminal_closes_is_saved(processes, recipes):
    run_dir = processes.folder / "hung up"
    result = processes("train", f"--run_dir={run_dir}", *recipes["BC CartPole"], fault="terminal closes")
    assert result.code == 130, result.err
    assert json.loads((run_dir / "run.json").read_text())["status"] == "interrupted"


def test_two_processes_do_not_train_in_one_directory(processes, interrupted):
    from gail_tf.training.run_directory import RunDirectory

    holder = RunDirectory(interrupted[0])
    holder.lock()
    try:
        result = processes("train", f"--run_dir={interrupted[0]}", "--resume")
    finally:
        holder.unlock()
    assert result.code == 2
    assert f"is in use by process {os.getpid()} on {socket.gethostname()}: wait" in result.err
