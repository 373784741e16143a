"""Tables of results: stable columns, every format, safe cells, no row lost."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import sqlalchemy
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial
from queues import WHOLE_TRIALS, traffic, write

from storage import (
    Budget,
    Point,
    TrialStorage,
    TrialTable,
    create_storage,
    enqueue,
    history_of,
    remove_study,
    storage_of,
    study_id,
)
from studies import StudyNotFoundError, best_trials, export_trials
from studies.results.export import check_output, print_trials, to_csv, write_trials

SPACE: dict[str, BaseDistribution] = {
    "kind": CategoricalDistribution(["a", "b"]),
    "x": FloatDistribution(-90.0, 90.0),
}
PLAIN = ["number", "value", "state", "datetime_start", "datetime_complete", "duration"]
FULL = [*PLAIN, "params_kind", "params_x", "user_attrs_epochs", "user_attrs_history"]


def add(study: optuna.Study, value: float | None, state: str = "COMPLETE", **attrs: Any) -> None:
    """Add a trial; its start is 12 o'clock UTC, its duration 90 seconds."""
    number = len(study.trials)
    trial = create_trial(
        state=TrialState[state],
        value=value,
        params={"kind": "ab"[number % 2], "x": -1.5 - number},
        distributions=SPACE,
        user_attrs=attrs,
    )
    trial.datetime_start = datetime(2030, 1, 1, 12, tzinfo=UTC).astimezone().replace(tzinfo=None)
    if trial.state.is_finished():
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=90)
    study.add_trial(trial)


@pytest.fixture
def study(sqlite_storage: TrialStorage) -> optuna.Study:
    """Make a study with every kind of trial."""
    made = optuna.create_study(storage=sqlite_storage, study_name="s", direction="maximize")
    add(made, 0.5, history=[{"loss": 1.0}, {"loss": 0.5}], epochs=2)
    add(made, 0.9, history=[], epochs=3)
    add(made, None, "FAIL")
    add(made, 0.9, epochs=4)
    add(made, None, "RUNNING")
    add(made, 0.7)
    return made


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_columns_are_optunas_in_a_stable_order(study: optuna.Study) -> None:
    frame = export_trials(study)
    assert list(frame.columns) == FULL
    theirs = study.trials_dataframe()
    assert set(frame.columns) == set(theirs.columns)
    assert list(frame.number) == list(theirs.number)
    assert list(frame.state) == list(theirs.state)
    pd.testing.assert_series_equal(frame.params_x, theirs.params_x)
    pd.testing.assert_series_equal(frame.duration, theirs.duration, check_dtype=False)


def test_two_studies_of_one_space_have_the_same_columns(
    study: optuna.Study, sqlite_storage: TrialStorage
) -> None:
    other = optuna.create_study(storage=sqlite_storage, study_name="t", direction="maximize")
    for space in (dict(reversed(SPACE.items())), SPACE):
        attrs = {"history": [1], "epochs": 2}
        params = {"x": 0.5, "kind": "b"}
        other.add_trial(
            create_trial(value=1.0, params=params, distributions=space, user_attrs=attrs)
        )
    assert list(export_trials(other).columns) == list(export_trials(study).columns) == FULL
    assert list(best_trials(other).columns) == list(best_trials(study).columns) == FULL


def test_the_best_come_first_and_of_equals_the_earlier(study: optuna.Study) -> None:
    assert list(best_trials(study).number) == [1, 3, 5, 0]
    assert list(best_trials(study, 2).number) == [1, 3]
    assert list(export_trials(study, top=3).number) == [1, 3, 5]


def test_the_best_of_a_minimized_study_are_the_smallest(sqlite_storage: TrialStorage) -> None:
    study = optuna.create_study(storage=sqlite_storage, direction="minimize")
    for value in (0.5, -2.0, float("inf"), 0.0):
        add(study, value)
    assert list(best_trials(study).number) == [1, 3, 0, 2]


