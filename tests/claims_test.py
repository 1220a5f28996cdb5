"""Every figure of the tables of claims, and of the text around them, is on record.

A table of claims (its first column is ``claim``) has sentences in its cells, which results_test.py cannot
compute. Here their figures are looked for among all runs of every results.csv, on the tasks that the same
cell names (or its title, or the sentence of its page on what names none; else its row; else any task):

- ``0.99 [0.95, 1.00]``: median and range of a group (folder, task, arm, demonstrations), of all its seeds, of
  seeds 0 to 2, 0 to 4 or 0 to 9, or of two folders' together; where the text says so of last policies, of
  last evaluations or an IQM with its interval.
- the same behind P(A > B), "P" or "probability of": a probability of improvement between two such groups on
  one task, or on several that are named, with its bootstrap interval.
- ``301k [481k]`` and ``301k``: steps to 90% as tables show them; the latter may be one run's.
- ``0.92, 0.76 and 0.83``, three values or more: of the runs of a group, one of each number of
  demonstrations of an arm, or the medians of a recipe, a task each.
- or a cell that results_test.py holds to the data has it; or ``CALCULATED`` gives it, or ``IN_NO_LIST``
  says why there is nothing.

What passes is on record to the digits shown: of figures with one number changed nine in ten fail. That it is
of the arm, the number of demonstrations and the seeds that its sentence speaks of is not shown: another arm's
on a task that the same cell names passes as well. Of P(A > B) arms are held to a few plain names (``SIDES``).
Single values (0.86), ranges with "to", counts, points, and the column `the paper` are not looked at.
"""

import functools
import itertools
import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from gail_tf.reporting import aggregates, tables, text
from tests import results_test
from tests.results_test import KINDS, ROOT, TABLES

# (page, figure): why neither a results.csv nor CALCULATED has it.
IN_NO_LIST = {
    ("mgail.md", "0.60 [0.34, 0.84]"): "of steps to 90% and not of returns",
    ("mgail.md", "0.21 [0.04, 0.44]"): "of steps to 90% and not of returns",
}
FIRST_SEEDS = (3, 5, 10)
MUJOCO = {"Hopper", "HalfCheetah", "Walker2d", "Ant"}
NUMBER = r"-?\d+\.\d\d"
RANGE = rf"(?<![\d.])({NUMBER}) \[({NUMBER}), ({NUMBER})\]"
STEPS = r"(?<![\w.,-])\d[\d.]*k(?![\w-])(?: \[\d[\d.]*k\]| \(\d+/\d+\))?"
SEEDS = rf"(?<![\w.])(?:{NUMBER}, )+{NUMBER},? and {NUMBER}(?![\d%])|(?:{NUMBER}, ){{2,}}{NUMBER}(?![\d%])"
PROBABILITY = r"\bP\(([^()]*)\)|\bP (?=\d)|\bprobability of"
NOT_OURS = r"paper's $|norms? (?:of )?$"  # before a list
# A sentence that names the task of what names none.
DEFAULT = r"[^.|]*\b(?:unless another is named|where no (?:other|task) is named)[^.|]*"
# What a side of P(A > B) may be called -> pattern of its arm.
SIDES = {
    "cloning": "BC",
    "BC": "BC",
    "today's cloning": "BC of bc$",
    "GAIL": r"GAIL\b(?!-)|DAC|PPO-GAIL|TD3-GAIL",
    "GAIL-VR": "GAIL-VR",
    "MGAIL": "MGAIL",
    "TRPO": r".*\(TRPO",
}


class Figure(NamedTuple):
    """``kind`` is "range", "probability", "steps" or "seeds"; ``of`` what stands in its P(...)."""

    kind: str
    text: str
    of: str = ""


class Place(NamedTuple):
    """A text with figures.

    ``around``: texts of which the first that names a task does so where ``words`` does not. ``beside``: what
    names a task of its own besides, a title or "Hopper-v5 where no task is named". ``is_odds``: above it in
    its section is a sign of probability.
    """

    page: str
    claim: str
    words: str
    around: tuple[str, ...] = ()
    beside: str = ""
    is_odds: bool = False


def without_markup(words):
    """Of links their text; no bold, no code marks, a line."""
    words = re.sub(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)\s]+\)", r"\1", words)
    return re.sub(r"\s+", " ", words.replace("**", "").replace("`", "")).strip()


