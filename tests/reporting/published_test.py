"""A paper's values: which files can be read, and what they say."""

import pathlib
from types import SimpleNamespace

import pytest

from gail_tf.errors import UserError
from gail_tf.reporting.published import Returns, Values, read_published
from gail_tf.reporting.runs import Run

PAPERS = pathlib.Path(__file__).parents[2] / "docs" / "results" / "papers"
OF_RETURNS = """# Table 3.
environment,subsample,trajectories,expert,BC,GAIL
Hopper-v5,20,4,1000,100,1000
Hopper-v5,20,11,1000,550,
Hopper-v5,1,4,1000,955,
CartPole-v1,1,4,,72,200
"""


@pytest.fixture
def read(tmp_path):
    def read_text(content):
        path = tmp_path / "paper.csv"
        path.write_text(content)
        return read_published(path)

    return read_text


def test_the_first_pattern_that_is_found_in_a_config_holds(read):
    values = read('# Section 2\nconfig,Paper\n"td3.*with/",fewer\n"\\btd3_gail/","over 36%, average"\n')
    assert isinstance(values, Values) and (values.column, values.notes) == ("Paper", ["Section 2"])
    found = [values.of(config) for config in ("td3_gail/any", "td3_gail/any + with/credo", "bc/any")]
    assert found == ["over 36%, average", "fewer", "–"]


def test_returns_are_scored_between_the_papers_expert_and_our_random_policy(read):
    returns = read(OF_RETURNS)
    assert isinstance(returns, Returns) and returns.notes == ["Table 3."]
    scores = returns.scores("Hopper-v5", 20, random=-800.0)
    assert scores == {"BC": {4: 900 / 1800, 11: 1350 / 1800}, "GAIL": {4: 1.0}}
    assert returns.scores("Hopper-v5", 1, random=0.0) == {"BC": {4: 0.955}}
    assert returns.scores("CartPole-v1", 1, random=20.0) == {}  # without an expert there is no scale
    assert returns.scores("Hopper-v5", 1, random=1000.0) == {}  # nor with one that is no better than chance
    assert returns.scores("Ant-v5", 20, random=0.0) == {}


@pytest.mark.parametrize(
    "content",
    ["", "config\n", "config,Paper\n(,x\n", "config,Paper\na,b,c\n", OF_RETURNS.replace("550", "many")],
)
def test_a_wrong_file_is_a_user_error(read, content):
    with pytest.raises(UserError, match="paper.csv: want a CSV file"):
        read(content)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            "Hopper-v5,20,11",
            "Hopper-v5,20,eleven",
            "trajectories = 'eleven' in the row Hopper-v5,20,eleven,1000",
        ),
        ("Hopper-v5,1,4", "Hopper-v5,1.5,4", "subsample = '1.5' in the row Hopper-v5,1.5,4,"),
        ("Hopper-v5,20,4", "Hopper-v5,,4", "subsample = '' in the row Hopper-v5,,4,"),
        ("Hopper-v5,20,4", "Hopper-v5,0,4", "subsample = '0'"),
        ("Hopper-v5,20,4,1000,100,1000", "Hopper-v5", "subsample = '' in the row Hopper-v5:"),
        ("Hopper-v5,20,11", "Hopper-v5,20,04", "Hopper-v5 with subsample 20 has two rows of 04 trajectories"),
        ("BC,GAIL", "BC,GAIL,", "column 7 of 7 has no title"),
        ("BC,GAIL", "BC,BC", "2 columns are titled 'BC'"),
        ("4,1000,955,", "4,1000,955,9,", "has 7 values, the titles are 6"),
    ],
)
def test_a_wrong_row_or_title_is_named(read, before, after, says):
    with pytest.raises(UserError) as error:
        read(OF_RETURNS.replace(before, after))
    assert says in str(error.value)


def test_a_note_begins_a_line(read):
    assert list(read(OF_RETURNS.replace("GAIL", "GAIL # 2")).returns.columns[-2:]) == ["BC", "GAIL # 2"]


def test_of_a_pattern_that_stands_twice_the_first_row_holds(read):
    assert read("config,Paper\nbc,first\nbc,second\n").of("bc/any") == "first"


def test_rows_that_fit_no_run_are_known(read):
    runs = [Run(pathlib.Path("run"), {"config_name": "bc/any"}, [], None)]
    places = [("Hopper-v5", 20), ("CartPole-v1", 1)]
    groups = [SimpleNamespace(environment=name, subsample=every, runs=runs) for name, every in places]
    assert read("config,Paper\nbc,first\ntd4,second\n").unused(groups) == ["td4"]
    assert read(OF_RETURNS).unused(groups) == ["Hopper-v5 with subsample 1"]


def test_a_missing_file_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="paper.csv: want a CSV file"):
        read_published(tmp_path / "paper.csv")


def test_the_shipped_files_can_be_read():
    found = [read_published(path) for path in sorted(PAPERS.glob("*.csv"))]
    assert {Values, Returns} == set(map(type, found)) and all(one.notes for one in found)
