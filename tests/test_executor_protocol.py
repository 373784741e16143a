"""The messages between a worker and its executor child, as lines and back."""

from __future__ import annotations

import math
import signal
import sqlite3
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy.exc

from studies.errors import (
    ExecutorDiedError,
    ExecutorError,
    ExecutorStoppedError,
    HpoError,
    TrialError,
)
from studies.executor import inspection, protocol, report
from studies.executor.client import is_out_of_memory
from studies.executor.codec import (
    SentAnswer,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)
from studies.executor.request import DatasetSpec

DATASET = DatasetSpec("digits", {"train_size": 100, "seed": None})
REPORT = report.ErrorReport("builtins.ValueError", "no ü\ud800", "line 1\nline 2")
REQUESTS: list[Any] = [
    protocol.ExecutorKind(None),
    protocol.ExecutorKind("auto", "tensorflow", 8),
    protocol.LoadData(DATASET),
    protocol.AddTrials(
        "mlp",
        DATASET,
        {"hidden_units": [[8], [8, 8]], "dropout": [0.0, 0.5]},
        "val_accuracy",
        maximize=True,
        tasks=[
            protocol.TrialTask(1, {"hidden_units": [8], "clip": math.inf}, 0, Path("a/b.npz")),
            protocol.TrialTask(2, {"name": None}, 7, None),
        ],
    ),
    protocol.TrainEpoch(),
    protocol.StopTrials([1, 2]),
    protocol.TakeEnded(),
    protocol.SaveNetwork(1, Path("/tmp/network.keras")),
    protocol.DrawFigures("clock", DATASET, Path("figures")),
    protocol.SaveCheckpoint(1, Path("a.npz")),
    protocol.EvaluateHoldout("mlp", {"epochs": 3}, DATASET, Path("network.keras"), None),
    inspection.InspectNetwork(
        "a.py:build", DATASET, {"epochs": 1}, [{"u": None}], {"u": [1]}, {"u": [{}]}
    ),
    inspection.FindFunction("module:name"),
    inspection.ExamineData(DATASET),
    protocol.CallFunction("module:name", "sqlite:///hpo.db", "s", "2026-01-01", 5, Path("f")),
]
ANSWERS: list[Any] = [
    protocol.Ready(None, "", 1),
    protocol.Ready("jax", "cpu", 64),
    protocol.Done(),
    inspection.FunctionFound({"files_sha256": {"module": "0a1b"}}),
    protocol.DataLoaded("0a1b"),
    protocol.TrialsAdded(
        [protocol.AddedTrial(1, {"loss": [0.5, None]})], [protocol.RefusedTrial(2, REPORT)], 4
    ),
    protocol.EpochTrained([protocol.TrialEpoch(1, 3, {"loss": 0.1, "mae": None}, ended=True)], 4),
    protocol.EndedTrials(
        [
            protocol.TrialResult(1, 0.25, pruned=False, attributes={"history": {"loss": [1.0]}}),
            protocol.TrialResult(2, None, pruned=True, attributes={}),
        ],
        programs_built=3,
        memory=2**33,
    ),
    protocol.TrialResult(1, 1.0, pruned=False, attributes={}),
    protocol.NetworkSaved([Path("trial-1.weights.h5"), Path("trial-1.json")]),
    inspection.NetworkInspected(
        {"u": {"low": 1, "high": 2}},
        ["loss"],
        [],
        4,
        convolves_pictures=True,
        trained_by="fit",
        reason="a GAN",
        structural=["u"],
        encoding={"scale": 1.0, "labels": ["a", "b"], "is_stored": True},
        training={"batch_size": 32, "epochs": None},
        notes=["a line"],
    ),
    inspection.DataExamined({"scale": 255.0, "labels": [1, 2]}, [8, 8, 1]),
    protocol.FiguresDrawn([Path("figures/a.png")], {"errors": "{}"}),
    protocol.HoldoutEvaluated({"loss": None, "accuracy": 0.5}, 100),
    REPORT,
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
def test_a_request_is_one_line_and_comes_back_the_same(request_: Any) -> None:
    line = encode_request(request_, 7)
    assert "\n" not in line
    assert decode_request(line) == (request_, 7)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda each: type(each).__name__)
def test_an_answer_is_one_line_and_comes_back_the_same(answer: Any) -> None:
    line = encode_answer(answer, 7, 4321)
    assert "\n" not in line
    assert decode_answer(line) == SentAnswer(answer, 7, 4321)


def test_every_message_is_tried_here_and_every_request_has_an_answer() -> None:
    assert {type(each) for each in REQUESTS} == set(get_args(protocol.AnyRequest))
    assert {type(each) for each in ANSWERS} == set(get_args(protocol.AnyAnswer))
    answers = {type(each).answer_type() for each in REQUESTS}
    assert answers == set(get_args(protocol.AnyAnswer)) - {report.ErrorReport}


@pytest.mark.parametrize(
    "line",
    [
        *("", "hello", "[]", "5", "{}", '["Done"]', '["Done", {}]', '["Nothing", {}, 1, 2]'),
        '["Ready", {"device": 1}, 1, 2]',
    ],
)
def test_another_line_is_no_answer(line: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_answer(line)


def test_numbers_that_json_cannot_say_are_none() -> None:
    assert list(map(report.finite, (1.5, math.nan, math.inf, -math.inf))) == [
        1.5,
        None,
        None,
        None,
    ]


def test_an_error_is_reported_by_the_name_that_no_other_class_has() -> None:
    reports = [
        report.report_error(sqlite3.OperationalError("locked")),
        report.report_error(sqlalchemy.exc.OperationalError("SELECT 1", None, Exception())),
    ]
    names = ["sqlite3.OperationalError", "sqlalchemy.exc.OperationalError"]
    assert [report.name for report in reports] == names
    assert TrialError(names[1], "", "").class_name == "OperationalError"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ExecutorDiedError("", signal=signal.SIGKILL), True),
        (ExecutorDiedError("SIGKILL", signal=signal.SIGSEGV), False),
        (ExecutorDiedError("SIGKILL", exit_code=1), False),
        (TrialError("jax.errors.JaxRuntimeError", "RESOURCE_EXHAUSTED: 2 GB", ""), True),
        (TrialError("builtins.MemoryError", "", ""), True),
        (TrialError("builtins.ValueError", "SIGKILL", ""), False),
    ],
)
def test_want_of_memory_is_told_from_other_failures(
    error: TrialError | ExecutorDiedError, expected: bool
) -> None:
    assert is_out_of_memory(error) is expected


def test_errors_of_the_executor_have_one_base() -> None:
    errors = (ExecutorDiedError, ExecutorStoppedError, TrialError)
    assert all(issubclass(error, ExecutorError) for error in errors)
    assert issubclass(ExecutorError, HpoError)
    assert issubclass(ExecutorError, RuntimeError)