def test_all_that_started_are_exported_in_order_of_number(study: optuna.Study) -> None:
    study.enqueue_trial({"x": 1.0})
    frame = export_trials(study)
    assert list(frame.number) == [0, 1, 2, 3, 4, 5]
    assert list(frame.state[2:5]) == ["FAIL", "COMPLETE", "RUNNING"]
    assert frame.value.isna().tolist() == [False, False, True, False, True, False]
    assert frame.datetime_complete.isna().tolist() == [False] * 4 + [True, False]
    assert frame.duration.isna().tolist() == [False] * 4 + [True, False]


@pytest.fixture(params=["UTC", "Asia/Kolkata"])
def timezone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process be on a machine elsewhere."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("timezone")
def test_times_are_utc_on_every_machine(study: optuna.Study) -> None:
    frame = export_trials(study)
    noon = pd.Timestamp(datetime(2030, 1, 1, 12, tzinfo=UTC))
    assert set(frame.datetime_start) == {noon}
    assert frame.datetime_complete[0] == noon + pd.Timedelta(seconds=90)
    assert "2030-01-01 12:00:00+00:00" in to_csv(frame)
    assert isinstance(storage_of(study), TrialStorage)
    with storage_of(study).reading() as connection:
        stored = connection.exec_driver_sql("SELECT min(datetime_start) FROM trials").scalar()
    assert str(stored).startswith("2030-01-01 12:00:00")


def test_a_duration_is_true_when_clocks_are_put_back_or_forward(
    sqlite_storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    study = optuna.create_study(storage=sqlite_storage)
    for number, began in enumerate(("2026-10-25 00:30:00", "2026-03-29 00:30:00")):
        add(study, 1.0)
        complete = began.replace("00:30", "01:30")
        write(
            sqlite_storage,
            f"UPDATE trials SET datetime_start = '{began}', datetime_complete = '{complete}' "
            f"WHERE number = {number}",
        )
    frame = export_trials(optuna.load_study(study_name=study.study_name, storage=sqlite_storage))
    monkeypatch.undo()
    time.tzset()
    assert frame.duration.dt.total_seconds().tolist() == [3600.0, 3600.0]
    assert [str(t) for t in frame.datetime_complete] == [
        "2026-10-25 01:30:00+00:00",
        "2026-03-29 01:30:00+00:00",
    ]


def test_csv_has_every_row_and_nested_attributes_as_json(
    study: optuna.Study, tmp_path: Path
) -> None:
    export_trials(study, tmp_path / "t.csv")
    rows = read((tmp_path / "t.csv").read_text(encoding="utf-8"))
    assert list(rows[0]) == FULL
    assert [row["number"] for row in rows] == list("012345")
    assert json.loads(rows[0]["user_attrs_history"]) == [{"loss": 1.0}, {"loss": 0.5}]
    assert rows[0]["duration"] == "90.0"
    assert rows[4]["value"] == rows[4]["datetime_complete"] == ""


def test_parquet_keeps_the_types(study: optuna.Study, tmp_path: Path) -> None:
    frame = export_trials(study, tmp_path / "t.parquet")
    back = pd.read_parquet(tmp_path / "t.parquet")
    assert list(back.columns) == FULL
    for name in ("number", "value", "state", "datetime_start", "params_kind", "params_x"):
        pd.testing.assert_series_equal(back[name], frame[name], check_dtype=False)
    assert json.loads(back.user_attrs_history[0]) == [{"loss": 1.0}, {"loss": 0.5}]


def test_parquet_takes_a_column_of_several_types(study: optuna.Study, tmp_path: Path) -> None:
    for value in (1, "text", True, [1, 2], None):
        add(study, 0.1, mixed=value)
    export_trials(study, tmp_path / "t.parquet")
    back = pd.read_parquet(tmp_path / "t.parquet")
    assert list(back.user_attrs_mixed[-5:-1]) == ["1", "text", "True", "[1, 2]"]
    assert pd.isna(back.user_attrs_mixed.iloc[-1])


def test_json_is_a_list_of_rows(study: optuna.Study, tmp_path: Path) -> None:
    export_trials(study, tmp_path / "t.json")
    rows = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert list(rows[0]) == FULL
    assert rows[0]["user_attrs_history"] == [{"loss": 1.0}, {"loss": 0.5}]
    assert rows[0]["datetime_start"].startswith("2030-01-01T12:00:00")
    assert [row["value"] for row in rows] == [0.5, 0.9, None, 0.9, None, 0.7]


def test_json_has_every_digit(study: optuna.Study, tmp_path: Path) -> None:
    small = 1.23456789012345e-12
    add(study, small, rates=[small, None], at={"nothing": float("nan")})
    export_trials(study, tmp_path / "t.json")
    row = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))[-1]
    assert (row["value"], row["user_attrs_rates"]) == (small, [small, None])
    assert row["user_attrs_at"] == {"nothing": None}


