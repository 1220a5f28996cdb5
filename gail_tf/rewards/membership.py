"""A reward for whose a row is: 1 for a demonstration's, 0 for the agent's."""

import gin
import tensorflow as tf

from gail_tf.rewards.fixed import FixedReward
from gail_tf.types import Metrics, Transition


@gin.configurable(denylist=["expert", "num_actions", "absorbing", "expert_weights"])
class MembershipReward(FixedReward):
    """SQIL's reward (Reddy et al. 2020, Algorithm 1): 1 for demonstrations' rows, 0 for the agent's.

    It has nothing to learn. A generator mixes demonstrations into its minibatches and asks for the rewards of
    either kind; see ``OffPolicyGenerator.expert_share``.

    A reward that is never negative makes the end of an episode worth less than going on, also where the
    experts seek it. So the last row of a demonstration that ended is paid ``end_reward``: at
    1 / (1 - discount) it is worth as much as if it went on for ever. The agent's end stays at 0: a fall that
    no expert shows costs all that would have followed.

    Args:
      expert, num_actions, absorbing, expert_weights: as every reward source is given them.
      end_reward: 1 is the paper's; None: 1 / (1 - discount), of the discount that the generator sets.
    """

    needs_expert_share = True
    reads_successor = False

    def __init__(self, expert=None, num_actions=None, absorbing=False, expert_weights=None, end_reward=1.0):
        del expert, num_actions, expert_weights
        super().__init__(normalize=False, name="membership_reward")
        if absorbing:
            raise ValueError(
                "MembershipReward.end_reward says what an end is worth: want "
                "make_environment.absorbing_states = False."
            )
        self._end_reward, self._discount = end_reward, None
        self.follows, self.pays_ends = end_reward is None, end_reward != 1.0

    @property
    def discount(self) -> float | None:
        """Of the returns; it counts where ``end_reward`` is None."""
        return self._discount

    @discount.setter
    def discount(self, discount: float) -> None:
        if discount >= 1.0:
            wanted = "want a number, or a discount below 1"
            raise ValueError(f"MembershipReward.end_reward is None and the discount {discount}: {wanted}.")
        self._discount, self._end_reward = discount, 1.0 / (1.0 - discount)

    def relabel(self, transition: Transition) -> tuple[tf.Tensor, Metrics]:
        """0 for each of the agent's rows ``[...]``, and no metrics: there is nothing to see."""
        return self.reward(transition), {}

    def _raw(self, transition: Transition) -> tf.Tensor:
        return tf.zeros_like(transition.terminated)

    def expert_reward(self, transition: Transition) -> tf.Tensor:
        """1 for each of the demonstrations' rows ``[...]``, ``end_reward`` where the MDP ended."""
        return 1.0 + (self._end_reward - 1.0) * transition.terminated
