import json

import numpy as np
import pytest
from matplotlib import image

from gail_tf.errors import UserError
from gail_tf.reporting import figures
from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.runs import load_run

ALL_METRICS = {
    "episode/return": 100.0,
    "discriminator/accuracy_expert": 0.3,
    "discriminator/accuracy_agent": 0.2,
    "discriminator/expert_probability": 0.1,
    "discriminator/gradient_norm": 1.0,
    "reward/agent_mean": 0.5,
    "reward/agent_std": 0.1,
    "reward/expert_mean": 0.7,
    "reward/expert_std": 0.1,
    "generator/kl": 0.01,
    "generator/entropy": 1.0,
    "generator/policy_gradient_norm": 0.4,
    "generator/explained_variance": 0.2,
}


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


def line(ax, label):
    (found,) = [one for one in ax.lines if one.get_label() == label]
    return found


def check_picture(path):
    pixels = image.imread(path)
    assert pixels.shape[0] > 200 and pixels.shape[1] > 400
    assert (pixels[..., :3].min(axis=-1) < 0.9).mean() > 0.005, "an empty picture"


def test_a_full_run_has_all_six_panels(make_run_dir, tmp_path, rendered):
    figure = figures.draw_run(load_run(make_run_dir(metrics=ALL_METRICS)), tmp_path / "curve.png")
    assert len(titles(figure)) == 6
    assert len(figure.axes) == 7  # Entropy has an axis of its own.
    check_picture(tmp_path / "curve.png")
    ax = figure.axes[0]
    np.testing.assert_array_equal(line(ax, "evaluation").get_xydata(), [[100, 0], [200, 500], [300, 1000]])
    np.testing.assert_array_equal(line(ax, "expert").get_ydata(), [1000, 1000])
    np.testing.assert_array_equal(line(ax, "random policy").get_ydata(), [0, 0])
    assert "environment steps" in ax.get_xlabel()


def test_findings_stand_below_the_panels_whatever_their_length(make_run_dir, tmp_path):
    run = load_run(make_run_dir(metrics=ALL_METRICS))
    figure = figures.draw_run(run, tmp_path / "curve.png", "gail-doctor: " + "discriminator too strong; " * 9)
    assert figure.get_supxlabel().startswith("gail-doctor: discriminator too strong;")
    assert "\n" in figure.get_supxlabel()
    assert figures.draw_run(run, tmp_path / "curve.png").get_supxlabel() == ""


