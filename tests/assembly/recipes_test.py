"""Names, layers, overlays, what --show and --list print, gin files and modules of one's own."""

import subprocess
import sys

import gin
import pytest

from gail_tf.assembly import recipe_texts, recipes, settings  # noqa: F401 - gin knows every part
from gail_tf.assembly.config import parse_gin
from gail_tf.errors import UserError
from gail_tf.resources import configs_dir


def bound(key):
    return str(gin.query_parameter(key))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder; Python's path without it, as under a console script, and put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    return tmp_path


def write(path, *lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_later_layers_win():
    found = recipes.layers(["gail_ppo/walker2d", "with/no_penalty"], ["a.b = 1"])
    assert list(dict.fromkeys(layer.source for layer in found)) == [
        "configs/recipes/gail_ppo.gin",
        "configs/tasks/walker2d.gin",
        "configs/recipes/gail_ppo.gin (walker2d)",
        "configs/tuned/gail_ppo/walker2d.gin",
        "configs/with/no_penalty.gin",
        "--gin",
    ]


def test_a_recipe_goes_with_a_task_that_it_was_never_written_for():
    parse_gin(["sac_gail/ant"], [])
    assert bound("make_environment.environment") == "Ant-v5"
    assert bound("Trainer.total_env_steps") == "200000"  # the recipe's own budget


def test_an_overlay_renames_the_algorithm_that_stands_before_it():
    parse_gin(["gail_trpo/hopper", "with/gail_vr"], [])
    assert bound("Experiment.algorithm") == "GAIL-VR (TRPO)"
    parse_gin(["sac_gail/pendulum", "with/gail_gp"], [])
    assert bound("Experiment.algorithm") == "GAIL-GP (SAC)"


@pytest.mark.parametrize(
    ("configs", "algorithm"),
    [
        (["gail_ppo/ant"], "GAIL + cloning (PPO)"),
        (["gail_ppo/ant", "with/no_cloning"], "GAIL (PPO)"),
        (["gail_ppo/ant", "with/gail_vr"], "GAIL-VR + cloning (PPO)"),
        (["gail_ppo/ant", "with/gail_vr", "with/no_cloning"], "GAIL-VR (PPO)"),
        (["gail_ppo/hopper", "with/gail_vr", "with/cloning"], "GAIL-VR + cloning (PPO)"),
        (["gail_vr/ant"], "GAIL-VR (PPO)"),
        (["sac_gail/ant", "with/cloning"], "GAIL + cloning (SAC)"),
        (["mgail/hopper"], "MGAIL + cloning"),
        (["mgail/hopper", "with/no_cloning"], "MGAIL"),
        (["mgail/hopper", "with/cloning"], "MGAIL + cloning"),
        (["gail_vr/ant_paper"], "GAIL-VR (PPO, Table 3)"),
        (["gail_ppo/ant", "with/table_3_gail"], "GAIL + cloning (PPO, Table 3)"),
        (["gail_ppo/hopper", "with/table_3_gail", "with/cloning"], "GAIL + cloning (PPO, Table 3)"),
        (["gail_ppo/hopper", "with/table_3_gail", "with/table_3_gail"], "GAIL (PPO, Table 3)"),
        (["gail_ppo/hopper", "with/table_3_gail", "with/gail_vr"], "GAIL-VR (PPO, Table 3)"),
    ],
)
def test_a_name_tells_of_cloning_where_there_is_some(configs, algorithm):
    parse_gin(configs, [])
    assert bound("Experiment.algorithm") == algorithm


@pytest.mark.parametrize("configs", [["gail_ppo/humanoid", "with/no_cloning"], ["gail_vr/humanoid"]])
def test_without_cloning_goes_what_a_recipe_has_beside_it(configs):
    """A clone's small steps and little noise would teach a policy nothing that starts from nothing."""
    parse_gin(["gail_ppo/humanoid"], [])
    with_it = [bound(key) for key in ("PPO.learning_rate", "PPO.cloning_coef", "Trainer.total_env_steps")]
    assert with_it == ["5e-05", "0.1", "400000"]
    gin.clear_config()
    parse_gin(configs, [])
    without = [bound(key) for key in ("PPO.learning_rate", "PPO.cloning_coef", "Trainer.total_env_steps")]
    assert without == ["0.0003", "0.0", "600000"]


@pytest.mark.parametrize("recipe", ["gail_ppo/pong", "gail_vr/pong", "gail_gp/pong", "w_gail/pong"])
def test_with_cloning_again_comes_what_a_recipe_has_beside_it(recipe):
    """GAIL-VR on Pong with cloning is GAIL with the regulariser: of the same clone, by the same steps."""
    parse_gin([recipe, "with/cloning"], [])
    keys = ("warm_start_epochs", "total_env_steps", "learning_rate", "cloning_coef")
    parts = ("OnPolicyGenerator", "Trainer", "PPO", "PPO")
    assert [bound(f"{part}.{key}") for part, key in zip(parts, keys, strict=True)] == [
        "100",
        "100000",
        "0.0001",
        "0.1",
    ]
    assert bound("Experiment.algorithm").endswith(" + cloning (PPO)")


def test_without_cloning_what_is_bound_by_hand_stays():
    parse_gin(["gail_ppo/humanoid", "with/no_cloning"], ["PPO.learning_rate = 1e-4"])
    assert bound("PPO.learning_rate") == "0.0001"


def test_an_overlay_for_one_part_or_another_binds_that_which_is_there():
    parse_gin(["gail_ppo/hopper", "with/cloning"], [])
    assert bound("PPO.cloning_coef") == "0.1"
    assert "SAC" not in gin.config_str()
    gin.clear_config()
    parse_gin(["sac_gail/hopper", "with/cloning"], [])
    assert (bound("SAC.cloning_coef"), bound("OffPolicyGenerator.expert_share")) == ("0.2", "0.03")
    assert "OnPolicyGenerator" not in gin.config_str()


@pytest.mark.parametrize(
    ("configs", "terms"),
    [
        (["gail_ppo/any"], "[@bce_loss]"),
        (["mgail/hopper"], "[@bce_loss, @entropy_bonus]"),
        (["gail_vr/any"], "[@bce_loss, @variance]"),
    ],
)
def test_spectral_normalisation_takes_the_penalty_alone_away(configs, terms):
    configs = [*configs, "with/spectral_norm"]
    parse_gin(configs, [])
    assert recipes.settings(recipes.layers(configs))["Discriminator.loss_terms"].text == terms


def test_terms_of_one_s_own_stay_as_they_are_beside_spectral_normalisation(folder):
    terms = (
        "Discriminator.loss_terms = [@bce_loss, @make_penalty(), @gradient_penalty, @soft_gradient_penalty]"
    )
    configs = ["gail_ppo/any", write(folder / "mine.gin", terms), "with/spectral_norm"]
    kept = recipes.settings(recipes.layers(configs))["Discriminator.loss_terms"].text
    assert kept == "[@bce_loss, @make_penalty(), @soft_gradient_penalty]"


@pytest.mark.parametrize(
    ("configs", "steps", "iterations"),
    [
        (["gail_trpo/humanoid"], 1_200_000, None),
        (["gail_trpo/humanoid", "with/no_cloning"], 3_000_000, None),
        (["gail_ppo/hopper", "with/demo"], 200_000, None),
        (["bc/any"], None, 200),
    ],
)
def test_the_budget_of_a_recipe_is_that_with_its_overlays(configs, steps, iterations):
    budget = {"recipe_env_steps": steps, "recipe_iterations": iterations}
    assert recipes.recipe_budget(configs) == budget


def test_a_term_that_is_bound_away_by_hand_is_a_person_s_own_affair():
    parse_gin(["gail_vr/any", "with/spectral_norm"], ["Discriminator.loss_terms = [@bce_loss]"])
    assert bound("Experiment.algorithm") == "GAIL-VR (PPO)"


def test_a_config_of_ones_own_that_binds_of_a_part_has_it(folder):
    # As of a run of before ModelBasedGenerator.learner, which is MGAIL by default.
    parts = "Experiment.generator = @ModelBasedGenerator", "MGAIL.horizon = 5"
    parse_gin([write(folder / "mine.gin", "Experiment.algorithm = 'MGAIL'", *parts), "with/cloning"], [])
    assert (bound("MGAIL.cloning_coef"), bound("Experiment.algorithm")) == ("1.0", "MGAIL + cloning")
    assert "PPO" not in gin.config_str()


@pytest.mark.parametrize(
    ("configs", "line"),
    [
        (
            ["dac_ddpg/hopper", "with/cloning"],
            "--config=with/cloning changes PPO or TRPO or SAC or TD3 or MGAIL, which dac_ddpg/hopper does "
            "not have: it goes on top of credo_ppo_gail, credo_tssg, dac_td3, gail_ppo, gail_trpo, mgail, "
            "mgail_paper, sac_gail, td3_gail",
        ),
        (
            ["dac_td3/hopper", "with/warm_start"],
            "--config=with/warm_start changes OnPolicyGenerator, which dac_td3/hopper does not have: "
            "it goes on top of credo_ppo_gail, gail_ppo, gail_trpo",
        ),
        (["bc/any", "with/reward_d"], "changes Discriminator, which bc/any does not have"),
        (["gail_trpo/any", "with/table_3"], "changes PPO, which gail_trpo/any does not have"),
        (["w_gail/any", "with/label_smoothing"], "changes bce_loss, which w_gail/any does not have"),
        (["ppo/any", "with/w_gail"], "goes on top of credo_ppo_gail, gail_ppo, gail_trpo"),
        (["sac_gail/any", "with/clipped_reward"], "changes PPO or TRPO"),
        (["gail_vr/any", "with/gail_gp"], "gail_vr/any and with/gail_gp have a discriminator each"),
        (["gail_vr/any", "with/no_penalty"], "--config=with/no_penalty takes variance away"),
        (["w_gail_gp/pong", "with/spectral_norm"], "--config=with/spectral_norm takes gradient_penalty away"),
    ],
)
def test_an_overlay_is_refused_where_the_recipe_lacks_what_it_changes(configs, line):
    with pytest.raises(UserError) as error:
        parse_gin(configs, [])
    assert line in str(error.value) and "\n" not in str(error.value)


def test_an_overlay_is_not_refused_on_a_recipe_of_one_s_own(folder):
    """It may rely on what the code has for defaults."""
    mine = write(folder / "mine.gin", "Experiment.generator = @OnPolicyGenerator")
    parse_gin([mine, "with/label_smoothing"], [])
    assert bound("bce_loss.label_smoothing") == "0.1"


@pytest.mark.parametrize(
    ("configs", "line"),
    [
        (["gail_ppo/hoper"], "neither a file nor a shipped config; did you mean gail_ppo/hopper"),
        (["nothing_like_it"], "a name is <recipe>/<task>, with recipes bc, "),
        (["with/reward_dd"], "did you mean with/reward_d"),
    ],
)
def test_an_unknown_name(configs, line):
    with pytest.raises(UserError, match="neither a file nor a shipped config") as error:
        parse_gin(configs, [])
    assert line in str(error.value)


@pytest.mark.parametrize("by_file", [False, True])
@pytest.mark.parametrize("old", sorted(recipes.RENAMED))
def test_a_binding_that_has_moved_names_the_new_one(old, by_file, folder):
    line = f"{old} = None"
    configs, bindings = ["gail_ppo/any"], [line]
    if by_file:
        configs, bindings = [write(folder / "mine.gin", "include 'gail_ppo/any.gin'", line)], []
    with pytest.raises(UserError) as error:
        parse_gin(configs, bindings)
    assert f"is {recipes.RENAMED[old]} now" in str(error.value)
    assert ("mine.gin" if by_file else "--gin") in str(error.value)


def test_show_tells_the_value_and_the_file_of_each_setting():
    text = recipe_texts.show_text(["gail_ppo/walker2d", "with/gail_vr"], ["variance.coef = 0.3"])
    lines = {line.split(" = ")[0]: " ".join(line.split()) for line in text.splitlines() if " = " in line}
    files = {
        "PPO.learning_rate": "= 3e-4 # configs/tuned/gail_ppo/walker2d.gin",
        "Trainer.total_env_steps": "= 1_500_000 # configs/recipes/gail_ppo.gin (walker2d): environment steps",
        "PPO.num_epochs": "= 10 # configs/recipes/gail_ppo.gin: passes over a batch",
        "make_environment.environment": "= 'Walker2d-v5' # configs/tasks/walker2d.gin",
        "OnPolicyGenerator.segment_length": "= 8 # configs/with/gail_vr.gin: not in the paper",
        "variance.coef": "= 0.3 # --gin",
    }
    for key, end in files.items():
        assert lines[key].startswith(f"{key} {end}")
    first, rest = text.split("# The rest.")
    assert "PPO.learning_rate" in first and "make_environment" not in first
    assert "make_environment" in rest
    assert "\nvariance.coef" in first and "\nOnPolicyGenerator.segment_length" in first
    head = first.split("\n\n")[0]
    assert "GAIL with PPO" in head and "GAIL-VR" in head  # a sentence of each


def test_show_tells_a_flag_s_binding_from_a_gin_binding():
    text = recipe_texts.show_text(["gail_ppo/any"], ["PPO.num_epochs = 3"], ["Experiment.seed = 7"])
    assert text.startswith("# gail_ppo/any and --gin and flags\n")
    first = [" ".join(line.split()) for line in text.split("# The rest.")[0].splitlines()]
    assert "PPO.num_epochs = 3 # --gin" in first and "Experiment.seed = 7 # flags" in first


def test_a_setting_of_what_an_overlay_replaced_does_not_matter():
    first, rest = recipe_texts.show_text(["w_gail/hopper"]).split("# The rest.")
    assert "gradient_penalty.coef" not in first and "gradient_penalty.coef" in rest
    assert "\nDiscriminator.loss_terms = [@wasserstein_loss]" in first


@pytest.mark.parametrize(
    "configs", [["gail_vr/atari_paper"], ["mgail/cartpole", "with/state_only"], ["ppo/ant"]]
)
def test_what_show_prints_is_a_gin_file_of_the_same_settings(configs, folder):
    parse_gin(configs, ["Experiment.seed = 3"])
    wanted = gin.config_str()
    shown = write(folder / "shown.gin", recipe_texts.show_text(configs, ["Experiment.seed = 3"]))
    parse_gin([shown], [])
    assert gin.config_str() == wanted


def test_the_settings_that_matter_are_five_to_eight():
    for recipe in [path.stem for path in (configs_dir() / "recipes").glob("*.gin")]:
        first = recipe_texts.show_text([f"{recipe}/any"]).split("# The rest.")[0]
        assert 5 <= sum(line[:1].isalpha() for line in first.splitlines()) <= 8, recipe


def test_list_and_show_need_no_tensorflow():
    program = (
        "import sys; from gail_tf.assembly import recipe_texts; print(recipe_texts.list_text()); "
        "recipe_texts.show_text(['gail_vr/hopper']); assert 'tensorflow' not in sys.modules"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    for line in ("  sac_gail ", "  half_cheetah ", "  warm_start ", "  reward_d ", "  gail_vr/<task> "):
        assert line in printed


def test_includes_of_old_names_resolve(folder):
    mine = write(
        folder / "mine.gin",
        "include 'gail_vr/hopper.gin'",
        "include 'with/label_smoothing.gin'",
        "variance.coef = 0.2",
    )
    parse_gin([mine], ["PPO.num_epochs = 3"])
    assert bound("make_environment.environment") == "Hopper-v5"
    assert bound("Experiment.algorithm") == "GAIL-VR (PPO)"
    assert bound("bce_loss.label_smoothing") == "0.1"
    assert (bound("variance.coef"), bound("PPO.num_epochs")) == ("0.2", "3")
    assert "variance.coef = 0.2" in recipe_texts.show_text([mine])


@pytest.mark.parametrize(
    "configs",
    [
        ("gail_ppo/hopper", "with/gail_vr", "with/spectral_norm"),  # which drops a term, and leaves others
        ("gail_ppo/half_cheetah", "with/no_cloning"),  # which takes the networks of the cloning along
        ("gail_trpo/hopper", "with/cloning"),  # of which PPO's, SAC's and other parts are left out
    ],
)
def test_an_include_is_what_config_would_be(configs, folder):
    """With includes within includes, and in bindings."""
    wanted = {key: one.text for key, one in recipes.settings(recipes.layers(configs)).items()}
    base = write(folder / "base.gin", f"include '{configs[0]}.gin'", f"include '{configs[1]}.gin'")
    rest = [f"include '{name}'" for name in configs[2:]]
    mine = write(folder / "mine.gin", "# Mine.", f"include '{base}'", *rest, "Trainer.num_evaluations = 3")
    wanted["Trainer.num_evaluations"] = "3"
    for given in ([mine],), ([base], [*rest, "Trainer.num_evaluations = 3"]):
        found = {key: one.text for key, one in recipes.settings(recipes.layers(*given)).items()}
        assert found == wanted
    own = [one for one in recipes.walk(recipes.layers([mine])) if one.source == mine]
    assert [one.first_line for one in own] == [len(configs) + 1]  # as in the file
    first, _ = recipe_texts.show_text([mine]).split("# The rest.")
    assert "Discriminator.learning_rate" in first


def test_an_included_overlay_that_does_not_fit_is_refused(folder):
    mine = write(folder / "mine.gin", "include 'bc/hopper.gin'", "include 'with/gail_vr.gin'")
    with pytest.raises(UserError, match=r"^include 'with/gail_vr.gin' changes OnPolicyGenerator and Discri"):
        parse_gin([mine], [])
    mine = write(folder / "mine.gin", "include 'gail_vr/hopper.gin'", "include 'with/no_penalty.gin'")
    with pytest.raises(UserError, match=r"^include 'with/no_penalty.gin' takes variance away, without whi"):
        parse_gin([mine], [])


@pytest.mark.parametrize("there", ["mine", "other"])
def test_a_file_that_includes_itself_is_refused(folder, there, monkeypatch):
    monkeypatch.chdir(folder)
    mine = write(folder / "mine.gin", f"include '{there}.gin'")
    write(folder / "other.gin", "include 'mine.gin'")
    for read in (lambda: parse_gin([mine], []), lambda: recipe_texts.show_text([mine])):
        with pytest.raises(UserError, match=r"mine.gin includes itself, by include 'mine.gin': leave that"):
            read()


@pytest.mark.parametrize(
    "configs",
    [
        ("gail_ppo/hopper", "with/reward_airl"),
        ("gail_ppo/hopper", "with/warm_start"),
        ("gail_ppo/half_cheetah", "with/no_cloning", "with/cloning"),
    ],
)
def test_a_shipped_name_may_be_typed_as_a_file_s(configs):
    typed = [f"{name}.gin" for name in configs]
    assert recipes.settings(recipes.layers(typed)) == recipes.settings(recipes.layers(configs))
    recipes.check(typed, recipes.layers(typed))
    with pytest.raises(UserError, match="gail_ppo/hopper.gin is a recipe and undoes what stands before"):
        recipes.check_order([*typed, "gail_ppo/hopper.gin"])


def test_a_folder_of_a_recipe_s_name_is_no_config(folder, monkeypatch):
    """Such as one of runs, in the working directory of ``python -m gail_tf.bin.train``."""
    (folder / "sac_gail").mkdir()
    monkeypatch.syspath_prepend(folder)
    mine = write(folder / "mine.gin", "include 'sac_gail/hopper.gin'")
    parse_gin([mine], [])
    assert bound("make_environment.environment") == "Hopper-v5"


def test_a_mistake_in_a_file_of_one_s_own_names_file_and_line(folder):
    mine = write(folder / "mine.gin", "include 'gail_ppo/any.gin'", "", "PPO.lerning_rate = 1.0")
    with pytest.raises(UserError, match="did you mean learning_rate") as error:
        parse_gin([mine], [])
    with pytest.raises(UserError, match="gail_ppo/hoper.gin"):
        parse_gin([write(folder / "b.gin", "include 'gail_ppo/hoper.gin'")], [])
    assert "\n" not in str(error.value)


def test_a_module_that_ends_the_program_is_told_of(folder):
    write(folder / "my_script.py", "import argparse", "argparse.ArgumentParser().parse_args(['--seed'])")
    with pytest.raises(UserError) as error:
        parse_gin([write(folder / "mine.gin", "import my_script")], [])
    assert "a module that it imports (import my_script) ends the program (SystemExit: 2)" in str(error.value)


def test_modules_beside_the_gin_file_and_in_the_working_folder_are_importable(folder):
    part = "import gin\n\n@gin.configurable\ndef {}(logits):\n    return logits\n"
    write(folder / "parts" / "my_rewards_beside.py", part.format("reward_of_mine"))
    write(folder / "my_rewards_here.py", part.format("another_of_mine"))
    mine = write(
        folder / "parts" / "mine.gin",
        "import my_rewards_beside",
        "import my_rewards_here",
        "include 'gail_ppo/cartpole.gin'",
        "Discriminator.reward_fn = @reward_of_mine",
    )
    folders = parse_gin(["parts/mine.gin"], [])
    assert folders == [str(folder / "parts"), str(folder)]
    assert bound("Discriminator.reward_fn") == "@reward_of_mine"
    assert "import my_rewards_beside" in recipe_texts.show_text([mine])


def test_a_resumed_run_finds_its_modules_from_elsewhere(folder, monkeypatch, request):
    write(
        folder / "parts" / "my_resumed_part.py",
        "import gin\n\n@gin.configurable\ndef resumed_part(x): pass\n",
    )
    write(folder / "parts" / "mine.gin", "import my_resumed_part", "Discriminator.reward_fn = @resumed_part")
    path = list(sys.path)
    folders = parse_gin(["parts/mine.gin"], [])
    saved = gin.config_str()
    monkeypatch.setattr(sys, "path", path)
    monkeypatch.delitem(sys.modules, "my_resumed_part")
    monkeypatch.chdir("/")
    wanted = "No module named 'my_resumed_part' import my_resumed_part; want it in /was or /, or installed."
    with pytest.raises(UserError, match=wanted):
        parse_gin([], saved.splitlines(), ["/was"])
    request.addfinalizer(gin.exit_interactive_mode)
    gin.enter_interactive_mode()  # as in a new process, where nothing has registered the name
    parse_gin([], saved.splitlines(), folders)
    assert bound("Discriminator.reward_fn") == "@resumed_part"


@pytest.mark.parametrize(
    "binding, said",
    [
        ("total_env_steps = 20_000", "--gin binds 'total_env_steps', which nothing uses: want the name of a"),
        (
            "Discriminator.loss_terms = [@hinge]",
            "wants 'import its_module' before it, and @gin.configurable.",
        ),
    ],
)
def test_names_that_mean_nothing_are_told(binding, said):
    with pytest.raises(UserError, match=said):
        parse_gin(["gail_ppo/any"], [binding])


def test_a_macro_that_is_used_is_none_of_them():
    parse_gin(["gail_ppo/any"], ["rate = 0.01", "Discriminator.learning_rate = %rate"])
    assert gin.get_bindings("Discriminator")["learning_rate"] == 0.01


def test_a_name_that_two_parts_have_is_one_line(folder, monkeypatch):
    # Names of their own: what a process has registered once, it keeps.
    for module in ("first_with_it", "second_with_it"):
        lines = ("import gin", "@gin.configurable", "def had_by_two(logits):", "    return logits")
        write(folder / f"{module}.py", *lines)
    monkeypatch.chdir(folder)
    imports = ["import first_with_it", "import second_with_it"]
    with pytest.raises(UserError, match="'first_with_it.had_by_two'.* in full, or give yours another name"):
        parse_gin(["gail_ppo/any"], [*imports, "Discriminator.reward_fn = @had_by_two"])


@pytest.mark.parametrize(
    "line",
    [
        "PPO.learning_rate = 1e400",
        "PPO.max_gradient_norm = -1e999",
        "make_environment.kwargs = {'bounds': (0.0, 1e999)}",
    ],
)
def test_an_infinity_is_refused(line):
    """Gin's record of the settings would leave it out, and the run would be made from the default."""
    key, value = line.split(" = ")
    with pytest.raises(UserError) as error:
        parse_gin(["gail_ppo/any"], [line])
    assert str(error.value).startswith(
        f"config: --gin binds {key} to {value}, an infinity: want a finite number"
    )


def test_an_infinity_that_a_later_binding_replaces_is_none():
    parse_gin(["gail_ppo/any"], ["PPO.learning_rate = 1e400", "PPO.learning_rate = 1e-4"])
    assert bound("PPO.learning_rate") == "0.0001"


def test_another_agent_gives_the_algorithm_its_name_unless_the_config_has_one():
    def named(config, *bindings):
        return recipes.settings(recipes.layers([config], bindings))["Experiment.algorithm"].value

    mine, own = "OnPolicyGenerator.agent = @my_agent.A2C", "Experiment.algorithm = 'Mine'"
    pendulum = "gail_ppo/pendulum"
    assert named(pendulum) == named(pendulum, "OnPolicyGenerator.agent = @PPO") == "GAIL + cloning (PPO)"
    assert named(pendulum, mine) == "GAIL (A2C)"
    assert named(pendulum, mine, own) == "Mine"
    assert named("ppo/any", mine) == "A2C"


@pytest.mark.parametrize("opened, closed, words", [(3000, 3000, "nested too deep"), (2, 1, "never closed")])
def test_brackets_are_told_in_words(opened, closed, words):
    with pytest.raises(UserError, match=f"^config: a .*{words}$"):
        parse_gin(["gail_ppo/cartpole"], [f"PPO.learning_rate = {'[' * opened}{']' * closed}"])