def figures(words, is_odds=False):
    """The figures of a text without marks of Markdown, in the order of kinds."""
    # A sign of probability holds to the end of the text: a sentence often goes on with "after 3M 0.56 [...]".
    marks = [(-1, "")] * is_odds + [(m.start(), m[1] or "") for m in re.finditer(PROBABILITY, words)]
    found = []
    for match in re.finditer(RANGE, words):
        before = [sides for start, sides in marks if start < match.start()]
        kind = "probability" if before else "range"
        found.append(Figure(kind, match[0], *before[-1:]))
    rest = re.sub(RANGE, lambda match: "#" * len(match[0]), words)
    found += [Figure("steps", match[0]) for match in re.finditer(STEPS, rest)]
    lists = [(match[0], rest[: match.start()]) for match in re.finditer(SEEDS, rest)]
    return found + [Figure("seeds", one) for one, before in lists if not re.search(NOT_OURS, before)]


def short_name(environment):
    """ "Hopper" of "Hopper-v5", "Pong" of "ale_py:ALE/Pong-v5"."""
    return re.sub(r"-v\d+$", "", re.split(r"[:/]", environment)[-1])


@functools.cache
def named(words, names):
    """Those of the tasks ``names`` that a text speaks of, as a frozen set."""
    found = set()
    for name in names:
        base, is_bullet, _ = name.partition("BulletEnv")
        pattern = rf"\b{base}\b(?!-?Bullet)"
        if is_bullet:
            pattern = rf"\b{base}-?Bullet|\bPyBullet's {base.lower()}\b"
        if re.search(pattern, words):
            found.add(name)
    if re.search(r"\bfour (?:MuJoCo )?tasks\b", words):
        found |= MUJOCO & names
    return frozenset(found)


class Group:
    """Runs of one arm on one task: what a row of a table is of."""

    def __init__(self, runs, count=None, folder=None):
        first = runs.iloc[0]
        self.folder, self.arm, self.demonstrations = folder or first.folder, first.arm, first.demonstrations
        self.task, self.recipe = short_name(first.environment), str(first.config_name).split("/")[0]
        self.number, self.count = first.num_demonstrations, count
        self.kept = tables.numbers(runs.score)
        self.last = tables.numbers(runs.last_normalized_return)
        self.five = tables.numbers(runs.last_five_evaluations)
        self._runs = runs

    @functools.cached_property
    def steps(self):
        """The texts of its steps to 90%: with the slowest run's, without, and each run's."""
        shown = tables.times_to_expert(self._runs)[0]
        each = map(text.count, self._runs.env_steps_to_90_percent.dropna())
        return {shown, shown.split()[0], *each}


