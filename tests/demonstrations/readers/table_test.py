"""CSV and Parquet with named columns."""

import numpy as np
import pandas as pd
import pytest

from gail_tf import demonstrations as demos
from gail_tf.demonstrations.readers import table as table_reader
from gail_tf.demonstrations.readers.outside import numbers_of
from gail_tf.errors import UserError

NAMES = ("position", "velocity", "angle", "angular_velocity")


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_table_that_pandas_wrote(made, reference, holds, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    d, wanted = demos.load(made(name)), reference("CartPole-v1")
    holds(d, wanted)
    assert np.array_equal(d.terminated, wanted["terminals"])
    assert np.array_equal(d.truncated, wanted["timeouts"])
    assert d.components == tuple((name, 1) for name in NAMES) and d.notes == ()


COLUMNS = {
    "obs_0": [0.0, 1, 2, 10, 11],
    "next_obs_0": [1.0, 2, 3, 11, 12],
    "action": [0.1, 0.2, 0.3, 0.4, 0.5],
    "terminated": [0, 0, 1, 0, 0],
    "truncated": [0, 0, 0, 0, 1],
}


@pytest.fixture
def write(tmp_path):
    def write(separator=",", **changes):
        columns = {name: value for name, value in {**COLUMNS, **changes}.items() if value is not None}
        path = tmp_path / "a.csv"
        pd.DataFrame(columns).to_csv(path, index=False, sep=separator)
        return path

    return write


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(write, separator):
    d = demos.load(write(separator))
    assert d.observations.tolist() == [[0], [1], [2], [10], [11]] and d.components is None
    assert d.terminated.tolist() == [0, 0, 1, 0, 0] and d.truncated.tolist() == [0, 0, 0, 0, 1]


def test_blanks_around_commas_are_no_part_of_names(write):
    path = write()
    path.write_text(path.read_text().replace(",", " , "))
    d = demos.load(path)
    assert d.terminated.tolist() == [0, 0, 1, 0, 0] and d.actions.shape == (5, 1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_named_and_utf_8_wanted(write, encoding):
    """What Excel saves as Unicode text: tabs, and two bytes that say how the others stand."""
    path = write("\t")
    text = path.read_text()
    path.write_bytes(("\ufeff" if encoding == "utf-16-be" else "").encode(encoding) + text.encode(encoding))
    with pytest.raises(UserError, match=r"a.csv: is text in UTF-16; wanted a table in UTF-8: save it as"):
        demos.load(path)
    path.write_text(text, encoding="utf-8-sig")  # a BOM of its own is no error
    assert demos.load(path).num_transitions == 5


def test_numbered_columns_stand_in_the_order_of_their_numbers(write):
    more = {f"obs_{i}": np.full(5, i) for i in (10, 2, 1)}
    d = demos.load(write(next_obs_0=None, **more))
    assert d.observations[1].tolist() == [1, 1, 2, 10]


def test_columns_of_one_component_stand_together_under_its_name(write):
    changes = {"obs_0": None, "next_obs_0": None, "episode": [0, 0, 0, 1, 1]}
    at = {"observation.at.x": np.arange(5), "observation.at.y": np.arange(5) + 50}
    d = demos.load(write(**changes, **at, **{"observation.goal": np.full(5, 7)}))
    assert d.components == (("at", 2), ("goal", 1))
    assert d.observations[1].tolist() == [1, 51, 7]


def test_numbers_after_a_point_are_no_twins_of_another_column(write):
    changes = {"obs_0": None, "next_obs_0": None, "episode": [0, 0, 0, 1, 1]}
    at = {f"observation.{name}": np.full(5, i) for i, name in enumerate(("at.1", "at.2", "goal", "goal.2"))}
    d = demos.load(write(**changes, **at))
    assert d.components == (("at", 2), ("goal", 2)) and d.observations[0].tolist() == [0, 1, 2, 3]


def test_columns_stand_in_the_files_order(write):
    names = ("obs_cos1", "obs_sin1", "obs_cos2", "obs_sin2")
    changes = {"obs_0": None, "next_obs_0": None, "episode": [0, 0, 0, 1, 1]}
    d = demos.load(write(**changes, **{name: np.full(5, i) for i, name in enumerate(names)}))
    assert d.observations[0].tolist() == [0, 1, 2, 3] and d.components is None
    acts = {f"act_{name}": np.full(5, float(i)) for i, name in enumerate(("hip1", "knee1", "hip2", "knee2"))}
    d = demos.load(write(action=None, **acts))
    assert d.actions[0].tolist() == [0, 1, 2, 3]


def test_an_end_that_was_not_cut_ended(write):
    d = demos.load(write(terminated=None, truncated=[0, 0, 0, 0, 1], episode=[0, 0, 0, 1, 1]))
    assert d.ended.tolist() == [True, False] and "taken from truncated" in d.notes[0]


def test_the_column_episode_tells_where_episodes_end(write):
    changes = {"terminated": None, "truncated": None, "episode": ["a", "a", "a", "b", "b"]}
    d = demos.load(write(**changes))
    assert d.lengths.tolist() == [3, 2] and d.truncated.tolist() == [0, 0, 1, 0, 1]
    assert "all taken as cut" in d.notes[0]
    ended = demos.load(write(truncated=None, episode=[0, 0, 0, 1, 1]))
    assert ended.ended.tolist() == [True, False] and ended.truncated.tolist() == [0, 0, 0, 0, 1]


def test_ends_without_a_mark_are_taken_as_cut_and_said(write):
    d = demos.load(write(terminated=[0] * 5, truncated=[0] * 5, episode=[0, 0, 0, 1, 1]))
    assert d.truncated.tolist() == [0, 0, 1, 0, 1] and not d.ended.any()
    assert d.notes == ("2 of 2 episodes have no mark where they end: taken as cut.",)
    assert not demos.load(
        write(terminated=[0, 0, 1, 0, 0], truncated=[0] * 4 + [1], episode=[0, 0, 0, 1, 1])
    ).notes


def test_clocks_and_infos_are_ignored_and_said(write):
    d = demos.load(write(timestamp=np.arange(5), **{"info.seed": [1] * 5}))
    assert d.notes == ("Ignored the columns timestamp, info.seed.",)


def test_an_empty_episode_is_named_in_parquet_too(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({**COLUMNS, "episode": ["a", "a", None, "b", "b"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match="column episode, row 2 is empty"):
        demos.load(tmp_path / "a.parquet")


def test_rewards_that_are_all_empty_are_left_out(write, tmp_path):
    path = write(reward=[np.nan] * 5)
    assert demos.load(path).rewards is None
    pytest.importorskip("pyarrow")
    pd.read_csv(path).astype({"reward": object}).to_parquet(tmp_path / "a.parquet")
    d = demos.load(tmp_path / "a.parquet")
    assert d.rewards is None and d.notes == ("All rewards are NaN: left out, no return is known.",)


def test_pandas_own_index_is_ignored(tmp_path):
    pd.DataFrame(COLUMNS).to_csv(tmp_path / "a.csv")
    d = demos.load(tmp_path / "a.csv")
    assert d.num_transitions == 5 and d.notes == ("Ignored the columns Unnamed: 0.",)
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(COLUMNS)
    frame[frame.index != 1].to_parquet(tmp_path / "a.parquet")
    d = demos.load(tmp_path / "a.parquet")
    assert d.num_transitions == 4 and "Ignored the columns __index_level_0__." in d.notes


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"action": None}, "no column of actions"),
        ({"obs_0": None, "next_obs_0": None}, "no column of observations"),
        ({"acton": [0] * 5}, "unknown columns acton"),
        ({"done": [0] * 5}, "the column done merges two"),
        (
            {"obs_0": ["0", "one", "2", "3", "4"]},
            "column obs_0, row 1 is 'one'; wanted finite float32 numbers",
        ),
        ({"obs_0": ["0", "1", "1e999", "3", "4"]}, "column obs_0, row 2 is '1e999'; wanted finite"),
        ({"obs_0": ["0", "1", "1_000", "3", "4"]}, "column obs_0, row 2 is '1_000'; wanted finite"),
        ({"obs_0": ["0", "1", f"{10**20}", "3", "4"]}, "column obs_0, row 2 is '10000"),
        (
            {"obs_0": [0, 1, 1e39, 3, 4]},
            "column obs_0, row 2 is 1e.39; wanted finite float32 numbers: mend it",
        ),
        ({"terminated": [0, None, 1, 0, 0]}, "column terminated, row 1 is empty; wanted 0 or 1: mend it or"),
        ({"terminated": [False, False, True, None, False]}, "column terminated, row 3 is empty; wanted 0 or"),
        (
            {"truncated": [0, 0, 0, None, 1], "episode": [0, 0, 0, 1, 1]},
            "column truncated, row 3 is empty; wanted 0 or 1",
        ),
        ({"obs_0": ["0", "1,5", "2", "3", "4"]}, "column obs_0, row 1 is '1,5'; .*: write decimal points"),
        (  # pandas' to_csv of a column of lists
            {"obs_0": None, "next_obs_0": None, "obs": ["[0.0, 1.0]"] * 5},
            r"column obs, row 0 is '\[0.0, 1.0\]'; .*: write a column a number, obs.0, obs.1 .* to_parquet",
        ),
        ({"episode": [0, 0, None, 1, 1]}, "column episode, row 2 is empty"),
        ({"episode": ["a", "a", None, "b", "b"]}, "column episode, row 2 is empty"),
        ({"obs_0": [0, None, 2, 10, 11]}, "column obs_0, row 1 is empty; wanted finite"),
        (
            {"reward": [0, None, 0, 0, 0]},
            "column reward, row 1 is empty; .*, or leave the rewards out, which",
        ),
        ({"obs_1": [0] * 5}, "next_observation has the columns next_obs_0, observation obs_0, obs_1"),
        ({"reward": [0] * 5, "rewards": [0] * 5}, "two columns mean rewards"),
        ({"observation_0": [0] * 5}, "the columns obs_0 and observation_0 mean the same; wanted every name"),
        ({"act": [0] * 5}, "the columns action and act mean the same"),
        ({"obs_0.1": [0] * 5, "next_obs_0": None}, "the columns obs_0 and obs_0.1 mean the same"),
        ({"obs_0.1": [0] * 5, "next_obs_0.1": [0] * 5}, "the columns obs_0 and obs_0.1 mean the same"),
        ({"step": [0, 1, 2, 1, 0]}, "the column step goes from 1 to 0 after row 3, within episode 1"),
        (
            {f"observation.{name}": [0] * 5 for name in ("at.x", "goal", "at.y")}
            | {"obs_0": None, "next_obs_0": None, "episode": [0, 0, 0, 1, 1]},
            "the columns of the component at stand apart, observation.at.x among them",
        ),
        ({"episode": [0, 1, 0, 1, 1]}, "the rows of 2 episodes stand in 4 pieces"),
        ({"episode": [0, 0, 0, 0, 0]}, "row 2 ends an episode, and the column episode goes on"),
        ({"truncated": [0, 0, 0, 0, 3]}, "column truncated, row 4 is 3; wanted 0 or 1"),
        ({"terminated": None}, "no column says where episodes end; wanted episode .*, or terminated and"),
        ({"obs_0": ["0", "n/a", "2", "3", "4"]}, "column obs_0, row 1 is 'n/a'; wanted finite"),
        ({"t": [0.0, 0.2, 0.1, 0.0, 0.1]}, "the column t goes from 0.2 to 0.1 after row 1, within episode 0"),
        ({"timestamp": [0, 2, 1, 0, 1]}, "the column timestamp goes from 2 to 1 after row 1, within"),
        (
            {"timestamp": [f"2026-01-01T00:00:0{second}+00:00" for second in (0, 2, 1, 0, 1)]},
            r"goes from 2026-01-01T00:00:02\+00:00 to 2026-01-01T00:00:01\+00:00 after row 1, within",
        ),
        (
            {"time": pd.Timestamp("2026-01-01") + pd.to_timedelta([0, 2, 1, 0, 1], "s")},
            "goes from 2026-01-01 ",
        ),
    ],
)
def test_malformed_tables(write, refuses, changes, sentence):
    refuses(write(**changes), sentence)


ONE_EPISODE = {"next_obs_0": None, "terminated": [0] * 5, "truncated": [0, 0, 0, 0, 1]}


@pytest.mark.parametrize("name, count", [("t", int), ("step", int), ("frame_index", float), ("time", int)])
def test_rows_that_are_missing_within_an_episode_are_refused(write, refuses, name, count):
    """0 1 2 7 8: without next observations the step from 2 would go to 7."""
    column = [count(number) for number in (0, 1, 2, 7, 8)]
    told = (
        f"column {name} goes from 2 to 7 after row 2, within episode 0, and elsewhere by 1: rows are missing"
    )
    refuses(write(**ONE_EPISODE, **{name: column}), told)


def test_a_gap_between_episodes_or_before_a_known_successor_is_none(write):
    assert demos.load(write(next_obs_0=None, t=[0, 1, 2, 7, 8])).num_transitions == 3
    successors = {**ONE_EPISODE, "next_obs_0": [1, 2, 3, 11, 12]}
    assert demos.load(write(**successors, t=[0, 1, 2, 7, 8])).lengths.tolist() == [3, 2]


@pytest.mark.parametrize(
    "name, column",
    [
        ("t", [0.0, 0.1, 0.2, 0.7, 0.8]),  # seconds
        ("t", [0, 33, 66, 100, 133]),  # milliseconds, rounded
        ("t", [0, 10, 20, 30, 40]),  # every tenth row
        ("time", [0, 1, 3, 4, 6]),  # as often 2 as 1
        ("time", [7, 7, 7, 8, 8]),
        ("timestamp", [0, 1, 2, 7, 8]),
    ],
)
def test_a_clock_is_no_counter(write, name, column):
    assert demos.load(write(**ONE_EPISODE, **{name: column})).num_transitions == 4


def test_rows_out_of_order_are_refused_without_next_observations_too(write, refuses):
    told = "the column t goes from 2 to 1 after row 1, within episode 0: sort"
    refuses(write(**ONE_EPISODE, t=[0, 2, 1, 3, 4]), told)


@pytest.mark.parametrize("step", [[0, 1, 2, 3, 4], [3, 5, 7, 9, 11]])
@pytest.mark.parametrize("other", ["t", "time", "frame_index"])
def test_a_counter_without_a_gap_proves_that_no_row_is_missing(write, step, other):
    """Milliseconds with a late frame, and a clock that stands still."""
    for clock in ([0, 20, 40, 80, 100], [0, 0, 1, 1, 2]):
        assert demos.load(write(**ONE_EPISODE, **{other: clock, "step": step})).num_transitions == 4


@pytest.mark.parametrize(
    "name, column, told",
    [
        ("step", [0, 1, 4, 6, 9], "from 1 to 4 after row 1, within episode 0, and elsewhere by 1"),
        ("t", [0, 1, 3, 4, 6], "from 1 to 3 after row 1, within episode 0, and elsewhere by 1"),
        ("frame_index", [0, 3, 5, 8, 10], "from 0 to 3 after row 0, within episode 0, and elsewhere by 2"),
    ],
)
def test_a_counter_that_lacks_most_rows_is_refused(write, refuses, name, column, told):
    refuses(write(**ONE_EPISODE, **{name: column}), f"column {name} goes {told}: rows are missing")


def two_episodes(**columns):
    """Of four rows each, by the names 7 and 3."""
    rows = {"obs_0": range(8), "action": [0.5] * 8, "terminated": [0] * 8, "truncated": [0] * 8}
    return {**rows, "next_obs_0": None, "episode": [7] * 4 + [3] * 4, **columns}


def test_what_a_counter_counts_by_is_judged_by_the_episode(write, refuses):
    assert demos.load(write(**two_episodes(step=[0, 1, 2, 3, 0, 2, 4, 6]))).num_transitions == 6
    told = "from 2 to 5 after row 5, within episode 3, and elsewhere by 2: rows are missing"
    for name in ("step", "t"):
        refuses(write(**two_episodes(**{name: [0, 1, 2, 3, 0, 2, 5, 7]})), f"{name} goes {told}")


def test_a_clock_named_like_a_counter_is_told_the_way_out(write, refuses):
    told = "t goes from 1 to 1 after row 5, within episode 3: sort .*counts no steps: name it info.t"
    refuses(write(**two_episodes(t=[0, 1, 2, 5, 0, 1, 1, 2])), told)


CLOCK = np.delete(np.arange(62), [20, 21, 40])  # of 59 rows


def with_clock(**columns):
    rows = {"obs_0": np.arange(59.0), "action": [0.5] * 59, "terminated": [0] * 59, "next_obs_0": None}
    return {**rows, "truncated": [0] * 58 + [1], **columns}


@pytest.mark.parametrize(
    "name, column",
    [("timestamp", CLOCK * 0.1), ("timestamp", CLOCK * 100), ("t", CLOCK * 0.1), ("time", CLOCK / 30)],
)
@pytest.mark.parametrize("jitter", [0.0, 0.01])
def test_a_regular_clock_that_leaps_is_warned_of(write, name, column, jitter):
    unit = column[1]
    column = column + unit * jitter * np.random.default_rng(0).uniform(-1, 1, 59)
    (note,) = [n for n in demos.load(write(**with_clock(**{name: column}))).notes if "warning" in n]
    assert note.startswith(f"warning: Rows look missing at 2 of 58 steps: the column {name} goes from ")
    assert "after row 19, within episode 0" in note and f"name it info.{name}" in note


@pytest.mark.parametrize(
    "columns",
    [
        {"timestamp": CLOCK * 0.1, "step": np.arange(59)},  # a counter proves that the step was late
        {"timestamp": CLOCK * 0.1, "next_obs_0": np.arange(59.0) + 1},
        {"timestamp": np.cumsum(np.random.default_rng(0).uniform(0.05, 0.3, 59))},
        {"timestamp": np.append(np.arange(58), 58.5)},  # late, by no whole step
        {"timestamp": CLOCK // 2},  # stands still on half of the rows
        {"info.timestamp": CLOCK * 0.1},
    ],
)
def test_an_irregular_clock_tells_nothing(write, columns):
    assert not [n for n in demos.load(write(**with_clock(**columns))).notes if "warning" in n]


def test_dates_tell_of_missing_rows_as_seconds_do(tmp_path):
    path = tmp_path / "a.parquet"
    dates = pd.Timestamp("2026-03-29 01:59:58", tz="Europe/Berlin") + pd.to_timedelta(CLOCK * 0.1, "s")
    columns = {**with_clock(timestamp=dates), "next_obs_0": None}
    pd.DataFrame({name: column for name, column in columns.items() if column is not None}).to_parquet(path)
    (note,) = [n for n in demos.load(path).notes if "warning" in n]
    assert note.startswith(
        "warning: Rows look missing at 2 of 58 steps: the column timestamp goes from 2026-"
    )


@pytest.mark.parametrize("clock", [["now"] * 5, ["2026-01-01", 3, None, "", "x"]])
def test_text_that_is_no_date_is_no_clock(write, clock):
    assert demos.load(write(timestamp=clock)).num_transitions == 5


@pytest.mark.filterwarnings("error")
def test_numbers_of_two_bytes_are_read_without_a_warning(tmp_path):
    """2**53, the largest whole number of a clock, overflows them."""
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({**COLUMNS, "reward": np.float16(0.5), "timestamp": np.arange(5, dtype=np.float16)})
    frame.to_parquet(path)
    assert demos.load(path).rewards.tolist() == [0.5] * 5


def test_a_list_that_is_missing_is_told_by_its_row(tmp_path, refuses):
    path = tmp_path / "a.parquet"
    pd.DataFrame({**COLUMNS, "obs_0": [[0.0], [1.0], None, [3.0], [4.0]]}).to_parquet(path)
    refuses(path, "column obs_0, row 2 is empty; wanted a list of numbers: mend it or remove its episode")


def test_a_warning_stays_one_in_a_folder(write, tmp_path):
    write(**with_clock(timestamp=CLOCK * 0.1))
    (note,) = [n for n in demos.load(tmp_path).notes if "warning" in n]
    assert note.startswith("warning: a.csv: Rows look missing")


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("obs_0,action,obs_0,episode\n1,2,3,0\n", "names obs_0 more than once, in the columns 0, 2; wanted"),
        ("run,x,u\nr1,0.5,1\n", "unknown columns run, x, u; wanted observation.<name>"),
        ("run;x;u\nr1;0.5;1\n", "unknown columns run, x, u; wanted observation.<name>"),
        ("# of a robot\nobs_0,action,episode\n1,2,0\n", "begins with a comment .*: remove what stands"),
        ("# of a robot, 2\nx,u\n1,2\n", "begins with a comment .*: remove what stands"),
        ("obs_0 action episode\n1 2 0\n", "columns are separated by blanks; wanted commas, semicolons"),
        ("episode|obs_0|action\n1|2|0\n", "columns are separated by |; wanted commas, semicolons"),
        ("0.5,1,0\n0.6,1,0\n", "table of numbers without a header; wanted observation.<name>"),
        ("0,0.5,1,False\n0,0.6,1,True\n", "table of numbers without a header; wanted observation.<name>"),
        ("Dear all,\nthis is a letter, and 2 lines.\n", "of no format that is known"),
        ('{"observations": [1, 2],\n"actions": 2}\n', "is JSON; wanted a table: write it with"),
    ],
)
def test_a_header_that_is_none_of_ours(tmp_path, refuses, text, sentence):
    (tmp_path / "a.csv").write_text(text)
    refuses(tmp_path / "a.csv", sentence.replace("|", r"\|"))


