"""Tiny runs of every family: six iterations, a checkpoint after every second, two evaluations."""

from tests.training.conftest import TINY, TINY_CLONING, TINY_MODEL_BASED, TINY_OFF_POLICY

_CARTPOLE = ("--demonstrations=shipped:CartPole-v1", "--num_demonstrations=2")
_PENDULUM = ("--demonstrations=shipped:Pendulum-v1", "--num_demonstrations=2")
_SHORT = (
    "--gin=make_environment.max_episode_steps = 40",
    "--gin=Trainer.num_evaluations = 2",
    "--gin=Trainer.final_episodes = 2",
)
_COMPILED = tuple(flag for flag in TINY if "jit_compile" not in flag)

RECIPES = {
    "PPO": ("--config=gail_ppo/any", *_CARTPOLE, *TINY, *_SHORT),
    "SAC": ("--config=sac_gail/any", *_PENDULUM, *TINY_OFF_POLICY, *_SHORT),
    "MGAIL": ("--config=mgail/any", *_CARTPOLE, *TINY_MODEL_BASED, *_SHORT),
    "BC": ("--config=bc/any", *_CARTPOLE, *TINY_CLONING, *_SHORT),
    "TRPO": ("--config=gail_trpo/any", *_PENDULUM, *TINY, *_SHORT),
    "TD3": ("--config=dac_td3/any", *_PENDULUM, *TINY_OFF_POLICY, *_SHORT),
    "PPO under XLA": ("--config=gail_ppo/any", *_CARTPOLE, *_COMPILED, *_SHORT),
}
"""Family -> flags of gail-train. The last one is compiled, with the cache of compiled code cold or warm."""


def of(number: int) -> str:
    """The families in turn."""
    return list(RECIPES)[number % len(RECIPES)]
