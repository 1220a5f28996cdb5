"""A new world for each episode of Gymnasium's BipedalWalker, as its first one has.

Its resets take the bodies out of one Box2D world and put others in. That world's tree of boxes keeps the
order of those that were there, which orders contacts: a few steps after the first of them an episode is
another one than the same seed and actions gave before, and a killed run could not go on.
"""

import sys

import gymnasium as gym


def renew_world(env: gym.Env) -> None:
    """Gives ``env`` a world of its own for every episode if it is Gymnasium's BipedalWalker."""
    module = sys.modules.get("gymnasium.envs.box2d.bipedal_walker")
    walker = getattr(env, "unwrapped", None)
    # No subclass: its world may be another one.
    if module is None or type(walker) is not module.BipedalWalker:
        return
    destroy = walker._destroy

    def destroy_all() -> None:
        destroy()
        walker.world = module.Box2D.b2World()

    walker._destroy = destroy_all