def test_rows_that_do_not_fit_the_header(tmp_path, refuses):
    (tmp_path / "a.csv").write_text("obs_0,action,terminated\n1,2,0\n1,2,0,5\n")
    refuses(tmp_path / "a.csv", "cannot be read as CSV")
    (tmp_path / "a.csv").write_text("obs_0,action,terminated\n1,2,0,5\n1,2,0,5\n")
    refuses(tmp_path / "a.csv", "3 names in its first line, .*; wanted a name for every cell: name what")
    (tmp_path / "a.csv").write_text("obs_0,action,terminated,truncated\n")
    refuses(tmp_path / "a.csv", "no rows|shape")
    (tmp_path / "a.csv").write_bytes(b"obs_0,action,terminated\n\xff\xfe,1,0\n")
    refuses(tmp_path / "a.csv", "is no text in UTF-8")


def test_damaged_parquet(tmp_path, made, refuses):
    pytest.importorskip("pyarrow")
    content = open(made("table.parquet"), "rb").read()
    (tmp_path / "a").write_bytes(content[:5000])
    refuses(tmp_path / "a", "cannot be read as Parquet")


def test_lists_in_parquet_are_vectors(tmp_path, refuses):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {**COLUMNS, "obs_0": [[float(i), 0.0] for i in range(5)], "next_obs_0": [[0.0, 0.0]] * 5}
    )
    frame.drop(columns="next_obs_0").to_parquet(tmp_path / "a")
    assert demos.load(tmp_path / "a").observations.shape == (3, 2)  # less two last steps
    frame["obs_0"] = [[0.0], [0.0, 1.0], [], [1.0], [2.0]]
    frame.to_parquet(tmp_path / "a")
    refuses(tmp_path / "a", "obs_0 is ragged")


