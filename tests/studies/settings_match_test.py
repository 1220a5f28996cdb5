"""Which flags, and which words of a file of one's own, make another run of one that is on the disk."""

import pytest

from gail_tf.errors import UserError
from gail_tf.studies.settings_match import other_settings

# What a run with OWN on top of a recipe leaves in run.json, as gin writes it.
OWN = """
epochs = 3
PPO.num_epochs = %epochs
PPO:
    learning_rate = 5e-4
Trainer.total_env_steps = 2_048
Discriminator.reward_fn = @airl
Discriminator.loss_terms = [@mine.loss, @gradient_penalty]
make_actor_network.hidden = (
    32,
)
loss.text = 'a long me@x of %5 words'
"""
RECORDED = {
    "epochs": 3,
    "PPO.num_epochs": "%epochs",
    "PPO.learning_rate": 0.0005,
    "PPO.clip_range": 0.2,
    "Trainer.total_env_steps": 2048,
    "Discriminator.reward_fn": "@gail_tf.rewards.functions.airl",
    "Discriminator.loss_terms": "[@loss, @gradient_penalty]",
    "make_actor_network.hidden": "(32,)",
    "loss.text": "('a long me@x ' 'of %5 words')",
    "make_environment.environment": "CartPole-v1",
}


def flags(configs, lines=()):
    own = [*(f"--config={name}" for name in configs), *(f"--gin={text}" for text in lines)]
    return [*own, "--environment=CartPole-v1", "--seed=0"]


def made_with(configs, lines=(), **info):
    command = ["gail-train", *flags(configs, lines), "--run_dir=there", "--demonstrations=here.npz"]
    return {"command": command, **info}


def test_the_same_flags_make_the_same_run_wherever_it_lies():
    assert (
        other_settings(made_with(["gail_ppo/any"], ["a.b = 1"]), flags(["gail_ppo/any"], ["a.b = 1"])) is None
    )


def test_flags_of_either_alone_are_told():
    was, wanted = other_settings(made_with(["bc/any"], ["a.b = 1"]), flags(["bc/any"]))
    assert (was, wanted) == ("'--gin=a.b = 1'", "nothing more")


def test_bindings_of_one_setting_in_another_order_make_another_run():
    slow, fast = "PPO.learning_rate = 0.001", "agents.PPO.learning_rate = 0.002"
    found = other_settings(made_with(["gail_ppo/any"], [slow, fast]), flags(["gail_ppo/any"], [fast, slow]))
    assert found == ("PPO.learning_rate = 0.002", "PPO.learning_rate = 0.001")
    assert other_settings(made_with(["bc/any"], [slow, fast]), flags(["bc/any"], [slow, fast])) is None


def test_bindings_of_other_settings_may_stand_in_any_order():
    lines = ["PPO.learning_rate = 0.001", "PPO.num_epochs = 3", "import mine", "import yours"]
    asked = flags(["gail_ppo/any"], lines[::-1])
    assert other_settings(made_with(["gail_ppo/any"], lines), asked) is None
    again = flags(["gail_ppo/any"], [*lines, lines[0]])
    assert other_settings(made_with(["gail_ppo/any"], lines), again) is None


def test_overlays_in_another_order_make_another_run_where_they_bind_the_same():
    recipe, d, airl, spectral = "gail_ppo/any", "with/reward_d", "with/reward_airl", "with/spectral_norm"
    found = other_settings(made_with([recipe, d, airl]), flags([recipe, airl, d]))
    assert found == ("Discriminator.reward_fn = @airl", "Discriminator.reward_fn = @d")
    assert other_settings(made_with([recipe, d, spectral]), flags([recipe, spectral, d])) is None


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.gin"
    path.write_text(OWN)
    return path


def of(path, lines=(), recorded=RECORDED):
    """What is found of a run that was made with ``path``, by what the file says now."""
    configs = ["gail_ppo/cartpole", str(path)]
    return other_settings(made_with(configs, lines, bindings=recorded), flags(configs, lines))


