"""What is said of values that gin binds and the code does not take."""

import gin
import pytest

from gail_tf.assembly import configurables  # noqa: F401 - gin knows every part
from gail_tf.assembly.config_types import check_types
from gail_tf.errors import UserError


@gin.configurable
class ScaledTransform:
    """A transform of a reward that is made first, of a scale that has no default."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, reward):
        return self.scale * reward


def test_a_class_that_lacks_a_value_wants_it_bound_and_a_function_its_brackets_left_out():
    gin.parse_config("Discriminator.reward_transforms = [@ScaledTransform()]")
    with pytest.raises(
        UserError, match="its scale has no value: bind ScaledTransform.scale, or, where the c"
    ):
        check_types()
    gin.parse_config("ScaledTransform.scale = 2.0")
    check_types()
    gin.parse_config("Discriminator.reward_transforms = [@clipped()]")
    with pytest.raises(
        UserError, match=r"@clipped\(\) is called where it is used, .* leave out the brackets"
    ):
        check_types()
