"""The table says the numbers of a tiny file; the picture is a picture."""

import numpy as np
import pytest

from gail_tf.demonstrations import Demonstrations, describe, from_arrays, plot_returns
from gail_tf.demonstrations.inspect import share_at_bounds
from gail_tf.errors import UserError


def make(**changes):
    fields = {
        "observations": np.array([[0.0], [2.0], [4.0]]),
        "actions": np.array([[-1.0], [0.5], [1.0]]),
        "next_observations": np.array([[2.0], [3.0], [5.0]]),
        "rewards": np.array([1.0, 2.0, 5.0]),
        "terminated": np.array([0, 1, 0]),
        "truncated": np.array([0, 0, 1]),
        "episode_ends": np.array([2, 3]),
        "environment": "Line-v0",
        "provenance": {"seed": 3},
        "notes": ("Made by hand.",),
    }
    return Demonstrations(**{**fields, **changes})


def lines_of(demonstrations):
    return [" ".join(line.split()) for line in describe(demonstrations).splitlines()]


def test_the_source_leaves_out_the_spaces_that_the_table_shows():
    policy = {"seed": 3, "observation": {"names": ["x"] * 400}, "action": {"low": [0.0] * 400}}
    lines = lines_of(make(provenance={"made_by": "gail-make-demonstrations", "policy": policy}))
    assert lines[1] == 'source {"made_by": "gail-make-demonstrations", "policy": {"seed": 3}}'


def test_the_source_names_two_of_many_files():
    files = {f"{name}.csv": {"sha256": name} for name in "abcd"}
    lines = lines_of(make(provenance={"files": files}))
    assert lines[1].endswith('{"...": "2 more", "a.csv": {"sha256": "a"}, "b.csv": {"sha256": "b"}}}')


def test_columns_with_names_are_told_by_them():
    both = {name: np.zeros((3, 3)) for name in ("observations", "next_observations")}
    lines = lines_of(make(**both, components=(("angle", 1), ("tip", 2))))
    assert [line.split()[-1] for line in lines[12:15]] == ["angle", "tip[0]", "tip[1]"]


def test_table_says_what_is_there():
    assert lines_of(make()) == [
        "environment Line-v0",
        'source {"seed": 3}',
        "episodes 2 (1 terminated, 1 truncated)",
        "transitions 3",
        "return mean 4.00, std 1.00, min 3.00, max 5.00",  # Returns 1 + 2 and 5.
        "length mean 1.50, std 0.50, min 1.00, max 2.00",
        "observations 1 component",
        "actions continuous, 1 component",
        "range -1 to 1",
        "at the extremes 66.7% of components",
        "",
        "observation mean std min max",
        "0 2 1.633 0 4",  # sqrt((4 + 0 + 4) / 3)
        "",
        "notes",
        "- Made by hand.",
    ]


def test_how_episodes_ended_is_what_training_takes_though_their_last_steps_are_not_here():
    """Without successors the last step of both is dropped, and with it the row that is terminated."""
    fields = {"observations": np.arange(6.0)[:, None], "actions": np.zeros(6, int)}
    flags = {"terminals": np.array([0, 0, 1, 0, 0, 0]), "timeouts": np.zeros(6)}
    recorded = from_arrays(fields | flags)
    assert recorded.ended.tolist() == [True, False] and not recorded.terminated.any()
    told = "episodes 2 (1 terminated, 1 truncated; of 1 terminated ones the last step is not here)"
    assert told in lines_of(recorded)


def test_table_says_what_is_not_there():
    lines = lines_of(make(rewards=None, environment=None, provenance={}, notes=()))
    assert lines[:2] == ["environment not recorded", "source not recorded"]
    assert "return no rewards recorded" in lines
    assert "notes" not in lines


def test_every_component_of_an_action_has_its_range():
    lines = lines_of(make(actions=np.array([[0.0, -1.0], [5.0, 2.0], [1.0, 0.5]])))
    assert "range 0 to 5, -1 to 2" in lines


def test_discrete_actions_are_counted():
    assert "times taken 0: 1, 2: 2" in lines_of(make(actions=np.array([2, 0, 2])))


def test_components_and_images_are_said_in_their_line():
    assert "observations 1 component: at (1)" in lines_of(make(components=(("at", 1),)))
    images = np.arange(3 * 8, dtype=np.uint8).reshape(3, 2, 4, 1)
    lines = lines_of(make(observations=images, next_observations=images))
    assert "observations images 2 x 4 x 1, 0 to 23, mean 11.5" in lines
    assert not any(line.startswith("observation ") for line in lines)


def test_many_dimensions_are_cut_short():
    wide = np.zeros((3, 40))
    lines = lines_of(make(observations=wide, next_observations=wide))
    assert "31 0 0 0 0" in lines and "32 0 0 0 0" not in lines
    assert "... and 8 more" in lines


def test_share_at_bounds_is_per_component():
    # Column 0: -1, 0, 1 has two of three at its extremes; column 1: 5, 5, 6 has all three.
    assert share_at_bounds(np.array([[-1, 5], [0, 5], [1, 6]])) == pytest.approx(5 / 6)


@pytest.mark.parametrize("changes, num_panels", [({}, 2), ({"rewards": None}, 1)])
def test_plot_is_a_png_with_a_panel_for_each_series(tmp_path, changes, num_panels):
    plot_returns(make(**changes), tmp_path / "returns.png")
    content = (tmp_path / "returns.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    height = int.from_bytes(content[20:24], "big")
    assert height == round(2.4 * num_panels * 120)
    assert [entry.name for entry in tmp_path.iterdir()] == ["returns.png"]


def test_many_episodes_are_drawn_in_one_piece(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    monkeypatch.setattr(Axes, "bar", None)  # it takes a millisecond an episode: of 45,000 a minute
    ones = np.ones(400)
    fields = dict.fromkeys(("observations", "actions", "next_observations"), ones[:, None])
    fields |= {"rewards": ones, "terminated": ones, "truncated": 0 * ones}
    plot_returns(make(**fields, episode_ends=np.arange(1, 401)), tmp_path / "returns.png")
    assert (tmp_path / "returns.png").read_bytes().startswith(b"\x89PNG")


def test_plot_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="returns.png: cannot be written"):
        plot_returns(make(), tmp_path / "file" / "returns.png")
