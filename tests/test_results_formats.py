"""Tables of results in every format: types and digits are kept, and cells are safe."""

from __future__ import annotations

import json
import os
from pathlib import Path

import optuna
import pandas as pd
import pytest
from exported_studies import FULL, add, every_state, read
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from storage import TrialStorage
from studies import best_trials, export_trials
from studies.results.export import check_output, to_csv, write_trials


@pytest.fixture
def study(sqlite_storage: TrialStorage) -> optuna.Study:
    """Make a study with every kind of trial."""
    return every_state(sqlite_storage)


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