def test_numbers_in_parquet_do_not_become_pythons(tmp_path, monkeypatch):
    """As these a million rows of observations and successors took gigabytes."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    rows = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 4)
    some, few = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]], pa.list_(pa.large_list(pa.int8()))
    columns = {
        "fixed": (fixed, rows),
        "lists": (pa.array(rows.tolist(), pa.list_(pa.float32())), rows),
        "nested": (pa.array([[row] for row in some], few), np.array(some)[:, None]),
        "bytes": (pa.array(range(6), pa.uint8()), np.arange(6)),
        "flags": (pa.array([True, False] * 3), np.array([True, False] * 3)),
    }
    table = pa.table({name: column for name, (column, _) in columns.items()})
    parquet.write_table(table, tmp_path / "a", row_group_size=2)  # in pieces, as larger files are
    monkeypatch.setattr(table_reader, "_column", lambda name, column: column)
    read = table_reader.parquet_columns(str(tmp_path / "a"))
    for name, (column, wanted) in columns.items():
        assert isinstance(read[name], np.ndarray) and read[name].dtype == wanted.dtype, name
        np.testing.assert_array_equal(read[name], wanted)
        np.testing.assert_array_equal(numbers_of(column[2:]), wanted[2:])
    assert list(table_reader.parquet_columns(str(tmp_path / "a"), ("flags", "none"))) == ["flags"]


@pytest.mark.parametrize("cells", [[[1.0, None], [2.0, 3.0]], [[1.0], [2.0, 3.0]], [1, None], ["a", "b"], []])
def test_what_arrow_holds_beside_numbers_is_no_array(cells):
    pa = pytest.importorskip("pyarrow")
    assert numbers_of(pa.array(cells)) is None


def test_columns_that_are_ignored_may_be_ragged(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({**COLUMNS, "info.contacts": [[0], [0, 1], [], [1], [2]]})
    frame.to_parquet(tmp_path / "a")
    assert any("info.contacts" in note for note in demos.load(tmp_path / "a").notes)


def test_images_of_bytes_in_parquet_stay_bytes(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    images = np.arange(5 * 48, dtype=np.uint8).reshape(5, 4, 4, 3)
    kind = pa.list_(pa.list_(pa.list_(pa.uint8())))
    table = pa.table(
        {
            "observation": pa.array(images.tolist(), kind),
            "action": pa.array([0, 1, 0, 1, 0]),
            "terminated": pa.array([False, False, True, False, False]),
            "truncated": pa.array([False, False, False, False, True]),
        }
    )
    parquet.write_table(table, tmp_path / "a")
    d = demos.load(tmp_path / "a")
    assert d.observations.dtype == np.uint8 and np.array_equal(d.observations[0], images[0])


def test_without_pyarrow_the_line_says_what_to_install(made, refuses, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    refuses(made("table.parquet"), r"pyarrow is not installed; .*pip install 'gail_tf\[arrow\]'")


def test_other_encodings_and_json_are_named(write, tmp_path):
    path = write(**{"info.größe": [1] * 5})
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    with pytest.raises(
        UserError, match=r"a.csv: is no text in UTF-8 \(.*\); wanted that: save it as 'CSV UTF-8'"
    ):
        demos.load(path)
    pd.DataFrame(COLUMNS).to_json(path, orient="records", lines=True)
    with pytest.raises(
        UserError, match=r"a.csv: is JSON; wanted a table: write it with pandas.DataFrame.to_csv"
    ):
        demos.load(path)


def test_ends_are_asked_for_in_the_words_of_tables(write):
    with pytest.raises(
        UserError, match=r"no column says where a limit .*; wanted episode .*, truncated .*: add"
    ):
        demos.load(write(truncated=None, next_obs_0=None))


def test_numbers_that_a_database_wrote(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from decimal import Decimal

    from pyarrow import parquet

    columns = {**COLUMNS, "obs_0": [Decimal(str(number)) for number in COLUMNS["obs_0"]]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert demos.load(tmp_path / "a.parquet").observations.tolist() == [[0], [1], [2], [10], [11]]


def test_true_and_false_are_numbers(write):
    d = demos.load(
        write(
            obs_1=[True, False, True, False, True], next_obs_1=[False] * 5, action=[True, False] * 2 + [True]
        )
    )
    assert d.observations[:, 1].tolist() == [1, 0, 1, 0, 1] and d.actions.tolist() == [1, 0, 1, 0, 1]
