"""Input that a person can mend: one line, exit code 2, and no run directory."""

import dataclasses
import os
import shutil

import pytest

from gail_tf import demonstrations

PPO = "--config=gail_ppo/any"

# name -> (binary, flags, what the line says); {cartpole}, {bad} and {tmp} are filled in.
CASES = {
    "unknown config": (
        "train",
        ["--config=gail_ppo/hoper"],
        "--config=gail_ppo/hoper: neither a file nor a shipped config; did you mean gail_ppo/hopper",
    ),
    "no config": ("train", [], "no --config given: name one, such as gail_ppo/any"),
    "unknown binding": (
        "train",
        [PPO, "--gin=Trainer.total_steps = 5", "{demos}"],
        "'total_steps'. Trainer.total_steps = 5; did you mean total_env_steps",
    ),
    "text without quotes": (
        "train",
        [PPO, "--gin=Experiment.algorithm = PPO", "{demos}"],
        "text wants quotes",
    ),
    "unknown configurable": ("train", [PPO, "--gin=Tariner.total_env_steps = 5", "{demos}"], "Tariner"),
    "malformed gin": ("train", [PPO, "--gin=Trainer.total_env_steps = = 5", "{demos}"], "config: "),
    "a config that is no text": (
        "train",
        ["--config={tmp}/no_text.npz", "{demos}"],
        "no_text.npz: is no text; give a gin file or the name of a shipped config.",
    ),
    "malformed file": ("train", ["--config={tmp}/bad.gin", "{demos}"], "config: "),
    "a string for a number": (
        "train",
        [PPO, "--gin=Trainer.total_env_steps = '500'", "{demos}"],
        "Trainer.total_env_steps = '500': want an integer or None",
    ),
    "a number for a list": (
        "train",
        [PPO, "--gin=make_discriminator_network.hidden = 64", "{demos}"],
        "make_discriminator_network.hidden = 64: want a list of integers",
    ),
    "a string for a function": (
        "train",
        [PPO, "--gin=Discriminator.reward_fn = 'airl'", "{demos}"],
        "Discriminator.reward_fn = 'airl': want a function or class, such as @name",
    ),
    "strings for functions": (
        "train",
        [PPO, "--gin=Discriminator.loss_terms = ['bce_loss']", "{demos}"],
        "Discriminator.loss_terms = ['bce_loss']: want a list of functions, such as [@name]",
    ),
    "a function for a list": (
        "train",
        [PPO, "--gin=Discriminator.loss_terms = @bce_loss", "{demos}"],
        "Discriminator.loss_terms = @bce_loss: want a list of functions",
    ),
    "a function that is called too early": (
        "train",
        [PPO, "--gin=Discriminator.reward_transforms = [@clipped()]", "{demos}"],
        "@clipped() is called where it is used, not here: leave out the brackets",
    ),
    "a misspelt configurable": (
        "train",
        [PPO, "--gin=Discriminator.reward_fn = @arl", "{demos}"],
        "did you mean airl?",
    ),
    "an agent of another family": (
        "train_expert",
        ["--config=sac/any", "--environment=Pendulum-v1", "--gin=OffPolicyGenerator.agent = @PPO"],
        "OffPolicyGenerator.agent is @PPO: want an off-policy agent",
    ),
    "a step that raises": (
        "train_expert",
        ["--config=ppo/any", "--environment=faulty_environments:Raises-v0"],
        "Environment 'faulty_environments:Raises-v0' raised RuntimeError in step: motor on fire",
    ),
    "a function of gin's for an environment": (
        "train_expert",
        ["--config=ppo/any", "--gin=make_environment.environment = @FlattenActions"],
        "is the function gail_tf.environments.wrappers.FlattenActions: want an id",
    ),
    "an environment without actions": (
        "train_expert",
        ["--config=ppo/any", "--environment=faulty_environments:NoActions-v0"],
        "Environment 'faulty_environments:NoActions-v0' has no action_space; want a space of gymnasium",
    ),
    "a misspelt activation": (
        "train",
        [PPO, "--gin=make_actor_network.activation = 'rleu'", "{demos}"],
        "an activation is 'rleu': want one of Keras', such as 'tanh'",
    ),
    "a wrong value": ("train", [PPO, "--gin=Discriminator.inputs = ('colour',)", "{demos}"], "colour"),
    "unknown flag": ("train", [PPO, "--demos=x"], "demos"),
    "malformed flag": ("train", [PPO, "--seed=one"], "seed"),
    "negative seed": ("train", [PPO, "--seed=-1", "{demos}"], "seed"),
    "trackers twice": (
        "train",
        [PPO, "--gin=Trainer.trackers = [@MLflow]", "--tracker=WandB", "{demos}"],
        "--gin binds Trainer.trackers = [@MLflow], and --tracker gives another: give one of them.",
    ),
    "a flag and gin, shown": (
        "train",
        [PPO, "--seed=3", "--gin=Experiment.seed = 4", "--show"],
        "--gin binds Experiment.seed = 4, and --seed = 3: give one of them.",
    ),
    "a parameter that nothing is like": (
        "train",
        [PPO, "--gin=Trainer.foo = 3", "{demos}"],
        "Trainer.foo = 3; it has total_env_steps, total_iterations,",
    ),
    "negative seed in gin": (
        "train",
        [PPO, "--gin=Experiment.seed = -1", "{demos}"],
        "Experiment.seed is -1",
    ),
    "an overlay alone": (
        "train",
        ["--config=with/credo", "{demos}"],
        "--config=with/credo changes a recipe, and none stands before it",
    ),
    "an overlay before its recipe": (
        "train",
        ["--config=with/credo", PPO, "{demos}"],
        "--config=with/credo changes a recipe, and none stands before it",
    ),
    "two recipes": (
        "train",
        [PPO, "--config=sac_gail/any", "{demos}"],
        "--config=sac_gail/any is a recipe and undoes what stands before it (gail_ppo/any)",
    ),
    "demonstrations for an expert": (
        "train_expert",
        ["--config=gail_ppo/cartpole"],
        "learns from demonstrations, which gail-train-expert does not",
    ),
    "too large a replay": (
        "train_expert",
        [
            "--config=sac/any",
            "--environment=Pendulum-v1",
            "--gin=OffPolicyGenerator.replay_capacity=10000000000000",
            "--gin=make_environment.max_episode_steps=5",  # chance is measured before
        ],
        "replay_capacity is 10000000000000: 4e+05 GB, more than there is memory for",
    ),
    "a discount above 1": (
        "train_expert",
        ["--config=sac/any", "--environment=Pendulum-v1", "--gin=SAC.discount=1.5"],
        "SAC.discount is 1.5: want 0 to 1",
    ),
    "an on-policy discount above 1": (
        "train",
        [PPO, "--gin=OnPolicyGenerator.discount = 1.5", "{demos}"],
        "OnPolicyGenerator.discount is 1.5: want 0 to 1",
    ),
    "a decay of traces above 1": (
        "train",
        [PPO, "--gin=OnPolicyGenerator.gae_lambda = 2.0", "{demos}"],
        "OnPolicyGenerator.gae_lambda is 2.0: want 0 to 1",
    ),
    "a negative range of clipping": (
        "train",
        [PPO, "--gin=PPO.clip_range = -1.0", "{demos}"],
        "PPO.clip_range is -1.0: want a number above 0",
    ),
    "a negative warm start": (
        "train",
        [PPO, "--gin=OnPolicyGenerator.warm_start_epochs = -1", "{demos}"],
        "OnPolicyGenerator.warm_start_epochs is -1: want 0 or more",
    ),
    "no patience": (
        "train",
        ["--config=bc/any", "--gin=BehavioralCloning.patience = -1", "{demos}"],
        "BehavioralCloning.patience is -1: want 1 or more",
    ),
    "a negative penalty": (
        "train",
        [PPO, "--gin=gradient_penalty.coef = -5.0", "{demos}"],
        "gradient_penalty.coef is -5.0: want 0 or more",
    ),
    "smoothing beyond the other label": (
        "train",
        [PPO, "--gin=bce_loss.label_smoothing = 1.5", "{demos}"],
        "bce_loss.label_smoothing is 1.5: want 0 or more, and below 1",
    ),
    "a negative rate of targets": (
        "train_expert",
        ["--config=td3/any", "--environment=Pendulum-v1", "--gin=TD3.tau=-1"],
        "TD3.tau is -1: want more than 0, to 1",
    ),
    "a seed beside the run's": (
        "train",
        [PPO, "--gin=OnPolicyGenerator.seed = 3", "{demos}"],
        "OnPolicyGenerator.seed cannot be bound: a run gives it",
    ),
    "demonstrations that nobody shows": (
        "train",
        ["--config=sqil/any", "--gin=OffPolicyGenerator.expert_share = 0.0", "{demos}"],
        "OffPolicyGenerator.expert_share is 0.0 and MembershipReward pays for demonstrations alone: want 0.5",
    ),
    "a reward of demonstrations alone": (
        "train",
        [PPO, "--gin=Experiment.reward_source = @MembershipReward", "{demos}"],
        "MembershipReward pays for demonstrations alone, and OnPolicyGenerator learns from none",
    ),
    "variance that counts for nothing": (
        "train",
        ["--config=gail_vr/any", "--gin=variance.max_square = 0.0", "{demos}"],
        "variance.max_square is 0.0: want a number above 0",
    ),
    "a negative start": (
        "train_expert",
        ["--config=sd3/any", "--environment=Pendulum-v1", "--gin=SD3.actor_start=-5"],
        "SD3.actor_start is -5: want 0 or more",
    ),
    "a bound of gradients below 0": (
        "train_expert",
        ["--config=td3/any", "--environment=Pendulum-v1", "--gin=TD3.max_actor_gradient_norm=-1"],
        "TD3.max_actor_gradient_norm is -1: want a number above 0, or None",
    ),
    "a learning rate of 0": (
        "train_expert",
        ["--config=sac/any", "--environment=Pendulum-v1", "--gin=SAC.critic_learning_rate=0.0"],
        "SAC.critic_learning_rate is 0.0: want a number above 0",
    ),
    "a layer of nothing": (
        "train_expert",
        ["--config=td3/any", "--environment=Pendulum-v1", "--gin=make_critic_network.hidden=(0,)"],
        "The hidden layers' units are (0,): want 1 or more in each",
    ),
    "one transition left": (
        "train",
        [PPO, "{demos}", "--num_demonstrations=1", "--subsample=5000"],
        "leaves 1; wanted at least 2",
    ),
    "unknown environment": (
        "train",
        [PPO, "--environment=CartPoleX-v1", "{demos}"],
        "did you mean CartPole-v1",
    ),
    "no environment": ("train_expert", ["--config=ppo/any"], "add --environment=ID"),
    "no demonstrations": ("train", [PPO, "--environment=CartPole-v1"], "add --demonstrations=PATH"),
    "a variable of the shell that is not set": (
        "train",
        [PPO, "--environment=CartPole-v1", "--demonstrations="],
        "--demonstrations is empty: want a file, a folder or a data set's name",
    ),
    "no such demonstrations": ("train", [PPO, "--demonstrations={tmp}/none.npz"], "none.npz"),
    "truncated demonstrations": ("train", [PPO, "--demonstrations={tmp}/truncated.npz"], "truncated.npz"),
    "text as demonstrations": ("train", [PPO, "--demonstrations={tmp}/bad.gin"], "bad.gin"),
    "unknown shipped": ("train", [PPO, "--demonstrations=shipped:nothing"], "are not shipped"),
    "too few trajectories": ("train", [PPO, "{demos}", "--num_demonstrations=4"], "3"),
    "named after another": (
        "train",
        [PPO, "--demonstrations={tmp}/Acrobot-v1.npz", "--environment=CartPole-v1"],
        "Acrobot-v1.npz: the file is named after Acrobot-v1; wanted CartPole-v1",
    ),
    "another environment's": ("train", [PPO, "{demos}", "--environment=Pendulum-v1"], "CartPole-v1"),
    "nothing to resume": ("train", ["--resume"], "holds no run to resume"),
    "resume and overwrite": ("train", ["--resume", "--overwrite"], "exclude each other"),
    "no policy": ("evaluate", ["--policy={tmp}/none"], "there is no such path"),
    "no episodes": ("evaluate", ["--policy={tmp}/none", "--num_episodes=0"], "num_episodes"),
    "no policy to export": ("export_policy", ["--out={tmp}/out"], "want one RUN_DIR"),
    "nothing to record": ("make_demonstrations", [], "want --policy=PATH"),
    "a record of no known kind": (
        "make_demonstrations",
        ["--policy={tmp}/none", "--out={tmp}/out"],
        "/out: want a name that ends in .npz",
    ),
    "noise without end": (
        "make_demonstrations",
        ["--policy={tmp}/none", "--out={tmp}/new.npz", "--action_noise=inf"],
        "--action_noise=inf: want a finite number",
    ),
    "looking and recording": (
        "make_demonstrations",
        ["--inspect={tmp}/a.npz", "--policy={tmp}/none"],
        "want either",
    ),
    "recording and drawing": (
        "make_demonstrations",
        ["--policy={tmp}/none", "--out={tmp}/new.npz", "--figure={tmp}/new.png"],
        "--figure is of --inspect",
    ),
    "keys without a person": (
        "make_demonstrations",
        ["--policy={tmp}/none", "--out={tmp}/new.npz", "--keys=ab"],
        "--keys is of --play",
    ),
    "a person whose actions are drawn": (
        "make_demonstrations",
        ["--play", "--environment=CartPole-v1", "--out={tmp}/new.npz", "--stochastic"],
        "--stochastic is of --policy",
    ),
    "looking with noise": (
        "make_demonstrations",
        ["--inspect=shipped:CartPole-v1", "--action_noise=0.1"],
        "--action_noise is of a recording",
    ),
    "looking with bindings of no environment": (
        "make_demonstrations",
        ["--inspect=shipped:CartPole-v1", "--gin=make_environment.max_episode_steps = 3"],
        "--gin is of an environment: add --environment=ID",
    ),
    "a figure that is there": (
        "make_demonstrations",
        ["--inspect=shipped:CartPole-v1", "--figure={tmp}/bad.gin"],
        "bad.gin is there already: choose another name or remove it.",
    ),
    "a figure of another kind": (
        "make_demonstrations",
        ["--inspect={tmp}/none", "--figure={tmp}/new.jpg"],
        "/new.jpg: want a name that ends in .png",
    ),
    "looking at what is not shipped": (
        "make_demonstrations",
        ["--inspect=shipped:Nothing-v0"],
        "shipped:Nothing-v0 are not shipped; there are Acrobot-v1, ",
    ),
    "nothing to report": ("report", ["{tmp}/none"], "no such directory"),
}
WITHOUT_RUN_DIR = ("evaluate", "report", "make_demonstrations", "export_policy")


