"""The experts that Ho & Ermon published (github.com/openai/imitation, MIT licence), as a policy to record.

git clone https://github.com/openai/imitation; cd examples
EXPERT=../imitation/expert_policies/modern/log_Hopper-v1_4.h5 gail-make-demonstrations \
    --policy=published_expert:PublishedExpert --environment=Hopper-v5 --num_episodes=25 --out=Hopper-v5.npz
"""

import os

import h5py
import numpy as np

# Here Ant-v5 leaves out the forces on the world, which were 0; Reacher-v5's missing 0 was the last.
GONE = 27


class PublishedExpert:
    """The mean of the Gaussian policy in the last snapshot of the file that EXPERT names."""

    def __init__(self):
        with h5py.File(os.environ["EXPERT"], "r") as file:
            policy = file["snapshots"][max(file["snapshots"])]["GaussianPolicy"]
            moments = policy["obsnorm/Standardizer"]
            self.mean, square = moments["mean_1_D"][0], moments["meansq_1_D"][0]
            hidden = policy["hidden/FeedforwardNet"]  # layer_0 and layer_2 are affine, the others tanh
            layers = [hidden[name] for name in sorted(hidden) if "AffineLayer" in hidden[name]]
            self.layers = [(x["AffineLayer/W"][()], x["AffineLayer/b"][0]) for x in [*layers, policy["out"]]]
        self.scale = np.sqrt(np.maximum(square - self.mean**2, 0.0)) + 1e-6

    def __call__(self, observation):
        gone = [min(GONE, observation.size)] * (self.mean.size - observation.size)
        x = (np.insert(observation, gone, 0.0) - self.mean) / self.scale
        for weights, bias in self.layers[:-1]:
            x = np.tanh(x @ weights + bias)
        return x @ self.layers[-1][0] + self.layers[-1][1]