class Record:
    """Everything on record, by task: groups, ranges, steps, and pairs of groups by their probability."""

    def __init__(self, runs, cells=()):
        """``cells`` are (text of a table's cell that is held to the data, what names its task)."""
        self.groups = {}
        place = ["environment", "task", "arm", "demonstrations"]
        for _, same in runs.groupby(["folder", *place], dropna=False, sort=False):
            for count in (None, *FIRST_SEEDS):
                some = same if count is None else same[same.seed < count]
                if count is None or 0 < len(some) < len(same):
                    self._add(Group(some, count))
        # Two studies with the same arm and as many steps, put together.
        for _, same in runs.groupby([*place, "env_steps"], dropna=False, sort=False):
            for two in itertools.combinations(dict.fromkeys(same.folder), 2):
                self._add(Group(same[same.folder.isin(two)], folder="+".join(two)))
        self.names = frozenset(self.groups)
        self.shown = {}  # figure -> what names the tasks of each cell that has it
        for cell, around in cells:
            for figure in figures(cell):
                for shown in (
                    {figure.text, figure.text.split()[0]} if figure.kind == "steps" else {figure.text}
                ):
                    self.shown.setdefault(shown, []).append(named(f"{cell} {around}", self.names))
        self._pairs = {}

    def _add(self, group):
        self.groups.setdefault(group.task, []).append(group)

    def tasks(self, place):
        """The tasks of which a figure may be; none for any."""
        found = (named(words, self.names) for words in (place.words, *place.around))
        return next(filter(None, found), set()) | named(place.beside, self.names)

    def has(self, figure, tasks, words=""):
        """Whether ``figure`` is on record on one of ``tasks`` (or on several together)."""
        cells = self.shown.get(figure.text, ())
        if any(not tasks or not own or own & tasks for own in cells):
            return True
        groups = [group for task in tasks or self.groups for group in self.groups[task]]
        if figure.kind == "steps":
            return any(figure.text in group.steps for group in groups)
        if figure.kind == "seeds":
            values = re.findall(NUMBER, figure.text)
            more = groups if len(tasks) >= len(values) else sum(self.groups.values(), [])
            return _has_list(groups, values, "last" in words) or _has_medians(more, values)
        # A median may stand behind a probability in a text, not the other way round.
        is_odds = figure.kind == "probability" and self._has_odds(figure, tasks)
        return is_odds or _has_range(groups, figure.text, words)

    def _has_odds(self, figure, tasks):
        sides = tuple(re.sub(r"^(?:plain|a run of) ", "", side) for side in figure.of.split(" > "))
        if figure.of and len(sides) != 2:  # P(sooner), of a share: no figure of returns
            return False
        wanted = tuple(re.match(RANGE, figure.text).groups())
        if self._has_pair(sides, tasks or self.groups, wanted):
            return True
        # Of arms without a plain name there are so many pairs of pairs that nearly any figure is among them.
        return set(sides) <= set(SIDES) and self._has_pairs(sides, tasks, wanted)

    def _probabilities(self, task):
        """P(row > column) of all groups on a task, ``[groups, groups]``, NaN without scores."""
        if task not in self._pairs:
            groups = [group for group in self.groups[task] if group.kept]
            scores = np.concatenate([group.kept for group in groups]) if groups else np.zeros(0)
            starts = np.cumsum([0, *(len(group.kept) for group in groups)])
            pairs = np.sign(np.subtract.outer(scores, scores)) / 2 + 0.5
            sums = (
                np.add.reduceat(np.add.reduceat(pairs, starts[:-1], 0), starts[:-1], 1) if groups else pairs
            )
            sizes = np.diff(starts)
            self._pairs[task] = groups, sums / np.outer(sizes, sizes)
        return self._pairs[task]

    def _has_pair(self, sides, tasks, wanted):
        for task in tasks:
            groups, probabilities = self._probabilities(task)
            for x, y in np.argwhere(abs(probabilities - float(wanted[0])) < 0.00501):
                pair = groups[x], groups[y]
                if x != y and _are_sides(pair, sides) and _improvement([pair]) == wanted:
                    return True
        return False

    def _has_pairs(self, sides, tasks, wanted):
        """The same over several tasks, of two recipes; on each any of the groups of a recipe."""
        some = sorted(tasks)
        sets = [set(names) for n in range(2, len(some) + 1) for names in itertools.combinations(some, n)]
        sets = sets if len(some) < 7 else [set(some)]
        for names in [MUJOCO & self.names, *sets]:
            by_recipe = {}
            for task in names:
                for group in self.groups[task]:
                    key = group.folder, group.recipe, group.demonstrations, group.count
                    if group.kept:
                        by_recipe.setdefault(key, {}).setdefault(task, []).append(group)
            whole = {key: found for key, found in by_recipe.items() if len(found) == len(names) > 1}
            for (x_key, x), (y_key, y) in itertools.permutations(whole.items(), 2):
                if x_key[2] != y_key[2]:
                    continue
                each = [[pair for pair in itertools.product(x[t], y[t])] for t in sorted(names)]
                each = [[pair for pair in pairs if _are_sides(pair, sides)] for pairs in each]
                for pairs in itertools.product(*each):
                    mean = np.mean([self._probability(*pair) for pair in pairs])
                    if abs(mean - float(wanted[0])) < 0.00501 and _improvement(pairs) == wanted:
                        return True
        return False

    def _probability(self, x, y):
        groups, probabilities = self._probabilities(x.task)
        return probabilities[groups.index(x), groups.index(y)]


def _are_sides(pair, sides):
    """Whether arms may be those of P(A > B), as far as their names are plain ones."""
    patterns = [SIDES.get(side, "") for side in sides]
    return all(
        re.match(one, f"{group.arm} of {group.folder}") for one, group in zip(patterns, pair, strict=False)
    )


def _improvement(pairs):
    return _improvement_of(tuple((tuple(x.kept), tuple(y.kept)) for x, y in pairs))


@functools.cache
def _improvement_of(pairs):
    found = aggregates.probability_of_improvement(*zip(*pairs, strict=True))
    return tuple(map("{:.2f}".format, found))


