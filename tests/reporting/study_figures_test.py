import numpy as np
import pandas as pd
import pytest
from matplotlib import image

from gail_tf.reporting import study_figures
from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.published import Returns
from gail_tf.reporting.runs import load_run

NORM = "generator/policy_gradient_norm"


@pytest.fixture
def make_groups(make_run_dir):
    """Groups of runs named label/task/seed; ``what(label, task, seed)`` gives the keywords of each."""

    def make(labels, tasks=("hopper",), seeds=1, what=lambda *_: {}):
        names = [(label, task, seed) for label in labels for task in tasks for seed in range(seeds)]
        runs = []
        for label, task, seed in names:
            info = {"label": label, "task": task, "seed": seed, **what(label, task, seed)}
            runs.append(load_run(make_run_dir(f"{label}/{task}/{seed}", **info)))
        return group_runs(runs)

    return make


def labels_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def check_picture(path):
    pixels = image.imread(path)
    assert pixels.shape[0] > 150 and pixels.shape[1] > 400
    assert (pixels[..., :3].min(axis=-1) < 0.9).mean() > 0.005, "an empty picture"


def test_a_family_has_a_row_a_metric_and_a_column_a_task(make_groups, tmp_path, rendered):
    metrics = {NORM: 1.0, "generator/policy_gradient_mean_abs": 0.5}
    groups = make_groups("AB", ("one", "two"), what=lambda *_: {"metrics": metrics})
    path = tmp_path / "family.png"
    figure = study_figures.draw_family(groups, "policy_gradient", path)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["Hopper-v5: one", "Hopper-v5: two", "", ""]
    sides = [ax.get_ylabel() for ax in figure.axes]
    assert sides == ["policy gradient: norm", "", "policy gradient: mean |·|", ""]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "environment steps", "environment steps"]
    assert labels_of(figure) == ["A", "B"]
    for ax in figure.axes:
        assert [line.get_label() for line in ax.lines] == ["A", "B"]
    np.testing.assert_allclose(figure.axes[3].lines[0].get_ydata()[[0, -1]], [0.5, 1.5])
    check_picture(path)


def test_a_family_of_clones_alone_is_against_iterations(make_run_dir, tmp_path):
    metrics = {"generator/entropy": [0.3, 0.2, 0.1]}
    clone = load_run(make_run_dir(steps_per_line=0, metrics=metrics))
    (ax,) = study_figures.draw_family(group_runs([clone]), "policy", tmp_path / "f.png").axes
    assert ax.get_xlabel() == "iteration"
    np.testing.assert_allclose(ax.lines[0].get_ydata()[[0, -1]], [0.3, 0.1])


def test_a_family_draws_median_and_quartiles_of_the_seeds(make_groups, tmp_path):
    groups = make_groups("A", seeds=5, what=lambda *name: {"metrics": {NORM: 1.0 + name[2]}})
    figure = study_figures.draw_family(groups, "policy_gradient", tmp_path / "f.png")
    (ax,) = figure.axes
    assert ax.lines[0].get_ydata()[-1] == pytest.approx(3 * 3)
    at_the_end = [y for x, y in ax.collections[0].get_paths()[0].vertices if x == 300]
    assert (min(at_the_end), max(at_the_end)) == pytest.approx((3 * 2, 3 * 4))


def test_a_family_that_no_run_has_is_no_file(make_groups, tmp_path):
    path = tmp_path / "f.png"
    assert study_figures.draw_family(make_groups("A"), "credo", path) is None
    assert not path.exists()


def test_panels_that_are_left_out_take_no_title_or_label_with_them(make_groups, tmp_path):
    critic, value = "generator/critic_mean", "generator/value_mean"

    def what(label, task, *_):
        return {"metrics": {critic: 1.0} if task == "left" else {value: 1.0}}

    figure = study_figures.draw_family(
        make_groups("A", ["left", "right"], what=what), "values", tmp_path / "f"
    )
    left, right = figure.axes
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == (
        "Hopper-v5: left",
        "Hopper-v5: right",
    )
    assert (left.get_xlabel(), right.get_xlabel()) == ("environment steps", "environment steps")
    assert (left.get_ylabel(), right.get_ylabel()) == ("critic: mean", "value: mean")


def test_an_arm_looks_the_same_where_others_lack_the_metric(make_groups, tmp_path):
    def what(label, *_):
        return {"metrics": {"generator/critic_mean": 1.0} if label == "B + C" else {NORM: 1.0}}

    groups = make_groups(["A", "B", "B + C"], what=what)
    values = study_figures.draw_family(groups, "values", tmp_path / "values.png")
    gradient = study_figures.draw_family(groups, "policy_gradient", tmp_path / "gradient.png")
    (variant,), (_, plain) = values.axes[0].lines, gradient.axes[0].lines
    assert labels_of(values) == ["B + C"] and labels_of(gradient) == ["A", "B"]
    assert variant.get_color() == plain.get_color() and variant.get_linestyle() == "--"


