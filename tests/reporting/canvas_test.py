import warnings

import numpy as np

from gail_tf.reporting import canvas
from gail_tf.reporting.canvas import smooth


def test_a_variant_has_its_arms_colour_and_another_line():
    looks = canvas.looks(["PPO + X", "PPO", "TD3", "TD3 + X", "TD3 + Y"])
    assert list(looks) == ["PPO + X", "PPO", "TD3", "TD3 + X", "TD3 + Y"]
    assert looks["PPO"]["color"] == looks["PPO + X"]["color"] == canvas.BLUE
    assert looks["TD3"]["color"] == looks["TD3 + Y"]["color"] == canvas.VERMILION
    styles = [looks[name]["linestyle"] for name in ("PPO", "TD3", "PPO + X", "TD3 + X")]
    assert styles == ["-", "-", "--", "--"]
    assert looks["TD3 + Y"]["linestyle"] not in ("-", "--")


def test_many_variants_have_colours_of_their_own():
    looks = canvas.looks(["TD3", "TD3 + A", "TD3 + B", "TD3 + C", "SAC", "SAC + A"])
    assert len({looks[name]["color"] for name in ("TD3", "TD3 + A", "TD3 + B", "TD3 + C", "SAC")}) == 5
    assert looks["SAC"]["color"] == looks["SAC + A"]["color"]


def test_no_two_of_many_arms_look_alike():
    plain = [f"arm {i}" for i in range(28)]
    pairs = [f"arm {i}{more}" for i in range(14) for more in ("", " + B")]
    variants = ["arm", *(f"arm + {i}" for i in range(27))]
    for labels in (plain, pairs, variants):
        looks = canvas.looks(labels)
        assert len({(look["color"], look["linestyle"]) for look in looks.values()}) == 28
    assert len(canvas.looks([*plain, "one more"])) == 29


def test_a_long_series_is_smoothed_without_a_shift():
    straight = np.arange(1000.0)
    np.testing.assert_allclose(smooth(straight)[50:-50], straight[50:-50])
    noise = np.random.default_rng(0).normal(size=1000)
    assert smooth(noise).std() < 0.35 * noise.std()
    np.testing.assert_array_equal(smooth(noise[:100]), noise[:100])
    spike = np.where(np.arange(1000) == 100, 1e30, 1.0)
    np.testing.assert_allclose(smooth(spike)[200:], 1.0)


def test_the_legend_fits_its_figure():
    assert canvas.legend_size(["a"] * 9, width=13.2)[0] == 9
    columns, height = canvas.legend_size(["a name of some length"] * 9, width=6.0)
    assert columns == 2 and height > 5 * 0.24


def test_letters_that_the_font_lacks_are_boxes_without_a_line_of_matplotlibs_each(tmp_path):
    panels = canvas.Panels(1, 1, (2, 2))
    panels.add(0, "模仿")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panels.save(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").is_file()


def test_a_label_with_two_dollars_is_no_mathematics(tmp_path):
    panels = canvas.Panels(1, 1, (2, 2), labels=["r = $x^$"])
    (line,) = panels.add(0, "r = $x^$").plot([1, 2])
    figure = panels.save(tmp_path / "figure.png", {"r = $x^$": line})
    assert (tmp_path / "figure.png").is_file()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [r"r = \$x^\$"]
