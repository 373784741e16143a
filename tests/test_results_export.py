"""Tables of results: stable columns, no row lost, one moment, whichever way they are written."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import sqlalchemy
from exported_studies import FULL, PLAIN, SPACE, add, every_state, read, varied_study
from optuna.trial import FrozenTrial, create_trial
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
from studies.results.export import print_trials, to_csv, write_trials


@pytest.fixture
def study(sqlite_storage: TrialStorage) -> optuna.Study:
    """Make a study with every kind of trial."""
    return every_state(sqlite_storage)


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
