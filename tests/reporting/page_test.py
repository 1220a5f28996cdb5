"""The HTML page: whole in itself, with the runs' own numbers, and usable in a browser."""

import html.parser
import json
import pathlib
import shutil
import subprocess

import pytest

from gail_tf.reporting import page, tables
from gail_tf.reporting.groups import group_runs
from gail_tf.reporting.runs import load_run

NASTY = '</script><b>"A & B"</b>'


class Reader(html.parser.HTMLParser):
    """The elements of a page, their attributes, the text of tables' cells and of scripts."""

    VOID = {"meta", "img", "input", "br"}

    def __init__(self, source):
        super().__init__()
        self.elements, self.open, self.rows, self.text = [], [], [], {}
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append((tag, dict(attributes).get("id")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag  # nested as it should be

    def handle_data(self, data):
        if any(tag in ("td", "th") for tag, _ in self.open):
            self.rows[-1][-1] += data
        for tag, name in self.open:
            key = name or tag
            self.text[key] = self.text.get(key, "") + data

    @property
    def data(self):
        return json.loads(self.text["data"])


@pytest.fixture
def make_page(tmp_path):
    def make(run_dirs):
        groups = group_runs([load_run(path) for path in run_dirs])
        path = page.write_page(groups, tables.runs_table(groups), tmp_path / "page.html")
        return path, Reader(path.read_text(encoding="utf-8")), groups

    return make


@pytest.fixture
def study(make_run_dir):
    """Two arms on one task, one of them with a name that could break a page, and a run that failed."""
    metrics = {"discriminator/loss": 0.25, "generator/entropy": [1.0, None, 0.123456789]}
    dirs = [
        make_run_dir(
            f"{arm}_{seed}",
            (0.0, 500.0 + 100 * seed, final),
            seed=seed,
            label=label,
            metrics=metrics,
            bindings={"PPO.learning_rate": "1e-3", "Note.text": NASTY},
        )
        for arm, label, final in (("a", "A", 1000.0), ("b", NASTY, 900.0))
        for seed in range(3)
    ]
    return [*dirs, make_run_dir("failed", (0.0, 100.0), label="A", seed=3, status="failed")]


def test_a_page_needs_nothing_but_itself(make_page, study):
    _, reader, _ = make_page(study)
    assert not reader.open
    for tag, attributes in reader.elements:
        assert tag not in ("link", "iframe", "object", "base"), tag
        for name, value in attributes.items():
            assert name not in ("srcset", "action"), (tag, name)
            if name in ("src", "href"):
                assert value.startswith(("data:", "#")), value
    policy = next(a["content"] for tag, a in reader.elements if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'") and "http" not in policy
    assert "url(" not in reader.text["style"] and "@import" not in reader.text["style"]
    assert not any(word in reader.text["script"] for word in ("fetch(", "XMLHttp", "import(", "innerHTML"))


def test_its_data_are_the_runs(make_page, study):
    _, reader, groups = make_page(study)
    data = reader.data
    assert data["tasks"] == ["Hopper-v5"] and data["labels"] == [group.label for group in groups]
    assert [one["runs"] for one in data["groups"]] == [[0, 1, 2], [3, 4, 5, 6]]
    runs = [run for group in groups for run in group.runs]
    for ours, run in zip(data["runs"], runs, strict=True):
        assert (ours["name"], ours["seed"], ours["failure"]) == (run.name, run.seed, run.failure)
        assert ours["steps"] == [line["env_steps"] for line in run.metrics]
        assert ours["seconds"] == [line["wall_seconds"] for line in run.metrics]
        returns = [run.normalize(line["evaluation/return_mean"]) for line in run.metrics]
        assert ours["metrics"]["evaluation/normalized_return"] == pytest.approx(returns)
    assert data["runs"][3]["metrics"]["generator/entropy"] == [1.0, None, 0.12346]
    assert (
        set(data["metrics"])
        == set(data["names"])
        == {
            "evaluation/normalized_return",
            "evaluation/return_mean",
            "discriminator/loss",
            "generator/entropy",
        }
    )


def test_a_return_that_is_no_number_is_a_gap(make_page, make_run_dir):
    _, reader, _ = make_page([make_run_dir("odd", returns=(0.0, "high", [500.0], 1000.0))])
    assert reader.data["runs"][0]["metrics"]["evaluation/normalized_return"] == [0.0, None, None, 1.0]


def test_its_tables_are_those_of_the_report(make_page, study):
    _, reader, groups = make_page(study)
    runs = tables.runs_table(groups)
    cells = tables.results_frame(runs)
    assert list(cells.columns) in reader.rows
    for row in cells.itertuples(index=False):
        assert list(row) in reader.rows
    for row in runs.itertuples():
        (shown,) = [one for one in reader.rows if one and one[0] == row.run]
        assert shown[3] == str(row.seed) and shown[9] == row.status
    values = [a["data-value"] for tag, a in reader.elements if tag == "td"]
    assert "200.0" in values or "300.0" in values  # sorted by the number, not by "300"


def test_what_the_results_stars_and_brackets_mean_stands_below_them(make_page, make_run_dir):
    _, reader, groups = make_page([make_run_dir("a"), make_run_dir("b", seed=1)])
    told = tables.explanations(tables.runs_table(groups))
    assert any(line.startswith("\\* fewer than 3 seeds") for line in told)
    for line in told:
        assert line.replace("\\*", "*") in reader.text["p"]


def test_a_run_that_did_not_finish_is_told_as_what_it_is(shown, make_run_dir):
    dirs = [
        make_run_dir("whole"),
        make_run_dir("nan", seed=1, status="diverged"),
        make_run_dir("now", (0.0, 500.0), seed=2, status="running"),
    ]
    (panel,) = shown(dirs, 0.5)
    told = ["0.25  gail_ppo", "0.25  gail_ppo, seed 1 (diverged after 300 steps)"]
    assert panel["tips"][0][1:] == [*told, "0.25  gail_ppo, seed 2 (running after 200 steps)"]


def test_a_run_that_names_no_seed_has_none_in_its_line(shown, make_run_dir):
    (panel,) = shown([make_run_dir(f"{i}", seed=None, status="killed") for i in range(2)], 0.5)
    assert panel["tips"][0][1:] == ["0.25  gail_ppo (killed after 300 steps)"] * 2


def test_each_run_has_its_command_and_settings_as_they_were_given(make_page, study):
    _, reader, groups = make_page(study)
    runs = tables.runs_table(groups)
    for i, row in enumerate(runs.itertuples()):
        assert row.command in reader.text[f"run-{i}"]
        assert row.failure or "PPO.learning_rate = 1e-3" in reader.text[f"run-{i}"]
    assert f"Note.text = {NASTY}" in reader.text["run-4"]
    assert [a["href"] for tag, a in reader.elements if tag == "a"] == [f"#run-{i}" for i in range(7)]


def test_one_run_is_a_page_of_its_own_with_its_film(make_page, make_run_dir):
    run_dir = make_run_dir(metrics={"discriminator/loss": 0.25})
    (run_dir / "frame_2.png").write_bytes(b"frame")
    _, reader, _ = make_page([run_dir])
    (image,) = [a for tag, a in reader.elements if tag == "img"]
    assert image["src"] == "data:image/png;base64,ZnJhbWU=" and image["alt"]
    (run_dir / "film.mp4").write_bytes(b"film")
    _, reader, _ = make_page([run_dir])
    (video,) = [a for tag, a in reader.elements if tag == "video"]
    assert video["src"] == "data:video/mp4;base64,ZmlsbQ==" and "autoplay" not in video
    assert [a["data-run"] for tag, a in reader.elements if tag == "details" and "open" in a] == ["0"]


def test_what_is_said_of_a_study_and_of_one_run(make_page, make_run_dir, study):
    _, reader, _ = make_page(study)
    assert "6 of 7 runs finished." in reader.text["p"] and "medians" in reader.text["p"]
    _, reader, _ = make_page([make_run_dir("alone", status="failed")])
    assert "gail_ppo on Hopper-v5, failed after 300 steps." in reader.text["p"]
    assert reader.text["title"].endswith("alone") and "medians" not in reader.text["p"]


def test_a_film_that_does_not_fit_is_named(make_page, make_run_dir, monkeypatch):
    monkeypatch.setattr(page, "MAX_FILM_BYTES", 3)
    run_dir = make_run_dir()
    (run_dir / "film.gif").write_bytes(b"film")
    _, reader, _ = make_page([run_dir])
    assert "film.gif is not in this page: it has 4 bytes" in reader.text["p"]
    assert not [tag for tag, _ in reader.elements if tag == "img"]


def test_a_hundred_long_runs_are_a_page_of_under_three_megabytes(make_page, make_run_dir):
    metrics = {name: [i / 7 for i in range(1, 301)] for name in page.METRICS if "evaluation" not in name}
    returns = [float(i) if i % 15 == 0 else None for i in range(300)]
    bindings = {f"Part.setting_{i}": "a value of some length" for i in range(80)}
    dirs = [
        make_run_dir(f"r{i}", returns, metrics=metrics, seed=i, bindings=bindings, status="killed")
        for i in range(100)
    ]
    path, reader, _ = make_page(dirs)
    assert len(reader.data["runs"]) == 100
    assert path.stat().st_size < 3_000_000


def test_what_is_dense_is_thinned_and_keeps_every_evaluation(make_page, make_run_dir):
    returns = [100.0 if i == 33 else None for i in range(999)] + [500.0]
    _, reader, _ = make_page([make_run_dir(returns=returns)])
    (run,) = reader.data["runs"]
    assert len(run["steps"]) <= page.MAX_LINES + 2
    assert [y for y in run["metrics"]["evaluation/return_mean"] if y is not None] == [100.0, 500.0]


@pytest.fixture
def shown(make_page):
    """What the panels of a page show, and say of places given as fractions of the axis; without a browser."""
    if not (node := shutil.which("node")):
        pytest.skip("no node to run the page's script")

    def show(run_dirs, *fractions):
        script = pathlib.Path(__file__).with_name("page_in_node.js")
        command = [node, script, make_page(run_dirs)[0], *map(str, fractions)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return show


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_clones_alone_are_curves_against_iterations(shown, make_run_dir, num_seeds):
    """They take no steps, of which an axis would be empty."""
    clones = [
        make_run_dir(f"bc_{seed}", (100.0, 300.0, 900.0), steps_per_line=0, seed=seed, algorithm="bc")
        for seed in range(num_seeds)
    ]
    panel = shown(clones, 0.67, 1.0)[0]
    assert "against iteration. bc ends at 0.9" in panel["label"]
    assert [tip[0].split()[1] for tip in panel["tips"]] == ["iteration", "iteration"]
    assert panel["tips"][1][1:] == ["0.9  bc"] and panel["tips"][0][1].startswith("0.3")


def test_cloning_is_a_level_where_it_came_to(shown, make_run_dir):
    """Beside what takes steps all of its lines are at 0 of them."""
    clone = make_run_dir("bc", (100.0, 300.0, 900.0), steps_per_line=0, algorithm="bc")
    (panel,) = shown([clone, make_run_dir("gail", (0.0, 500.0), status="killed")], 0.0, 0.5, 1.0)
    assert "bc ends at 0.9" in panel["label"]
    assert [tip[1] for tip in panel["tips"]] == ["0.9  bc"] * 3
    (level,) = [one for one in panel["curves"] if "y1" in one]
    assert level["y1"] == level["y2"]


def test_a_run_that_takes_no_steps_needs_none_to_90_percent(make_page, make_run_dir):
    clone = make_run_dir("bc", steps_per_line=0, algorithm="bc")
    _, reader, _ = make_page([clone, make_run_dir("gail")])
    rows = {row[0]: row for row in reader.rows if row}
    steps = rows["Run"].index("Steps to 90%")
    own = {row[2]: row[steps] for name, row in rows.items() if name.endswith(("/bc", "/gail"))}
    assert own == {"bc": tables.NOTHING, "gail_ppo": "300"}


def test_a_page_that_is_mailed_names_no_folder_of_this_machine(make_page, make_run_dir):
    bindings = {"load_demonstrations.path": "/home/somebody/secret/mine.npz", "Part.share": "a/b"}
    _, reader, _ = make_page([make_run_dir(bindings=bindings)])
    assert "load_demonstrations.path = mine.npz\nPart.share = a/b" in reader.text["run-0"]


def test_cloning_beside_a_method_that_takes_steps(shown, make_run_dir):
    dirs = [
        make_run_dir(f"{name}_{seed}", returns, steps_per_line=steps, seed=seed, algorithm=name)
        for name, returns, steps in (("bc", (100.0, 900.0), 0), ("gail", (0.0, 500.0, 1000.0), 100))
        for seed in range(2)
    ]
    (panel,) = shown(dirs, 0.5, 1.0)
    assert [tip[1:] for tip in panel["tips"]] == [["0.9  bc", "0.25  gail"], ["1  gail", "0.9  bc"]]


def test_beyond_its_last_point_a_curve_has_its_last_value(shown, make_run_dir):
    """A place a little beyond it still has a value."""
    dirs = [
        make_run_dir("long", (0.0, 500.0, 1000.0), steps_per_line=1000, algorithm="long"),
        make_run_dir("short", (0.0, 0.0, 700.0), steps_per_line=990, algorithm="short"),
    ]
    (panel,) = shown(dirs, 1.0)
    assert panel["tips"] == [["3000 environment steps", "1  long", "0.7  short"]]


def _browser():
    """A started browser and how to stop it; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="want: pip install playwright")
    import os

    program = os.environ.get("GAIL_TF_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    manager = playwright.sync_playwright().start()
    try:
        browser = manager.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
    except playwright.Error as error:
        manager.stop()
        pytest.skip(f"no browser: playwright install chromium ({str(error).splitlines()[0]})")
    return manager, browser


@pytest.fixture
def open_page(make_page):
    """Opens the page of run directories in a browser; at the end nothing may have failed or been fetched."""
    manager, browser = _browser()
    problems, asked = [], []

    def open_(run_dirs):
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(make_page(run_dirs)[0].as_uri())
        return tab

    yield open_
    browser.close()
    manager.stop()
    assert not problems
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def test_in_a_browser_curves_answer_and_tables_sort(open_page, study):
    opened = open_page(study)
    assert opened.locator("#panels svg.panel").count() == 1
    before = opened.locator("#panels path.curve").count()
    assert before == 3  # two medians, and the run that failed
    opened.locator("#panels svg.panel").hover(position={"x": 300, "y": 100})
    assert "environment steps" in opened.locator("#tip").inner_text()
    opened.locator("#panels svg.panel").focus()
    opened.keyboard.press("Home")
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("End")
    said = opened.locator("#spoken").text_content()
    assert said.startswith("300 environment steps") and "1  A" in said and "0.9  " in said
    opened.keyboard.press("Escape")
    assert not opened.locator("#tip").is_visible()
    opened.get_by_label("each seed").check()
    assert opened.locator("#panels path.curve").count() == before + 6
    opened.get_by_label("Metric").select_option("discriminator/loss")
    assert "discriminator's loss" in opened.locator("#panels svg.panel").get_attribute("aria-label")
    runs = opened.locator("table.sorts").nth(1)
    seeds = lambda: runs.locator("tbody tr td:nth-child(4)").all_inner_texts()  # noqa: E731
    title = runs.get_by_role("button", name="Seed")
    title.click()
    assert seeds() == ["0", "0", "1", "1", "2", "2", "3"]
    title.press("Enter")
    assert seeds() == ["3", "2", "2", "1", "1", "0", "0"]
    assert runs.locator("th[aria-sort=descending]").inner_text().startswith("Seed")


def test_in_a_browser_a_run_opens_with_its_curves(open_page, study):
    opened = open_page(study)
    opened.locator("table.sorts a").first.click()
    opened.locator("#run-0 svg.panel").first.wait_for()
    assert opened.locator("#run-0 svg.panel").count() == 4
    assert "gail-train" in opened.locator("#run-0 pre").first.inner_text()


def test_in_a_browser_one_run_has_a_panel_a_metric_in_light_and_dark(open_page, make_run_dir):
    opened = open_page([make_run_dir(metrics={"discriminator/loss": 0.25, "generator/entropy": 1.0})])
    captions = opened.locator("#panels figcaption").all_inner_texts()
    assert captions == ["normalised return", "return", "discriminator's loss", "policy's entropy"]
    assert "gail-train" in opened.locator("#run-0 pre").first.inner_text()
    shades = []
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        shades.append(opened.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert shades == ["rgb(255, 255, 255)", "rgb(22, 24, 27)"]