def test_gradients_that_explode_and_vanish_have_a_log_axis(make_groups, tmp_path):
    def what(label, *_):
        return {"metrics": {NORM: [1.0, 1e3, 1e6] if label == "A" else [1.0, 1e-9, 0.0]}}

    groups = make_groups("AB", what=what)
    (ax,) = study_figures.draw_family(groups, "policy_gradient", tmp_path / "f.png").axes
    assert ax.get_yscale() == "log"
    exploded, vanished = (line.get_ydata() for line in ax.lines)
    assert exploded[-1] == pytest.approx(1e6) and vanished[-1] == pytest.approx(1e-12)


def test_an_actor_that_waits_is_not_drawn_as_one_that_has_vanished(make_groups, tmp_path):
    values = {"metrics": {NORM: [0.0, 0.0, 1.0, 100.0]}, "returns": [1.0] * 4}
    groups = make_groups("A", what=lambda *_: values)
    (ax,) = study_figures.draw_family(groups, "policy_gradient", tmp_path / "f.png").axes
    assert min(line.get_ydata().min() for line in ax.lines) > 0.5


@pytest.mark.parametrize("largest, scale", [(3.0, "linear"), (-1e7, "symlog")])
def test_one_exploded_critic_does_not_flatten_the_others(make_groups, tmp_path, largest, scale):
    values = {"metrics": {"generator/critic_mean": [1.0, 2.0, 2.0, 2.0, largest]}, "returns": [1.0] * 5}
    groups = make_groups("A", what=lambda *_: values)
    (ax,) = study_figures.draw_family(groups, "values", tmp_path / "f.png").axes
    assert ax.get_yscale() == scale


def histogram(low, high, counts):
    return {"low": low, "high": high, "counts": counts}


def test_histograms_have_a_row_an_arm_and_a_column_a_moment(make_groups, tmp_path, rendered):
    # Twenty evaluations: the agent's rewards move from [0, 1] to [19, 20], the expert's stay in [20, 21].
    metrics = {
        "reward/agent_histogram": [histogram(i, i + 1.0, [1, 1]) for i in range(20)],
        "reward/expert_histogram": [histogram(20.0, 21.0, [1, 1])] * 20,
    }
    info = {"returns": [1000.0] * 20, "metrics": metrics}
    groups = make_groups("AB", seeds=2, what=lambda *_: info)
    path = tmp_path / "h.png"
    figure = study_figures.draw_reward_histograms(groups, path)
    assert len(figure.axes) == 2 * 6
    titles = [ax.get_title() for ax in figure.axes[:6]]
    assert titles == [
        "5%: 100 steps",
        "10%: 200 steps",
        "25%: 500 steps",
        "50%: 1k steps",
        "75%: 1.5k steps",
        "100%: 2k steps",
    ]
    assert [figure.axes[i].get_ylabel() for i in (0, 6)] == ["A", "B"]
    assert labels_of(figure) == ["agent", "expert"]
    low, high = figure.axes[0].get_xlim()
    assert -1 < low < 0.5 and 20.5 < high < 22 and figure.axes[5].get_xlim() == (low, high)
    agent = figure.axes[0].patches[0].get_data()
    middles = (agent.edges[1:] + agent.edges[:-1]) / 2
    assert 0 <= np.average(middles, weights=agent.values) <= 1
    check_picture(path)


def test_a_column_of_histograms_is_the_same_time_in_every_row(make_groups, tmp_path):
    # A has an evaluation for every moment; B at 50% and 100% alone.
    def what(label, task, seed):
        length = 20 if label == "A" else 2
        metrics = {"reward/agent_histogram": [histogram(0.0, 1.0, [1])] * length}
        return {"returns": [1.0] * length, "metrics": metrics}

    groups = make_groups("AB", what=what)
    figure = study_figures.draw_reward_histograms(
        groups, tmp_path / "h.png", fractions=(0.25, 0.5, 0.75, 1.0)
    )
    columns = [ax.get_subplotspec().colspan.start for ax in figure.axes]
    assert columns == [0, 1, 2, 3, 1, 3]
    assert [ax.get_title()[:4] for ax in figure.axes[4:]] == ["50%:", "100%"]
    assert figure.axes[4].get_ylabel() == "B"