def _has_range(groups, shown, words):
    is_last, is_iqm = "last" in words, "IQM" in words
    for group in groups:
        for scores in (group.kept, *([group.last, group.five] if is_last else [])):
            if scores and tables.spread(scores) == shown:
                return True
            if scores and is_iqm:
                iqm = tables.two_decimals(aggregates.interquartile_mean(scores))
                if shown.startswith(iqm) and tables.iqm_cell(scores).rstrip("*") == shown:
                    return True
    return False


def _has_list(groups, values, is_last):
    """Whether all values are of the runs of a group, or one of each number of demonstrations of an arm."""
    pools, amounts = [], {}
    for group, scores in ((g, scores) for g in groups for scores in (g.kept, g.last)[: 1 + is_last]):
        shown = list(map(tables.two_decimals, scores))
        pools.append(shown)
        each = amounts.setdefault((group.task, group.arm, scores is group.last), {})
        each.setdefault(group.number, set()).update(shown)
    each = [[one[number] for number in sorted(one)] for one in amounts.values() if len(one) == len(values)]
    return any(Counter(values) <= Counter(pool) for pool in pools) or any(
        all(value in shown for value, shown in zip(values, one, strict=True)) for one in each
    )


def _has_medians(groups, values):
    """Whether the values are medians of a recipe (in a folder, or of as many demonstrations), a task each."""
    rows = {}
    for group in (group for group in groups if group.kept):
        for key in ((group.folder, group.recipe), (group.recipe, group.demonstrations)):
            row = rows.setdefault(key, {})
            row.setdefault(group.task, set()).add(tables.two_decimals(np.median(group.kept)))
    return any(_are_of_different(values, list(row.values())) for row in rows.values())


def _are_of_different(values, sets):
    """Whether each value can be given a set of its own that has it."""
    if not values:
        return True
    first, *rest = values
    return any(
        first in one and _are_of_different(rest, sets[:i] + sets[i + 1 :]) for i, one in enumerate(sets)
    )


def claims():
    """A Place of every cell of a table of claims but the paper's own."""
    for page, name, rows in TABLES:
        if name.split()[0] != "claim":
            continue
        for row in rows:
            claim, *_ = row.values()
            ours = {title: cell for title, cell in row.items() if title not in ("claim", "the paper")}
            around = without_markup(claim), without_markup(" ".join(ours.values()))
            for title, cell in ours.items():
                yield Place(page, claim, without_markup(cell), around, f"{title} {default_task(page)}")


@functools.cache
def default_task(page):
    """Sentences of a page that say which task is meant where none is named."""
    return without_markup(" ".join(re.findall(DEFAULT, (ROOT / "docs" / page).read_text())))


def texts(page):
    """A Place of every paragraph and list item of ``page`` that is no table, code or heading."""
    lines = re.sub(r"^```.*?^```", "", (ROOT / "docs" / page).read_text(), flags=re.M | re.S).splitlines()
    headings, block, is_code, is_odds = [], [], True, False

    def place():
        words = without_markup(" ".join(block))
        return Place(page, words[:60], words, tuple(reversed(headings[1:])), default_task(page), is_odds)

    for line in [*lines, ""]:
        is_code = line.startswith("    ") and (is_code or not block)
        if (
            not line.strip()
            or line.startswith(("#", "|", "- ", "* "))
            or re.match(r"\d+\. ", line)
            or is_code
        ):
            if block:
                yield (found := place())
                is_odds = is_odds or bool(re.search(PROBABILITY, found.words))
            block = []
        is_odds = is_odds or line.startswith("|") and bool(re.search(PROBABILITY, line))
        if line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            headings, is_odds = [*(headings + [""] * 6)[: level - 1], line.lstrip("# ")], False
        elif line.strip() and not line.startswith("|") and not is_code:
            block.append(line)


PAGES = sorted({place.page for place in claims()})


def held_cells():
    """(cell, what names its task) of the tables that results_test.py holds to the data."""
    for page, name, rows in TABLES:
        if KINDS[page, name] in ("rule", "rows", "arms"):
            for row in rows:
                for title, cell in row.items():
                    names = [c for c in row.values() if not re.search(r"\[|^[\d.]+k?$", c)]
                    yield without_markup(cell), f"{title} {' '.join(names)}"


