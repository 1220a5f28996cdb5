"""GAIL with PPO as the `imitation` package trains it, timed: the peer of our speed benchmark.

Runs in an environment of its own, since imitation wants an older Gymnasium and PyTorch:

    python3.11 -m venv PEER && PEER/bin/pip install -r benchmarks/requirements_imitation.txt
    PEER/bin/python benchmarks/imitation_peer.py --environment=Hopper-v4 --demonstrations=FILE.npz

Standard output carries one JSON object: env_steps_per_second, env_steps and wall_seconds of whole rounds
(collect, policy epochs, discriminator updates), the warm-up rounds and all set-up left out. The package's
own logger writes a CSV file and prints no tables, which favours it. Nothing of gail_tf is imported here.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from importlib.metadata import version


def parse_flags():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--environment", default="Hopper-v4", help="Gymnasium id")
    parser.add_argument(
        "--demonstrations",
        required=True,
        help="npz with observations, actions, next_observations and terminated (or terminals)",
    )
    parser.add_argument("--env_steps", type=int, default=30_000, help="environment steps to time, at least")
    parser.add_argument("--num_warmup_rounds", type=int, default=1, help="rounds run before the clock starts")
    parser.add_argument("--num_envs", type=int, default=8)
    parser.add_argument("--num_steps", type=int, default=256, help="steps per environment and round")
    parser.add_argument("--num_epochs", type=int, default=10, help="PPO epochs a round")
    parser.add_argument("--minibatch_size", type=int, default=64, help="PPO minibatch, rows")
    parser.add_argument("--learning_rate", type=float, default=3e-4, help="of the policy")
    parser.add_argument("--num_discriminator_updates", type=int, default=4, help="a round")
    parser.add_argument(
        "--discriminator_batch_size",
        type=int,
        default=1024,
        help="rows of expert and of agent each",
    )
    parser.add_argument(
        "--policy_units", type=int, nargs="+", default=[64, 64], help="policy and value, tanh"
    )
    parser.add_argument("--discriminator_units", type=int, nargs="+", default=[32, 32])
    parser.add_argument("--discriminator_activation", choices=("relu", "tanh"), default="relu")
    parser.add_argument("--num_threads", type=int, default=1, help="PyTorch's threads")
    parser.add_argument("--parallel", action="store_true", help="one process an environment")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def load_demonstrations(path):
    """Reads an npz into imitation's Transitions (its default discriminator does not look at ``dones``)."""
    import numpy as np
    from imitation.data.types import Transitions

    with np.load(path) as data:
        terminated = data["terminated"] if "terminated" in data else data["terminals"]
        observations = data["observations"]
        if "final_observations" in data:  # a compact file of ours; gail_tf is not installed here
            successors = np.roll(observations, -1, axis=0)
            successors[data["episode_ends"] - 1] = data["final_observations"]
        else:
            successors = data["next_observations"]
        return Transitions(
            obs=observations,
            acts=data["actions"],
            next_obs=successors,
            dones=terminated.astype(bool),
            infos=np.array([{}] * len(terminated)),
        )


def make_trainer(flags, log_dir):
    """GAIL on PPO with the package's documented parts; every size is a flag."""
    import numpy as np
    import torch
    from imitation.algorithms.adversarial.gail import GAIL
    from imitation.rewards.reward_nets import BasicRewardNet
    from imitation.util import logger
    from imitation.util.networks import RunningNorm
    from imitation.util.util import make_vec_env
    from stable_baselines3 import PPO

    torch.set_num_threads(flags.num_threads)
    activations = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}
    venv = make_vec_env(
        flags.environment,
        rng=np.random.default_rng(flags.seed),
        n_envs=flags.num_envs,
        parallel=flags.parallel,
    )
    ppo = PPO(
        "MlpPolicy",
        venv,
        n_steps=flags.num_steps,
        batch_size=flags.minibatch_size,
        n_epochs=flags.num_epochs,
        learning_rate=flags.learning_rate,
        policy_kwargs={"net_arch": flags.policy_units, "activation_fn": torch.nn.Tanh},
        seed=flags.seed,
        device="cpu",
    )
    reward_net = BasicRewardNet(
        venv.observation_space,
        venv.action_space,
        normalize_input_layer=RunningNorm,
        hid_sizes=flags.discriminator_units,
        activation=activations[flags.discriminator_activation],
    )
    return GAIL(
        demonstrations=load_demonstrations(flags.demonstrations),
        demo_batch_size=flags.discriminator_batch_size,
        n_disc_updates_per_round=flags.num_discriminator_updates,
        venv=venv,
        gen_algo=ppo,
        reward_net=reward_net,
        allow_variable_horizon=True,
        log_dir=log_dir,
        custom_logger=logger.configure(log_dir, ["csv"]),
    )


def measure(trainer, num_warmup_rounds, num_rounds):
    """Trains and returns the wall seconds of the last ``num_rounds`` rounds."""
    ends = [time.perf_counter()]
    trainer.train(
        (num_warmup_rounds + num_rounds) * trainer.gen_train_timesteps,
        callback=lambda _: ends.append(time.perf_counter()),
    )
    return ends[-1] - ends[num_warmup_rounds]


def main():
    flags = parse_flags()
    # The libraries talk on standard output; ours is for the one JSON line.
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as log_dir:
        trainer = make_trainer(flags, log_dir)
        num_rounds = -(-flags.env_steps // trainer.gen_train_timesteps)
        wall_seconds = measure(trainer, flags.num_warmup_rounds, num_rounds)
        trainer.venv.close()
    env_steps = num_rounds * trainer.gen_train_timesteps
    packages = ("imitation", "stable-baselines3", "gymnasium", "torch", "mujoco", "numpy")
    print(
        json.dumps(
            {
                "env_steps_per_second": env_steps / wall_seconds,
                "env_steps": env_steps,
                "wall_seconds": wall_seconds,
                "flags": vars(flags),
                "versions": {name: version(name) for name in packages},
            }
        )
    )


if __name__ == "__main__":
    main()