def test_a_run_that_stopped_early_is_in_the_earlier_histograms_only(make_groups, tmp_path):
    def what(label, task, seed):
        length = 10 if seed == 0 else 4
        metrics = {"reward/agent_histogram": [histogram(seed, seed + 1.0, [1])] * length}
        return {"returns": [1.0] * length, "metrics": metrics, "status": "diverged" if seed else "finished"}

    groups = make_groups("A", seeds=2, what=what)
    figure = study_figures.draw_reward_histograms(groups, tmp_path / "h.png", fractions=(0.3, 1.0))
    above_1 = []
    for ax in figure.axes:
        data = ax.patches[0].get_data()
        above_1.append(data.values[data.edges[:-1] >= 1.05].sum() > 0)
    assert above_1 == [True, False]


def test_equal_rewards_are_a_histogram_too(make_groups, tmp_path):
    metrics = {"reward/agent_histogram": [histogram(0.5, 0.5, [0, 7])] * 3}
    groups = make_groups("A", what=lambda *_: {"metrics": metrics})
    figure = study_figures.draw_reward_histograms(groups, tmp_path / "h.png", fractions=(1.0,))
    data = figure.axes[0].patches[0].get_data()
    assert (data.values > 0).sum() == 1 and figure.axes[0].get_xlim()[0] < 0.5 < figure.axes[0].get_xlim()[1]


def test_without_histograms_there_is_no_file(make_groups, tmp_path):
    assert study_figures.draw_reward_histograms(make_groups("A"), tmp_path / "h.png") is None
    assert not (tmp_path / "h.png").exists()


def test_final_returns_have_a_dot_a_seed_and_a_cross_a_nan(make_groups, tmp_path, rendered):
    def what(label, task, seed):
        final = 1000.0 - 100.0 * seed
        return {"returns": (0.0, final), "status": "diverged" if (label, seed) == ("B", 0) else "finished"}

    groups = make_groups(["A", "B"], ("one", "two"), seeds=5, what=what)
    path = tmp_path / "finals.png"
    figure = study_figures.draw_final_returns(groups, path)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["Hopper-v5: one", "Hopper-v5: two"]
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["A", "B"]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots[0].get_xdata(), [1.0, 0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(dots[1].get_xdata(), [0.9, 0.8, 0.7, 0.6])
    (cross,) = [line for line in ax.lines if line.get_marker() == "X"]
    np.testing.assert_array_equal(cross.get_xdata(), [0.0])
    first, second = ax.patches  # boxes from quartile to quartile, the 0 of the NaN included
    assert (first.get_x(), first.get_width()) == pytest.approx((0.7, 0.2))
    assert (second.get_x(), second.get_width()) == pytest.approx((0.6, 0.2))
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first arm on top
    check_picture(path)
    study_figures.draw_final_returns(groups, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == path.read_bytes()


def test_final_returns_far_off_are_triangles_at_the_edge(make_groups, tmp_path, recwarn, rendered):
    def what(label, task, seed):
        return {"returns": (0.0, (900.0, -90_000.0, 9000.0)[seed])}

    figure = study_figures.draw_final_returns(make_groups(["A"], seeds=3, what=what), tmp_path / "f.png")
    (ax,) = figure.axes
    dots = {line.get_marker(): list(line.get_xdata()) for line in ax.lines}
    assert {mark: dots[mark] for mark in "<o>"} == {"<": [-1.0], "o": [0.9], ">": [2.0]}
    assert ax.get_xlim() == (-1.0, 2.0)
    assert not [str(one.message) for one in recwarn if "layout" in str(one.message)]


def test_final_returns_without_an_expert_are_returns(make_groups, tmp_path):
    info = {"expert_return": None, "returns": (0.0, 3000.0)}
    figure = study_figures.draw_final_returns(make_groups("AB", what=lambda *_: info), tmp_path / "f.png")
    assert figure.axes[0].get_xlabel() == "return"
    assert all(3000.0 in line.get_xdata() for line in figure.axes[0].lines)


def test_a_single_return_is_no_figure(make_groups, tmp_path):
    assert study_figures.draw_final_returns(make_groups("A"), tmp_path / "f.png") is None


def test_nine_arms_fit_their_figures(make_groups, tmp_path, recwarn, rendered):
    arms = [f"{name}-GAIL{more}" for name in ("PPO", "DDPG", "TD3", "SD3") for more in ("", " + CREDO")]
    info = {"metrics": {NORM: 1.0}}
    groups = make_groups([*arms, "TSSG"], ("a", "b"), what=lambda *_: info)
    study_figures.draw_family(groups, "policy_gradient", tmp_path / "f.png")
    study_figures.draw_final_returns(groups, tmp_path / "r.png")
    assert not [str(one.message) for one in recwarn if "layout" in str(one.message)]


def test_rollout_gradients_are_drawn_by_step(make_groups, tmp_path, rendered):
    def what(label, task, seed):
        norms = [[1.0, 10.0, 0.0], None, [3.0, 1000.0, 0.0]] if label == "A" else [None] * 3
        found = [norm and {"step": [1, 2, 3], "norm": norm} for norm in norms]  # 0: nothing follows the last
        return {"metrics": {study_figures.ROLLOUT_GRADIENT: found}}

    path = tmp_path / "r.png"
    figure = study_figures.draw_rollout_gradients(make_groups(["A", "B"], what=what), path)
    (ax,) = figure.axes
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xydata(), [[1, 2.0], [2, 505.0]])
    assert (ax.get_yscale(), labels_of(figure)) == ("log", ["A"])
    check_picture(path)


def test_of_rollouts_of_several_lengths_the_steps_that_all_have_are_drawn(make_groups, tmp_path):
    def what(label, task, seed):
        norms = [[1.0, 10.0], [3.0, 30.0, 300.0]][seed]
        told = {"step": list(range(1, len(norms) + 1)), "norm": norms}
        return {"metrics": {study_figures.ROLLOUT_GRADIENT: [None, None, told]}}

    groups = make_groups(["A"], seeds=2, what=what)
    (ax,) = study_figures.draw_rollout_gradients(groups, tmp_path / "r.png").axes
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 2.0], [2, 20.0]])