def test_markdown_is_a_table(study: optuna.Study, tmp_path: Path) -> None:
    export_trials(study, tmp_path / "t.MD", top=2)
    head, rule, *rows = (tmp_path / "t.MD").read_text(encoding="utf-8").splitlines()
    assert head.startswith("| number | value | duration | ")
    assert set(rule) <= set("|:-")
    assert len(rows) == 2


def test_an_unknown_ending_is_an_error_before_anything_is_written(
    study: optuna.Study, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"ends in csv, parquet, json, md\. Received: .*t\.xls"):
        export_trials(study, tmp_path / "t.xls")
    with pytest.raises(ValueError, match="Expected a file name that ends in"):
        check_output("csv")
    assert not (tmp_path / "t.xls").exists()


FORMULAS = ["=cmd", "+1", "-x", "@SUM(A1)", "\tx", "\rx"]


def test_no_cell_and_no_column_of_csv_is_a_formula(study: optuna.Study) -> None:
    for formula in FORMULAS:
        add(study, 0.1, note=formula)
    text = to_csv(export_trials(study))
    notes = [row["user_attrs_note"] for row in read(text)]
    assert notes[-6:] == ["'=cmd", "'+1", "'-x", "'@SUM(A1)", "'\tx", "'\nx"]
    bad = pd.DataFrame({"=name": [1], "duration": pd.to_timedelta([1.0], unit="s"), "ok": ["=x"]})
    assert read(to_csv(bad)) == [{"'=name": "1", "duration": "1.0", "ok": "'=x"}]


def test_a_carriage_return_in_a_message_begins_no_row(study: optuna.Study) -> None:
    add(study, 0.1, note="a\r=cmd\r\nb")
    text = to_csv(export_trials(study))
    assert "\r" not in text
    assert read(text)[-1]["user_attrs_note"] == "a\n=cmd\nb"


def test_numbers_stay_numbers_in_csv(study: optuna.Study) -> None:
    add(study, -0.25, delta=-3)
    row = read(to_csv(export_trials(study)))[-1]
    assert (row["value"], row["params_x"]) == ("-0.25", "-7.5")
    assert float(row["user_attrs_delta"]) == -3