def test_panels_without_data_are_left_out_and_cloning_counts_iterations(make_run_dir, tmp_path):
    losses = {"cloning/train_loss": 0.25, "cloning/validation_loss": 0.5}
    run = load_run(make_run_dir(steps_per_line=0, algorithm="bc", metrics=losses))
    figure = figures.draw_run(run, tmp_path / "curve.png")
    assert titles(figure) == ["Return", "Cloning loss"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["iteration", "iteration"]
    np.testing.assert_allclose(line(figure.axes[1], "validation").get_ydata(), [0.5, 1.0, 1.5])
    np.testing.assert_array_equal(line(figure.axes[0], "evaluation").get_xdata(), [1, 2, 3])


def test_a_warm_start_is_no_panel_and_cloning_beside_gail_is(make_run_dir, tmp_path):
    directory = make_run_dir(metrics={"generator/cloning_loss": 0.5})
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    first = {"iteration": -1, "env_steps": 0, "cloning/train_loss": -3.0, "cloning/validation_loss": -2.9}
    (directory / "metrics.jsonl").write_text("\n".join([json.dumps(first), *lines]) + "\n")
    figure = figures.draw_run(load_run(directory), tmp_path / "curve.png")
    assert titles(figure) == ["Return", "Cloning loss"]
    assert [one.get_label() for one in figure.axes[1].lines] == ["of the policy's update"]


def test_critic_and_forward_model_have_panels(make_run_dir, tmp_path):
    values = {"generator/critic_mean": 3.0, "model/one_step_error": 0.1, "model/h_step_error": 0.3}
    figure = figures.draw_run(load_run(make_run_dir(metrics=values)), tmp_path / "curve.png")
    _, critic, model = figure.axes
    np.testing.assert_allclose(critic.lines[-1].get_ydata(), [3.0, 6.0, 9.0])
    assert model.get_yscale() == "log"
    np.testing.assert_allclose(line(model, "H steps ahead").get_ydata(), [0.3, 0.6, 0.9])


def test_an_unfinished_run_says_so_in_its_title(make_run_dir, tmp_path):
    figure = figures.draw_run(load_run(make_run_dir(status="interrupted")), tmp_path / "curve.png")
    assert "interrupted after 300 steps" in figure.get_suptitle()


@pytest.mark.parametrize("largest, scale", [(2.0, "linear"), (1e6, "log")])
def test_an_exploding_gradient_gets_a_log_axis(make_run_dir, tmp_path, largest, scale):
    path = make_run_dir(metrics={"generator/policy_gradient_norm": 1.0})
    with open(path / "metrics.jsonl", "a") as file:
        file.write(f'{{"iteration": 9, "env_steps": 900, "generator/policy_gradient_norm": {largest}}}\n')
    figure = figures.draw_run(load_run(path), tmp_path / "curve.png")
    (ax,) = [ax for ax in figure.axes if ax.get_title(loc="left") == "Gradient norm"]
    assert ax.get_yscale() == scale


def test_comparison_draws_the_median_and_the_quartiles(make_run_dir, tmp_path, rendered):
    finals = (0.0, 400.0, 600.0, 1000.0, 500.0)
    runs = [load_run(make_run_dir(f"{i}", returns=(0.0, final), seed=i)) for i, final in enumerate(finals)]
    figure = figures.draw_comparison(group_runs(runs), tmp_path / "curves.png")
    (ax,) = figure.axes
    assert line(ax, "gail_ppo").get_ydata()[-1] == pytest.approx(0.5)
    (band,) = ax.collections
    at_the_end = [y for x, y in band.get_paths()[0].vertices if x == 200]
    assert (min(at_the_end), max(at_the_end)) == pytest.approx((0.4, 0.6))
    check_picture(tmp_path / "curves.png")


def test_comparison_has_a_panel_an_environment_and_one_colour_an_algorithm(make_run_dir, tmp_path):
    runs = [
        load_run(make_run_dir(f"{environment}/{algorithm}", environment=environment, algorithm=algorithm))
        for environment in ("Hopper-v5", "Ant-v5")
        for algorithm in ("gail_ppo", "gail_trpo")
    ]
    figure = figures.draw_comparison(group_runs(runs), tmp_path / "curves.png")
    assert titles(figure) == ["Ant-v5", "Hopper-v5"]
    colors = [[line(ax, name).get_color() for name in ("gail_ppo", "gail_trpo")] for ax in figure.axes]
    assert colors[0] == colors[1] and colors[0][0] != colors[0][1]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["gail_ppo", "gail_trpo"]


def test_comparison_keeps_unfinished_runs_out_of_the_median_but_in_sight(make_run_dir, tmp_path):
    good = load_run(make_run_dir("good", returns=(1000.0, 1000.0), seed=0))
    bad = load_run(make_run_dir("bad", returns=(0.0, 0.0), seed=1, status="failed"))
    figure = figures.draw_comparison(group_runs([good, bad]), tmp_path / "curves.png")
    (ax,) = figure.axes
    np.testing.assert_allclose(line(ax, "gail_ppo").get_ydata(), 1.0)
    dotted = [one for one in ax.lines if one.get_linestyle() == ":" and len(one.get_xdata()) == 2]
    assert any(np.array_equal(one.get_xydata(), [[100, 0], [200, 0]]) for one in dotted)
    assert figures.UNFINISHED in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_diverged_run_alone_is_its_groups_line_and_the_legend_names_no_other(make_run_dir, tmp_path):
    run = load_run(make_run_dir(returns=(0.0, 50.0)))
    figure = figures.draw_comparison(group_runs([run]), tmp_path / "curves.png")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["gail_ppo"]


def test_all_numbers_of_a_logarithmic_axis_have_one_size(make_run_dir, tmp_path):
    metrics = {"generator/policy_gradient_norm": [0.2, 1.0, 6.0]}
    figure = figures.draw_run(load_run(make_run_dir(metrics=metrics)), tmp_path / "curve.png")
    (ax,) = [ax for ax in figure.axes if ax.get_yscale() == "log"]
    labels = [*ax.get_yticklabels(), *ax.get_yticklabels(minor=True)]
    assert {label.get_size() for label in labels} == {8}


def test_a_diverged_run_is_in_the_median_and_in_sight(make_run_dir, tmp_path):
    finals = (1000.0, 1000.0, 50.0)
    runs = [load_run(make_run_dir(f"{i}", returns=(0.0, final), seed=i)) for i, final in enumerate(finals)]
    figure = figures.draw_comparison(group_runs(runs), tmp_path / "curves.png")
    (ax,) = figure.axes
    assert line(ax, "gail_ppo").get_ydata()[-1] == 1.0
    dotted = [one for one in ax.lines if one.get_linestyle() == ":" and len(one.get_xdata()) == 2]
    assert any(np.array_equal(one.get_xydata(), [[100, 0], [200, 0.05]]) for one in dotted)


@pytest.mark.parametrize("steps, scale", [(400, "linear"), (1000, "log")])
def test_lines_of_very_different_lengths_are_counted_by_ratios(make_run_dir, tmp_path, steps, scale):
    short = load_run(make_run_dir("short", label="SAC"))
    long = load_run(make_run_dir("long", label="PPO", steps_per_line=steps))
    stopped = load_run(make_run_dir("stopped", label="TRPO", steps_per_line=10, status="interrupted"))
    figure = figures.draw_comparison(group_runs([short, long, stopped]), tmp_path / "curves.png")
    (ax,) = figure.axes
    assert ax.get_xscale() == scale
    assert ax.get_xlim()[0] == (0 if scale == "linear" else 10)


def test_runs_without_a_step_in_common_break_no_panel(make_run_dir, tmp_path):
    """Their median is nowhere, and a clone beside them is a level line."""
    ends = {f"{i}": {"steps_per_line": steps, "seed": i} for i, steps in enumerate((1000, 6000, 6000))}
    runs = [load_run(make_run_dir(name, returns=(500.0,), **more)) for name, more in ends.items()]
    runs.append(load_run(make_run_dir("clone", returns=(900.0,), steps_per_line=0, algorithm="bc")))
    (ax,) = figures.draw_comparison(group_runs(runs), tmp_path / "curves.png").axes
    assert ax.get_xscale() == "linear"
    nothing = load_run(make_run_dir("failed", returns=(), status="failed"))
    (ax,) = figures.draw_comparison(group_runs([nothing]), tmp_path / "nothing.png").axes
    assert not ax.lines


def test_runs_of_a_single_evaluation_are_points(make_run_dir, tmp_path):
    """A line of one point shows nothing: the panel was empty."""
    done = load_run(make_run_dir("done", returns=(500.0,), label="A"))
    stopped = load_run(make_run_dir("stopped", returns=(400.0,), label="B", status="interrupted"))
    (ax,) = figures.draw_comparison(group_runs([done, stopped]), tmp_path / "curves.png").axes
    assert [one.get_marker() for one in ax.lines if len(one.get_xdata()) == 1] == ["o", "o"]


def test_comparison_has_a_panel_a_task_of_a_study(make_run_dir, tmp_path):
    runs = [
        load_run(make_run_dir(f"{task}/{label}", task=task, label=label, subsample=subsample))
        for task, subsample in (("full", 1), ("sparse", 20))
        for label in ("A", "A + B")
    ]
    figure = figures.draw_comparison(group_runs(runs), tmp_path / "curves.png")
    assert titles(figure) == ["Hopper-v5: full", "Hopper-v5: sparse"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["A", "A + B"]


def test_cloning_is_a_level_line_in_a_comparison(make_run_dir, tmp_path):
    cloned = load_run(make_run_dir(steps_per_line=0, returns=(100.0, 700.0), label="BC"))
    beside = load_run(make_run_dir("beside", label="GAIL"))
    figure = figures.draw_comparison(group_runs([cloned, beside]), tmp_path / "curves.png")
    assert any(np.allclose(one.get_ydata(), 0.7) for one in figure.axes[0].lines)
    assert figure.axes[0].get_xlabel() == "environment steps"


def test_a_clone_that_failed_is_a_dotted_level_line_from_side_to_side(make_run_dir, tmp_path):
    finals = {"clone": 700.0, "failed_clone": 50.0}
    runs = [
        load_run(make_run_dir(name, steps_per_line=0, returns=(final,), label="BC", seed=i))
        for i, (name, final) in enumerate(finals.items())
    ]
    runs.append(load_run(make_run_dir("beside", label="GAIL")))
    figure = figures.draw_comparison(group_runs(runs), tmp_path / "curves.png")
    dotted = [one for one in figure.axes[0].lines if one.get_linestyle() == ":"]
    assert any(np.allclose(one.get_ydata(), 0.05) and len(one.get_xdata()) == 2 for one in dotted)


def test_cloning_alone_is_drawn_against_iterations(make_run_dir, tmp_path):
    run = load_run(make_run_dir(steps_per_line=0, returns=(100.0, 700.0, 400.0), label="BC"))
    figure = figures.draw_comparison(group_runs([run]), tmp_path / "curves.png")
    assert figure.axes[0].get_xlabel() == "iteration"
    np.testing.assert_allclose(line(figure.axes[0], "BC").get_ydata()[[0, -1]], [0.1, 0.4])


def test_an_environment_without_an_expert_shows_returns(make_run_dir, tmp_path):
    expert_training = {"algorithm": "ppo", "expert_return": None}
    runs = [
        load_run(make_run_dir("raw", environment="Hopper-v5", returns=(100.0, 3000.0), **expert_training)),
        load_run(make_run_dir("scaled", environment="Ant-v5", returns=(0.0, 700.0))),
    ]
    figure = figures.draw_comparison(group_runs(runs), tmp_path / "curves.png")
    scaled, raw = figure.axes
    assert (raw.get_title(loc="left"), raw.get_ylabel()) == ("Hopper-v5", "return")
    np.testing.assert_allclose(line(raw, "ppo").get_ydata()[[0, -1]], [100.0, 3000.0])
    assert raw.get_ylim()[1] > 3000 and not [text for text in raw.texts if text.get_text() == "expert"]
    assert scaled.get_ylabel() == "normalised return"
    np.testing.assert_allclose(line(scaled, "gail_ppo").get_ydata()[-1], 0.7)


def test_an_expert_training_beside_imitation_leaves_the_panel_normalised(make_run_dir, tmp_path):
    raw = load_run(make_run_dir("raw", algorithm="ppo", expert_return=None))
    figure = figures.draw_comparison(
        group_runs([raw, load_run(make_run_dir("scaled"))]), tmp_path / "curves.png"
    )
    assert figure.axes[0].get_ylabel() == "normalised return"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["gail_ppo"]


def test_a_figure_that_cannot_be_written_is_a_user_error(make_run_dir, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="cannot be written"):
        figures.draw_run(load_run(make_run_dir()), tmp_path / "file" / "curve.png")
