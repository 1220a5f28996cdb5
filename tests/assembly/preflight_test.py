"""What gin does not take, in one line, before anything is built of it."""

import gin
import pytest

from gail_tf.assembly.preflight import refusal


@pytest.fixture(autouse=True)
def cleared():
    yield
    gin.clear_config()


@pytest.mark.parametrize(
    ("binding", "told"),
    [
        ("PPO.learning_rat = 1e-5", "did you mean learning_rate"),
        ("PP.learning_rate = 1e-5", "No configurable matching 'PP'"),
        ("PPO.num_epochs = 1.5", "PPO.num_epochs = 1.5: want an integer."),
        ("Discriminator.reward_fn = @arl", "did you mean airl?"),
    ],
)
def test_what_gail_train_would_refuse_is_said(binding, told):
    said = refusal(["gail_ppo/any"], [binding])
    assert told in said and "\n" not in said


def test_what_it_takes_is_not():
    lines = ["PPO.learning_rate = 1e-5", "Discriminator.reward_fn = @airl"]
    assert refusal(["gail_ppo/any"], lines) is None
