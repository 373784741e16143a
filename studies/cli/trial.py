"""The text of `hpo status STUDY --trial N`: all that a person needs to know of one trial."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from storage import Worker, storage_of, workers_seen
from storage.study_attributes import (
    FAIL_REASON_KEY,
    RETRIED_AS_KEY,
    RETRY_OF_KEY,
    SLOT_KEY,
    TRACEBACK_KEY,
)
from studies.attributes import COMPILE_SECONDS_KEY, TRAIN_SECONDS_KEY
from studies.cli.format import metric_name, number, parameter, short_time
from studies.lookup import as_argument, attempts_of, find_trial

TOLD_APART = (
    FAIL_REASON_KEY,
    RETRIED_AS_KEY,
    RETRY_OF_KEY,
    TRACEBACK_KEY,
    TRAIN_SECONDS_KEY,
    COMPILE_SECONDS_KEY,
)
LONGEST = 200  # characters of an attribute; longer ones are for the dashboard and the export


def trial_view(study: optuna.Study, trial_number: int) -> RenderableType:
    """Return all that a person needs to know of one trial, at last its traceback.

    Raises:
        TrialNotFoundError: The study has no such trial.
    """
    trial = find_trial(study, trial_number)
    lines = Table.grid(padding=(0, 2))
    lines.add_column(overflow="fold")
    lines.add_column(overflow="fold")
    for name, words in _lines(study, trial):
        lines.add_row(Text(name, style="dim"), Text(words))
    head = Text(f"trial {trial.number} of {study.study_name}", style="bold")
    return Group(head, lines, *_traceback(trial), *_hint(study, trial))


def _lines(study: optuna.Study, trial: FrozenTrial) -> Iterator[tuple[str, str]]:
    worker = _worker_of(study, trial)
    yield "state", trial.state.name.lower() + _also(trial, worker)
    if trial.value is not None:
        yield metric_name(study), number(trial.value)
    if trial.intermediate_values:
        step = max(trial.intermediate_values)
        yield "last report", f"{number(trial.intermediate_values[step])} at step {step}"
    if trial.state is TrialState.FAIL:
        yield "reason", str(trial.user_attrs.get(FAIL_REASON_KEY) or "unknown")
    if SLOT_KEY in trial.system_attrs:
        yield "slot", "place {1} of round {0}".format(*trial.system_attrs[SLOT_KEY])
    for name, value in trial.params.items():
        yield name, parameter(value)
    for attempt in attempts_of(study, trial):
        yield f"attempt {attempt.number}", _outcome(attempt)
    if trial.datetime_start is not None:
        yield "began", f"{trial.datetime_start:%Y-%m-%d %H:%M:%S}"
    seconds = trial.user_attrs.get(TRAIN_SECONDS_KEY)
    if seconds is not None:
        yield "took", f"{short_time(seconds)}{_compiling(trial)}"
    if worker is not None:
        yield "worker", worker.name
        yield "device", worker.device or "not known yet"
    for name, value in trial.user_attrs.items():
        if name not in TOLD_APART and isinstance(value, str | int | float | bool):
            text = parameter(value)
            yield name, text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _compiling(trial: FrozenTrial) -> str:
    compiling = trial.user_attrs.get(COMPILE_SECONDS_KEY)
    return f", {short_time(compiling)} of it for compiling" if compiling else ""


def _worker_of(study: optuna.Study, trial: FrozenTrial) -> Worker | None:
    """Return the worker that executes a trial now; one that has ended is an attribute of it."""
    if trial.state is not TrialState.RUNNING:
        return None
    for worker in workers_seen(storage_of(study)):
        if worker.study_name == study.study_name and trial.number in worker.trial_numbers:
            return worker
    return None


def _also(trial: FrozenTrial, worker: Worker | None) -> str:
    retry = trial.user_attrs.get(RETRIED_AS_KEY)
    if retry is not None:
        return f", and queued again as trial {retry}"
    if trial.state is TrialState.RUNNING and worker is None:
        return ", without a worker that is seen here"
    return ""


def _outcome(attempt: FrozenTrial) -> str:
    words = attempt.state.name.lower()
    if attempt.state is TrialState.FAIL:
        reason = str(attempt.user_attrs.get(FAIL_REASON_KEY) or "unknown")
        words += f": {reason.partition(chr(10))[0]}"
    return words if attempt.value is None else f"{words}, {number(attempt.value)}"


def _traceback(trial: FrozenTrial) -> list[Text]:
    text = trial.user_attrs.get(TRACEBACK_KEY)
    return [] if text is None else [Text(str(text).rstrip(), overflow="fold", no_wrap=False)]


def _hint(study: optuna.Study, trial: FrozenTrial) -> list[Text]:
    if trial.state is not TrialState.FAIL or trial.user_attrs.get(RETRIED_AS_KEY) is not None:
        return []
    name = as_argument(study.study_name)
    return [Text(f"Queue it again: hpo retry --trial {trial.number} {name}", style="dim")]