def test_a_file_that_is_what_it_was_makes_the_same_run(own):
    assert of(own) is None
    own.write_text(OWN.replace("2_048", "2048  # steps").replace("@airl", "@functions.airl") + "\n# more\n")
    assert of(own) is None


@pytest.mark.parametrize(
    ("before", "after", "was", "wanted"),
    [
        ("epochs = 3", "epochs = 99", "epochs = 3", "epochs = 99"),
        ("5e-4", "5e-3", "PPO.learning_rate = 0.0005", "PPO.learning_rate = 0.005"),
        ("@gradient", "@no", "[@loss, @gradient_penalty]", "[@mine.loss, @no_penalty]"),
        ("%5", "%6", "of %5 words", "of %6 words"),
        (
            "epochs = 3",
            "epochs = 3\nload_demonstrations.subsample = 5",
            "no load_",
            "load_demonstrations.subsample",
        ),
        ("epochs = 3", "epochs = 3\nPPO.clip_range = 0.1", "PPO.clip_range = 0.2", "PPO.clip_range = 0.1"),
        (
            "epochs = 3",
            "epochs = 3\nPPO.adam_epsilon = 1e-6",
            "no PPO.adam_epsilon",
            "PPO.adam_epsilon = 1e-06",
        ),
    ],
)
def test_a_file_that_says_something_else_by_now_makes_another_run(own, before, after, was, wanted):
    own.write_text(OWN.replace(before, after))
    found = of(own)
    assert was in found[0] and wanted in found[1] and found[1].endswith(f", by {own}")


def test_a_file_that_another_includes_counts_as_well(own, tmp_path):
    outer = tmp_path / "outer.gin"
    outer.write_text(f"include '{own}'\n")
    assert of(outer) is None
    own.write_text(OWN.replace("epochs = 3", "epochs = 4"))
    assert of(outer) == ("epochs = 3", f"epochs = 4, by {own}")


def test_a_file_that_includes_another_recipe_by_now_makes_another_run(tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text("include 'gail_trpo/cartpole.gin'\n")
    info = made_with([str(path)], bindings={"x": 1}, includes=["gail_ppo/cartpole.gin"])
    found = other_settings(info, flags([str(path)]))
    assert found == ("include 'gail_ppo/cartpole.gin'", "include 'gail_trpo/cartpole.gin'")
    assert other_settings(info | {"includes": ["gail_trpo/cartpole.gin"]}, flags([str(path)])) is None
    # A run of before does not say what its file included.
    assert other_settings(made_with([str(path)], bindings={}), flags([str(path)])) is None


def test_what_comes_after_a_file_or_is_settled_by_the_program_is_not_the_files(own):
    own.write_text(
        OWN.replace("5e-4", "5e-3").replace("@airl", "None")
        + "make_environment.environment = 'Other-v0'\nExperiment.seed = 5\n"
    )
    later = RECORDED | {"PPO.learning_rate": 0.0005}
    assert of(own, ["PPO.learning_rate = 5e-4"], later) is None


def test_what_a_shipped_recipe_says_today_makes_no_other_run():
    info = made_with(["gail_ppo/cartpole"], bindings={"PPO.num_epochs": 12345})
    assert other_settings(info, flags(["gail_ppo/cartpole"])) is None


def test_an_older_record_without_bindings_is_left_at_the_name(own):
    assert of(own, recorded=None) is None


@pytest.mark.parametrize("text", ["PPO.num_epochs = (", "PPO.num_epochs 3", "include '{own}'"])
def test_a_file_that_is_no_gin_is_one_line(own, text):
    own.write_text(text.format(own=own))
    with pytest.raises(UserError, match=r"--config=.*own.gin: is no gin: .*") as error:
        of(own)
    assert "\n" not in str(error.value)