def test_without_rollouts_there_is_no_file(make_groups, tmp_path):
    assert study_figures.draw_rollout_gradients(make_groups("A"), tmp_path / "r.png") is None


def test_a_papers_returns_are_hollow_and_dashed_beside_ours(make_groups, tmp_path):
    def what(label, task, seed):
        return {"returns": (0.0, 2000.0), "num_demonstrations": int(task), "subsample": 20}

    groups = make_groups("A", ("4", "11"), what=what)
    random = groups[0].runs[0].number("random_return")
    places = {"environment": "Hopper-v5", "subsample": 20, "trajectories": [4, 11], "expert": 500.0}
    table = pd.DataFrame({**places, "BC": [random, 500.0]})
    other = table.assign(environment="Ant-v5", GAIL=1.0)
    returns = Returns(pd.concat([table, other]))
    path = tmp_path / "by_demonstrations.png"
    figure = study_figures.draw_by_demonstrations(groups, returns, path)
    (ax,) = figure.axes
    ours, theirs = [line for line in ax.lines if line.get_marker() == "o"]
    assert (ours.get_linestyle(), theirs.get_linestyle()) == ("-", "--")
    assert theirs.get_markerfacecolor() == "white"
    np.testing.assert_allclose(theirs.get_xydata(), [(4, 0.0), (11, 1.0)])
    assert labels_of(figure) == ["A", "BC, published"]  # nothing of a task that is not ours


def test_returns_are_drawn_by_the_number_of_demonstrations(make_groups, tmp_path, rendered):
    def what(label, task, seed):
        returns = 2000.0 - 500 * seed + (1000.0 if label == "A" and task == "hopper_11" else 0.0)
        number = {"hopper_4": 4, "hopper_11": 11, "hopper_all": 4}[task]
        subsample = 1 if task == "hopper_all" else 20
        return {"returns": (0.0, returns), "num_demonstrations": number, "subsample": subsample}

    tasks = ("hopper_4", "hopper_11", "hopper_all")
    groups = make_groups("AB", tasks, seeds=3, what=what)
    path = tmp_path / "by_demonstrations.png"
    figure = study_figures.draw_by_demonstrations(groups, None, path)
    (ax,) = figure.axes  # whole trajectories come in one number alone
    assert ax.get_title(loc="left") == "Hopper-v5, every 20th step"
    first, second = [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(first, [(4, 1.5), (11, 2.5)])  # medians of three seeds of an expert of 1,000
    np.testing.assert_allclose(second, [(4, 1.5), (11, 1.5)])
    low, high = ax.collections[0].get_paths()[0].get_extents().get_points()  # and their range
    np.testing.assert_allclose((low, high), [(4, 1.0), (11, 3.0)])
    assert labels_of(figure) == ["A", "B"]
    assert [(tick.get_position()[0], tick.get_text()) for tick in ax.get_xticklabels()] == [
        (4, "4"),
        (11, "11"),
    ]
    check_picture(path)
    assert (
        study_figures.draw_by_demonstrations([g for g in groups if g.num_demonstrations == 4], None, path)
        is None
    )


def test_numbers_of_demonstrations_that_would_touch_have_a_tick_and_no_label(make_groups, tmp_path):
    def what(label, task, seed):
        return {"returns": (0.0, 2000.0), "num_demonstrations": int(task), "subsample": 20}

    groups = make_groups("A", ("1", "5", "10", "240"), what=what)
    (ax,) = study_figures.draw_by_demonstrations(groups, None, tmp_path / "by_demonstrations.png").axes
    assert ax.get_xticks().tolist() == [1, 5, 10, 240]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "", "", "240"]