def late_shares(runs, *names, folder="gail_vr_paper"):
    """P(GAIL-VR falls below 90% again in fewer of its evaluations) after 3M steps."""
    del runs  # the CSV has no evaluations
    shares = {"GAIL": [], "GAIL-VR": []}
    for name, arm in itertools.product(names, shares):
        found = [run for run in results_test._archived(folder) if run.info["label"] == arm]
        found = [run for run in found if short_name(run.environment) == name]
        shares[arm].append([-aggregates.share_below_expert(run) for run in found])
    return results_test._better(shares["GAIL-VR"], shares["GAIL"])


def has_enough(runs, comparison):
    return min(map(len, results_test.of_comparison(runs, comparison))) >= aggregates.MIN_SEEDS_FOR_INTERVAL


def vr_over_gail(runs, comparisons, returns=lambda some: some.normalized_return):
    """P(GAIL-VR > GAIL) over ``comparisons``."""
    both = [map(returns, results_test.of_comparison(runs, one)) for one in comparisons]
    gail, ours = zip(*both, strict=True)
    return results_test._better(ours, gail)


def longest_studies(runs):
    """Over the tasks with three seeds, of each its study with most steps, the later of two alike."""
    longest = {}
    for comparison in results_test._PAIRS:
        _, environment, _, millions, *_ = comparison
        if millions >= longest.get(environment, (0,) * 4)[3] and has_enough(runs, comparison):
            longest[environment] = comparison
    return vr_over_gail(runs, longest.values())


def last_policies(runs):
    """Older lists have no others than the last."""
    returns = lambda some: some.last_normalized_return.fillna(some.normalized_return)  # noqa: E731
    return vr_over_gail(runs, [one for one in results_test._PAIRS if has_enough(runs, one)], returns)


# (page, figure) -> what calculates it of all runs, where it is neither a group's nor a pair's.
CALCULATED = {
    ("gail_vr.md", "0.48 [0.37, 0.59]"): longest_studies,
    ("gail_vr.md", "0.48 [0.40, 0.57]"): last_policies,
    ("gail_vr.md", "0.58 [0.33, 0.83]"): lambda runs: vr_over_gail(runs, results_test.FEW_DATA),
    ("gail_vr.md", "0.53 [0.38, 0.68]"): lambda runs: late_shares(
        runs, "Walker2d", "HalfCheetah", "Hopper", "Reacher"
    ),
    ("gail_vr.md", "0.56 [0.16, 1.00]"): lambda runs: late_shares(runs, "Hopper", folder="gail_vr_constant"),
    ("gail_vr.md", "0.44 [0.08, 0.84]"): lambda runs: vr_over_gail(
        runs,
        [one for one in results_test._PAIRS if one[2] == "gail_vr_constant"],
        lambda some: some.last_five_evaluations,
    ),
}


@pytest.fixture(scope="module")
def everything():
    return results_test.all_runs()


@pytest.fixture(scope="module")
def record(everything):
    return Record(everything, held_cells())


def missing(record, places):
    """(page, claim, figure) of what is not on record and has no entry of its own."""
    for place in places:
        for figure in figures(place.words, place.is_odds):
            if (place.page, figure.text) not in {*IN_NO_LIST, *CALCULATED}:
                if not record.has(figure, record.tasks(place), place.words):
                    yield place.page, place.claim, figure.text


@pytest.mark.parametrize("page", PAGES)
def test_figures_of_claims_are_on_record(record, page):
    places = [place for place in claims() if place.page == page]
    assert places and not list(missing(record, places))


@pytest.mark.parametrize("page", PAGES)
def test_figures_of_the_text_around_claims_are_on_record(record, page):
    assert not list(missing(record, texts(page)))


def test_what_is_calculated_or_in_no_list_is_on_its_page_and_not_on_record(everything, record):
    for page, shown in {**IN_NO_LIST, **CALCULATED}:
        places = [place for place in [*claims(), *texts(page)] if place.page == page]
        found = [
            (figure, p) for p in places for figure in figures(p.words, p.is_odds) if figure.text == shown
        ]
        assert found, f"{page} has no {shown} any more"
        assert not all(record.has(figure, record.tasks(p), p.words) for figure, p in found), (page, shown)
    wrong = {key: of(everything) for key, of in CALCULATED.items() if of(everything) != key[1]}
    assert not wrong