def test_a_study_without_trials_is_a_table_without_rows(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = optuna.create_study(storage=sqlite_storage)
    for ending in ("csv", "parquet", "json", "md"):
        frame = export_trials(study, tmp_path / f"t.{ending}")
        assert list(frame.columns) == PLAIN
        assert len(frame) == 0
        assert (tmp_path / f"t.{ending}").stat().st_size > 0
    assert len(best_trials(study)) == 0
    assert frame.datetime_start.dtype == "datetime64[us, UTC]"


def test_trials_that_are_running_only_have_no_value(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = optuna.create_study(storage=sqlite_storage)
    for _ in range(2):
        study.ask()
    for ending in ("csv", "parquet", "json", "md"):
        frame = export_trials(study, tmp_path / f"t.{ending}")
        assert frame.value.isna().all()
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 2
    assert len(best_trials(study)) == 0


@pytest.fixture
def many(sqlite_storage: TrialStorage) -> optuna.Study:
    """Make a study of 20,000 completed trials, of which number 12,345 is the best."""
    study = optuna.create_study(storage=sqlite_storage, direction="maximize")
    points = [Point({"x": i / 20_000}, {"x": SPACE["x"]}) for i in range(20_000)]
    enqueue(sqlite_storage, study_id(study), points, Budget(None, None, adaptive=False))
    with sqlite_storage.transaction() as connection:
        for statement in (
            "UPDATE trials SET state = 'COMPLETE', datetime_start = '2030-01-01 00:00:00.000000',"
            " datetime_complete = '2030-01-01 00:01:00.000000'",
            "INSERT INTO trial_values (trial_id, objective, value, value_type)"
            " SELECT trial_id, 0, -abs(number - 12345), 'FINITE' FROM trials",
        ):
            connection.execute(sqlalchemy.text(statement))
    return study


def test_no_row_of_20000_is_lost(many: optuna.Study, tmp_path: Path) -> None:
    frame = export_trials(many, tmp_path / "t.csv")
    assert list(frame.number) == list(range(20_000))
    assert frame.params_x.nunique() == 20_000
    assert len(read((tmp_path / "t.csv").read_text(encoding="utf-8"))) == 20_000
    assert list(best_trials(many, 3).number) == [12345, 12344, 12346]


def test_a_text_that_is_not_utf8_is_exported_with_its_bytes_escaped(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = optuna.create_study(storage=sqlite_storage)
    text = os.fsdecode(b"caf\xe9.png")
    for value in (text, 1, [text, {text: text}]):
        add(study, 1.0, file=value)
    for ending in ("csv", "parquet", "json", "md"):
        export_trials(study, tmp_path / f"t.{ending}", columns=["file"])
        content = (tmp_path / f"t.{ending}").read_bytes()
        assert b"caf\\" in content
    (row, *_) = read((tmp_path / "t.csv").read_text(encoding="utf-8"))
    assert row["user_attrs_file"] == r"caf\udce9.png"
    assert best_trials(study).user_attrs_file[0] == r"caf\udce9.png"


def test_whole_numbers_stay_whole_where_some_are_missing(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = optuna.create_study(storage=sqlite_storage)
    for number, params in enumerate(({"n": 64}, {})):
        trial = study.ask({name: IntDistribution(64, 64) for name in params})
        if number == 1:
            trial.set_user_attr("epochs", 2)
        study.tell(trial, 1.0)
    frame = export_trials(study, tmp_path / "trials.csv")
    assert frame.params_n.dtype == frame.user_attrs_epochs.dtype == "Int64"
    cells = pd.read_csv(tmp_path / "trials.csv", dtype=str, keep_default_na=False)
    assert cells.params_n.to_list() == ["64", ""]
    assert cells.user_attrs_epochs.to_list() == ["", "2"]
    export_trials(study, tmp_path / "trials.json")
    rows = json.loads((tmp_path / "trials.json").read_text())
    assert [row["user_attrs_epochs"] for row in rows] == [None, 2]
    assert isinstance(rows[0]["params_n"], int)


def test_a_row_of_markdown_is_one_line_for_people(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = optuna.create_study(storage=sqlite_storage)
    value, reason = 1234567.8912345, "ValueError: a|b\nc"
    study.ask().set_user_attr("fail_reason", reason)
    study.tell(0, value)
    study.tell(study.ask(), state=TrialState.FAIL)
    export_trials(study, tmp_path / "trials.md")
    lines = (tmp_path / "trials.md").read_text().splitlines()
    assert len(lines) == 4
    assert "| 1.2346e+06 |" in lines[2]
    assert r"ValueError: a\|b<br>c" in lines[2]
    assert not any(word in lines[3] for word in ("nan", "NaT", "None"))


def test_a_file_to_read_has_few_columns_and_short_numbers_unless_they_are_named(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = optuna.create_study(storage=sqlite_storage)
    service = {
        "history": {"loss": [0.5]}, "versions": {"keras": "3"}, "data_sha256": "ab" * 32,
        "worker": "host-1", "device": "cpu", "compile_seconds": 1.5, "seed": 0, "epochs": 3,
        "train_seconds": 1 / 3,
    }  # fmt: skip
    own = {"note": "wide", "share": 2 / 3, "file": "/a/b.png", "parts": [1], "x": 1.0}
    for _ in range(2):
        trial = study.ask({"x": FloatDistribution(0.1, 0.2), "n": IntDistribution(7, 7)})
        for name, value in {**service, **own}.items():
            trial.set_user_attr(name, value)
        study.tell(trial, 0.1234567891)

    def table(top: int | None, columns: list[str] | None = None) -> list[list[str]]:
        frame = export_trials(study, tmp_path / "t.md", top=top, columns=columns)
        written = (tmp_path / "t.md").read_bytes()
        assert write_trials(study, tmp_path / "t.md", top=top, columns=columns) == len(frame)
        assert (tmp_path / "t.md").read_bytes() == written
        rows = [line.strip("| ").split(" | ") for line in written.decode().splitlines()]
        assert len(rows[0]) <= len(frame.columns)
        return rows

    names = ["number", "value", "state", "n", "params_x", "epochs", "note", "share",
             "train_seconds", "user_attrs_x"]  # fmt: skip
    header, _, row, _ = table(None)
    assert sorted(header) == sorted(names)
    assert "state" not in table(1)[0]
    cells = dict(zip(header, row, strict=True))
    assert (cells["value"], cells["share"], cells["train_seconds"]) == (
        "0.12346", "0.66667", "0.33333",
    )  # fmt: skip
    assert (cells["n"], cells["note"], cells["state"]) == ("7", "wide", "COMPLETE")
    header, _, row, _ = table(None, ["value", "file", "history"])
    assert header == ["value", "file", "history"]
    assert row == ["0.12346", "/a/b.png", '{"loss": [0.5]}']
    export_trials(study, tmp_path / "t.csv")
    assert "0.1234567891," in (tmp_path / "t.csv").read_text()  # all digits, all columns
    assert "user_attrs_data_sha256" in (tmp_path / "t.csv").read_text()


def test_a_history_that_is_no_number_somewhere_is_still_json(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = optuna.create_study(storage=sqlite_storage)
    trial = study.ask()
    trial.set_user_attr("history", {"loss": [0.1, float("nan")]})
    study.tell(trial, 1.0)
    export_trials(study, tmp_path / "trials.csv")
    cell = pd.read_csv(tmp_path / "trials.csv").user_attrs_history[0]
    assert json.loads(cell, parse_constant=pytest.fail) == {"loss": [0.1, None]}


def varied_study(storage: TrialStorage, storage_url: str) -> optuna.Study:
    """Make a study whose columns have one type, several, gaps, or types that come late."""
    study = optuna.create_study(storage=storage, study_name="v", direction="maximize")
    cells: list[dict[str, Any]] = [
        {"whole": 1, "mixed": 1, "number": 1, "flag": True, "often": True, "late": None},
        {"whole": 2, "mixed": "=a", "number": 0.5, "flag": False, "nested": [1, {"a": None}]},
        {"whole": 3, "mixed": 2.5, "number": float("nan"), "flag": True, "nested": {"b": [2]}},
        {"whole": 4, "mixed": True, "number": float("-inf"), "flag": False, "text": "-x\r\ny"},
        {"whole": 5, "number": 1e-7, "flag": True, "rare": 2**31, "often": False},
        {"whole": 6, "number": 3, "flag": False, "late": 7, "often": True, "text": "é|\n"},
        {"whole": 7, "number": 1e300, "flag": True, "late": 8, "mixed": 3},
    ]
    for i, attributes in enumerate(cells):
        space: dict[str, BaseDistribution] = {
            "x": FloatDistribution(0.0, 9.0),
            "n": IntDistribution(0, 9),
            "choice": CategoricalDistribution([None, 1, 2.5, "a", True]),
        }
        if i % 3 == 2:
            del space["n"]
        params = {"x": i / 3, "n": i, "choice": [1, None, 2.5, 1, 1, "a", True][i]}
        study.add_trial(
            create_trial(
                value=None if i == 2 else [0.1, 0.7, 0.0, float("inf"), 0.7, -1.0, 0.3][i],
                state=TrialState.FAIL if i == 2 else TrialState.COMPLETE,
                params={name: params[name] for name in space},
                distributions=space,
                user_attrs=attributes,
            )
        )
    write(storage, "UPDATE trials SET datetime_start = '2030-01-01 00:00:00' WHERE number > 2")
    study.enqueue_trial({"x": 1.0})
    return optuna.load_study(storage=create_storage(storage_url), study_name="v")


@pytest.fixture
def varied(sqlite_storage: TrialStorage, sqlite_url: str) -> optuna.Study:
    """Make one in a SQLite file."""
    return varied_study(sqlite_storage, sqlite_url)


@pytest.mark.parametrize("top", [None, 4])
@pytest.mark.parametrize("ending", ["csv", "json", "md", "parquet"])
def test_a_table_written_in_parts_is_the_table_written_at_once(
    varied: optuna.Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    top: int | None,
) -> None:
    whole, parts = tmp_path / f"whole.{ending}", tmp_path / f"parts.{ending}"
    frame = export_trials(varied, whole, top=top)
    monkeypatch.setattr("studies.results.export.ROWS", 2)
    assert write_trials(varied, parts, top=top) == len(frame) == (top or 7)
    if ending == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(parts), pd.read_parquet(whole))
    else:
        assert parts.read_text(encoding="utf-8") == whole.read_text(encoding="utf-8")
    if ending == "csv":
        stream = io.StringIO()
        print_trials(varied, stream, top=top)
        assert stream.getvalue() == whole.read_text(encoding="utf-8")


def test_a_frame_is_what_pandas_makes_of_optunas_trials(
    storage: TrialStorage, storage_url: str
) -> None:
    varied = varied_study(storage, storage_url)
    frame = export_trials(varied)
    theirs = varied.trials_dataframe()[:-1]  # the last one waits
    assert set(frame.columns) == {c for c in theirs.columns if not c.startswith("system")}
    for name in frame.columns.drop(["datetime_start", "datetime_complete", "duration"]):
        cells = [None if _is_missing(cell) else cell for cell in frame[name]]
        assert cells == [None if _is_missing(cell) else cell for cell in theirs[name]], name
    assert frame.user_attrs_late.dtype == frame.user_attrs_rare.dtype == "Int64"
    assert frame.user_attrs_whole.dtype == "int64"
    assert frame.user_attrs_number.dtype == frame.value.dtype == "float64"
    assert (frame.user_attrs_flag.dtype, frame.user_attrs_often.dtype) == (bool, "boolean")


def _is_missing(cell: Any) -> bool:
    return not isinstance(cell, list | dict) and bool(pd.isna(cell))


def test_a_table_is_read_part_by_part_without_reports(
    varied: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.results.export.ROWS", 3)
    with traffic(storage_of(varied)) as sent:
        assert write_trials(varied, tmp_path / "t.csv") == 7
    whole = [each for each in sent.statements if re.match(WHOLE_TRIALS, each)]
    assert len(whole) == 3
    assert len(sent.trials) == 7
    assert not any("trial_intermediate_values" in each for each in sent.statements)
    system = [each for each in sent.statements if "trial_system_attributes" in each]
    key = re.compile(r'trial_system_attributes\."?key"? = ')  # of the history alone
    assert all(map(key.search, system))


def test_a_table_is_of_one_moment(
    storage: TrialStorage, storage_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    varied = varied_study(storage, storage_url)
    monkeypatch.setattr("studies.results.export.ROWS", 2)
    other = optuna.load_study(storage=create_storage(storage_url), study_name="v")

    def parts(table: TrialTable, rows: int) -> Iterator[list[FrozenTrial]]:
        for trials in plain(table, rows):
            yield trials
            other.add_trial(create_trial(value=9.0, user_attrs={"new": 1, "whole": "text"}))
            write(storage, "UPDATE trial_user_attributes SET value_json = '99' WHERE key = 'whole'")

    plain = TrialTable.parts
    before = export_trials(varied)
    monkeypatch.setattr(TrialTable, "parts", parts)
    assert write_trials(varied, tmp_path / "t.json") == 7
    rows = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert list(rows[0]) == list(before.columns)
    assert [row["user_attrs_whole"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert len(other.trials) == 12


def test_a_study_that_is_gone_is_said_to_be(storage: TrialStorage, tmp_path: Path) -> None:
    study = optuna.create_study(storage=storage, study_name="s")
    remove_study(storage, study_id(study), None)
    with pytest.raises(StudyNotFoundError, match="Study 's' was deleted"):
        write_trials(study, tmp_path / "t.csv")


def test_a_history_is_exported_from_where_each_version_keeps_it(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    """A user attribute, in earlier versions, made pages of optuna-dashboard too wide."""
    study = optuna.create_study(storage=sqlite_storage, study_name="s")
    before, now = {"loss": [0.5, None]}, {"loss": [0.25]}
    study.add_trial(create_trial(value=1.0, user_attrs={"history": before}))
    study.add_trial(create_trial(value=2.0, system_attrs={"history": now, "other": 1}))
    study.add_trial(create_trial(value=3.0))
    assert list(map(history_of, study.trials)) == [before, now, {}]
    frame = export_trials(study, tmp_path / "t.csv", columns=["number", "history"])
    assert list(frame.user_attrs_history) == [before, now, None]
    cells = [row["user_attrs_history"] for row in read((tmp_path / "t.csv").read_text())]
    assert [cell and json.loads(cell) for cell in cells] == [before, now, ""]


def test_chosen_columns_have_short_names_and_an_unknown_one_leaves_the_file_as_it_is(
    study: optuna.Study, tmp_path: Path
) -> None:
    frame = export_trials(study, columns=["epochs", "number", "x", "params_kind"])
    assert list(frame) == ["user_attrs_epochs", "number", "params_x", "params_kind"]
    for ending in ("csv", "json", "md", "parquet"):
        file = tmp_path / f"t.{ending}"
        assert write_trials(study, file, columns=["x", "value"]) == 6
        file.write_text("as it was")
        with pytest.raises(
            ValueError, match=r"Expected a column.*: lr\. .*one of .*epochs, .*kind"
        ):
            write_trials(study, file, columns=["x", "lr"])
        assert file.read_text() == "as it was"


def test_a_level_is_shown_as_it_is_counted_and_a_measurement_with_all_digits(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = optuna.create_study(storage=sqlite_storage)
    noisy = 0.1 + 0.2
    space = {"level": FloatDistribution(0.0, 1.0, step=0.1), "free": FloatDistribution(0.0, 1.0)}
    params = {"level": noisy, "free": noisy}
    study.add_trial(create_trial(value=noisy, params=params, distributions=space))
    for ending in ("csv", "json", "md"):
        export_trials(study, tmp_path / f"t.{ending}", columns=["level"])
        text = (tmp_path / f"t.{ending}").read_text()
        assert "0.3" in text
        assert "0.30" not in text
    frame = export_trials(study)
    assert (frame.params_level[0], frame.params_free[0], frame.value[0]) == (0.3, noisy, noisy)