@pytest.fixture(scope="module")
def folder(processes, cartpole):
    folder = processes.folder / "bad input"
    folder.mkdir()
    (folder / "bad.gin").write_text("this is no gin")
    (folder / "no_text.npz").write_bytes(b"PK\x03\x04\xc0\xff")
    (folder / "truncated.npz").write_bytes(cartpole.read_bytes()[:2000])
    unnamed = dataclasses.replace(demonstrations.load(cartpole), environment=None)
    demonstrations.save(folder / "Acrobot-v1.npz", unnamed)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line(processes, folder, cartpole, case):
    binary, flags, wanted = CASES[case]
    flags = [f.format(tmp=folder, demos=f"--demonstrations={cartpole}") for f in flags]
    if binary not in WITHOUT_RUN_DIR:
        flags.append("--run_dir=runs/new")
    before = sorted(os.listdir(folder))
    result = processes(binary, *flags, cwd=folder)
    assert result.code == 2, result
    assert result.err.startswith("error: ") and result.err.count("\n") == 1, result.err
    assert wanted in result.err
    assert "In call to configurable" not in result.err
    assert sorted(os.listdir(folder)) == before


def test_no_run_dir_given(processes):
    assert "no --run_dir given" in processes("train", PPO).err


def test_overwrite_with_bad_demonstrations_leaves_the_old_run(processes, reference, folder):
    old = shutil.copytree(reference("PPO CartPole")[0], processes.folder / "precious")
    before = {path: path.stat().st_mtime_ns for path in sorted(old.rglob("*"))}
    result = processes(
        "train", PPO, f"--demonstrations={folder}/truncated.npz", f"--run_dir={old}", "--overwrite"
    )
    assert result.code == 2
    assert {path: path.stat().st_mtime_ns for path in sorted(old.rglob("*"))} == before


def test_a_finished_run_is_not_overwritten(processes, reference, recipes):
    run_dir = reference("PPO CartPole")[0]
    again = processes("train", f"--run_dir={run_dir}", *recipes["PPO CartPole"])
    assert again.code == 2 and "is there already" in again.err


def test_demonstrations_that_changed_since_stop_a_resume(processes, recipes, cartpole, tmp_path):
    path = shutil.copy(cartpole, tmp_path / "changing.npz")
    flags = [f for f in recipes["PPO CartPole"] if not f.startswith("--demonstrations")]
    run_dir = tmp_path / "run"
    processes("train", f"--run_dir={run_dir}", f"--demonstrations={path}", *flags, fault="first iteration")
    data = demonstrations.load(path)
    demonstrations.save(path, dataclasses.replace(data, provenance={"made": "again"}))
    result = processes("train", f"--run_dir={run_dir}", "--resume")
    assert result.code == 2 and "has changed since the run began: put back what it was" in result.err
    # The run can still go on: what throws it away is no advice.
    assert "--demonstrations=PATH" in result.err and "--overwrite" not in result.err