def made_up():
    """Two arms on Hopper-v5, five seeds and three, and one on Ant-v5."""
    arms = {
        ("Hopper-v5", "GAIL (PPO)"): ([0.90, 0.95, 0.99, 1.00, 1.02], [10e3, 20e3, 30e3, 40e3, None]),
        ("Hopper-v5", "BC"): ([0.10, 0.92, 0.97], [None] * 3),
        ("Ant-v5", "BC"): ([0.60, 0.70, 0.80], [None] * 3),
    }
    rows = [
        {
            **{"folder": "made_up", "environment": task, "task": task, "arm": arm, "demonstrations": "4"},
            **{"seed": seed, "score": score, "env_steps_to_90_percent": late, "num_demonstrations": 4},
            **{"last_normalized_return": score - 0.5, "last_five_evaluations": 0.5, "config_name": "one/any"},
            **{
                "env_steps": 100e3,
                "wall_seconds_to_90_percent": late,
                "has_scale": True,
                "takes_steps": True,
            },
        }
        for (task, arm), of_seeds in arms.items()
        for seed, (score, late) in enumerate(zip(*of_seeds, strict=True))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("0.99 [0.90, 1.02] on Hopper-v5", "0.99 [0.90, 1.01] on Hopper-v5"),
        ("0.99 [0.90, 1.02]", "0.99 [0.91, 1.02]"),
        ("seeds 0 to 2 on Hopper-v5: 0.95 [0.90, 0.99]", "seeds 1 to 3 on Hopper-v5: 0.99 [0.95, 1.00]"),
        ("0.70 [0.60, 0.80] on Ant-v5", "0.70 [0.60, 0.80] on Hopper-v5"),
        ("last policies 0.20 [0.10, 0.30]", "policies 0.20 [0.10, 0.30]"),
        ("P(GAIL > cloning) is 0.80 [0.40, 1.00]", "P(GAIL > cloning) is 0.80 [0.47, 1.00]"),
        ("P(GAIL > cloning) is 0.80 [0.40, 1.00]", "P(cloning > GAIL) is 0.80 [0.40, 1.00]"),
        ("P(cloning > GAIL) is 0.20 [0.00, 0.60]", "P(sooner) is 0.20 [0.00, 0.60]"),
        ("P 0.80 [0.40, 1.00] on Hopper-v5", "P 0.80 [0.40, 1.00] on Ant-v5"),
        ("after 30k (4/5) on Hopper-v5", "after 30k (3/5) on Hopper-v5"),
        ("90% after 10k, 20k and 40k steps", "90% after 10k, 20k and 45k steps"),
        ("30k on Hopper-v5", "30k on Ant-v5"),
        ("0.97, 0.10 and 0.92 on Hopper-v5", "0.97, 0.10 and 0.95 on Hopper-v5"),
    ],
)
def test_a_figure_that_is_not_on_record_is_seen(right, wrong):
    small = Record(made_up())
    assert not list(missing(small, [Place("page.md", "claim", right)]))
    ((page, claim, shown),) = missing(small, [Place("page.md", "claim", wrong)])
    assert (page, claim) == ("page.md", "claim") and shown in wrong


def test_a_task_is_named_by_its_cell_or_else_around_it():
    small = Record(made_up())
    assert small.tasks(Place("page.md", "claim", "Ant-v2 too", ("Hopper",))) == {"Ant"}
    assert small.tasks(Place("page.md", "claim", "all of it", ("nobody", "Hopper"))) == {"Hopper"}
    assert small.tasks(Place("page.md", "claim", "Ant-v5", beside="Hopper-v5 where none is")) == {
        "Ant",
        "Hopper",
    }
    assert small.tasks(Place("page.md", "claim", "Hopper-Bullet")) == set()
    assert named("Hopper-Bullet, PyBullet's ant", small.names | {"HopperBulletEnv", "AntBulletEnv"}) == {
        "HopperBulletEnv",
        "AntBulletEnv",
    }


def test_figures_are_read_out_of_a_cell():
    cell = without_markup(
        "**0.97 [0.94, 0.98]** ([three](a.md#b)), P(A > B) 0.57 [0.31, 0.83]; 8k [9.5k], [1k](c)"
    )
    assert figures(cell) == [
        Figure("range", "0.97 [0.94, 0.98]"),
        Figure("probability", "0.57 [0.31, 0.83]", "A > B"),
        Figure("steps", "8k [9.5k]"),
        Figure("steps", "1k"),
    ]
    assert (
        figures("0.96 and 0.85, 1.02 to 1.05, 12,000 steps, gail-8k, the paper's 0.10, 0.20 and 0.30") == []
    )
    assert figures("norms 44, 50, 68; 0.93 → 0.99; [48% to 83%]; 0.1, 0.2 and 0.3") == []
