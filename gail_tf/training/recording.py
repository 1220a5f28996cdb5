"""Demonstrations from a policy: roll out, keep every transition, say where they came from."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from gail_tf.demonstrations import Demonstrations
from gail_tf.training.evaluation import ActFn, Evaluator


def record(
    make_env: Callable[[], gym.Env],
    act: ActFn,
    num_episodes: int,
    seed: int,
    environment: str,
    provenance: Mapping[str, Any],
) -> Demonstrations:
    """Rolls out ``num_episodes`` whole episodes; episode i starts from ``reset(seed=seed + i)``."""
    episodes: list[dict[str, np.ndarray]] = []
    evaluator = Evaluator(make_env)
    evaluator.evaluate(act, num_episodes, seed, on_episode=episodes.append)
    evaluator.close()

    def joined(name: str) -> np.ndarray:
        return np.concatenate([episode[name] for episode in episodes])

    actions = joined("actions")
    terminated = joined("terminated").astype(bool)
    return Demonstrations(
        observations=joined("observations"),
        actions=actions.astype(np.int64 if np.issubdtype(actions.dtype, np.integer) else np.float32),
        next_observations=joined("next_observations"),
        rewards=joined("rewards").astype(np.float32),
        terminated=terminated,
        truncated=joined("truncated").astype(bool) & ~terminated,
        episode_ends=np.cumsum([len(episode["rewards"]) for episode in episodes]),
        environment=environment,
        provenance=dict(provenance),
    )
