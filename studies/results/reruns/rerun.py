"""Make a trial again, and tell how far both agree: in every bit, within rounding, or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

import objectives
from storage.study_attributes import SEED_KEY
from studies.attributes import LANES_KEY, VERSIONS_KEY
from studies.errors import NotRepeatableError
from studies.lookup import as_argument, check_made_here, definition_of, find_trial
from studies.results.reruns.again import Again, last_epoch, trained_again
from studies.results.reruns.called_again import called_again
from studies.results.reruns.compared_trials import Compared, Failure, compared, kept_networks
from studies.results.reruns.study import (
    begin_rerun,
    check_name,
    check_searched,
    open_reruns,
    record_rerun,
)
from studies.statistics.agreement import RELATIVE, Verdict
from studies.versions import installed_versions
from studies.worker.open_studies import check_allowed

if TYPE_CHECKING:
    import pandas as pd

    from studies.definition.study import StudyDefinition


@dataclass(frozen=True)
class Rerun:
    """A trial that was made again, and how far both agree.

    Attributes:
        study: The study of the first one.
        trial: The number of the first one.
        kept_in: The study of the second one.
        kept_as: The number of the second one.
        verdict: The verdict on all numbers that both have.
        failure: How both failed, where one did; None where none has.
        tolerance: The relative difference that counts as rounding.
        n_epochs: How many epochs, or reports of a function, were compared.
        values: The value of each; None where it has none.
        lanes: In how many lanes the second one trained: `[[1, 8], [13, 4]]` is 8 from epoch 1 and 4
            from epoch 13 on. Empty for a function.
        metrics: A row for each metric, the values and the kept weights: name, verdict, largest
            difference, where that is, and where they first differ; epochs count from 1.
        epochs: A row for each epoch and metric: epoch, metric, first, second.
        made_with: What differs: a library, the device; name, first, second.
        notes: What else is to be known, each a sentence.
    """

    study: str
    trial: int
    kept_in: str
    kept_as: int
    verdict: Verdict
    failure: Failure | None
    tolerance: float
    n_epochs: int
    values: tuple[float | None, float | None]
    lanes: list[list[int]]
    metrics: pd.DataFrame
    epochs: pd.DataFrame
    made_with: pd.DataFrame
    notes: list[str]


def rerun(study: optuna.Study, trial: int, *, allow_modules: Sequence[str] = ()) -> Rerun:
    """Make a trial again, in as many lanes as the first time; compare both, and keep both.

    The second one is kept in a study of its own, STUDY-rerun. The searched study is not changed.
    A pruned trial is compared up to the epoch in which it was pruned.

    Args:
        study: The study, in a storage that is opened to write.
        trial: The number of the trial.
        allow_modules: Packages and files whose functions may be executed.

    Raises:
        TrialNotFoundError: There is no such trial.
        NotRepeatableError: It has not ended, was not trained, or its data are others here.
        CodeError: The code that it was made with is not here.
        StudyNotFoundError: The study was not made by this service.
        TakenNameError: Another study has the name of the one that would keep it.
        WorkerError: A function of another package or file is needed.
        TrialError: The data cannot be loaded, or the code cannot be imported.
        ExecutorDiedError: The child process ended before the trial began.
    """
    objectives.admit(allow_modules)
    first = find_trial(study, trial)
    check_made_here(study)
    check_searched(study, trial)
    definition = definition_of(study)
    _check_repeatable(study, definition, first)
    check_allowed(definition, allow_modules)
    check_name(study)
    began = datetime.now(UTC).replace(tzinfo=None)
    kept = [] if definition.is_function else kept_networks(study, first)
    with _made_again(study, definition, first, saves=bool(kept)) as again:
        found = compared(definition, first, again, kept)
        reruns = open_reruns(study, definition)
        second = again.ended.claimed
        if not definition.is_function:
            second = begin_rerun(reruns, first, began)
        record_rerun(reruns, definition, second, again, found.verdict)
    return _rerun(study, first, reruns, second, again, found)


def _made_again(
    study: optuna.Study, definition: StudyDefinition, first: FrozenTrial, *, saves: bool
) -> AbstractContextManager[Again]:
    if definition.is_function:
        return called_again(study, definition, first)
    return trained_again(study, definition, first, saves=saves)


def _check_repeatable(study: optuna.Study, definition: StudyDefinition, first: FrozenTrial) -> None:
    """Check that a trial has ended, and that this service has trained it.

    Raises:
        NotRepeatableError: It has not.
    """
    name, number, attributes = as_argument(study.study_name), first.number, first.user_attrs
    why = None
    if not first.state.is_finished():
        why = f"which is {first.state.name.lower()}. See it: hpo status --trial {number} {name}"
    elif "reused_from" in attributes:
        other = attributes["reused_from"]
        why = f"which took the value of trial {other}. Make that again: hpo rerun {name} {other}"
    elif SEED_KEY not in attributes and not definition.is_function:
        why = "which was added by another program or had no parameters yet when it ended"
    elif definition.factors.factors and not first.params:
        why = "which ended before it had parameters"
    elif last_epoch(first) == 0 and not definition.is_function:
        why = "which was ended before its first epoch"
    if why is not None:
        raise NotRepeatableError(
            f"Expected a trial that has ended and was trained. Received: trial={number}, {why}."
        )


def _rerun(
    study: optuna.Study,
    first: FrozenTrial,
    reruns: optuna.Study,
    second: FrozenTrial,
    again: Again,
    found: Compared,
) -> Rerun:
    import pandas as pd

    rows = [(e.name, e.verdict, e.largest, e.largest_at, e.differs_from) for e in found.metrics]
    columns = ["name", "verdict", "largest_difference", "largest_at", "differs_from"]
    metrics = pd.DataFrame(rows, columns=columns)
    for each in ("largest_at", "differs_from"):
        metrics[each] = metrics[each].astype("Int64")
    return Rerun(
        study=study.study_name,
        trial=first.number,
        kept_in=reruns.study_name,
        kept_as=second.number,
        verdict=found.verdict,
        failure=found.failure,
        tolerance=RELATIVE,
        n_epochs=len(found.steps),
        values=(
            first.value if first.state is TrialState.COMPLETE else None,
            again.ended.value,
        ),
        lanes=list(again.ended.attributes.get(LANES_KEY, [])),
        metrics=metrics,
        epochs=pd.DataFrame(_rows(found), columns=["epoch", "metric", "first", "second"]),
        made_with=pd.DataFrame(_differing(first, again), columns=["name", "first", "second"]),
        notes=found.notes,
    )


def _rows(found: Compared) -> Iterator[tuple[Any, ...]]:
    one, other = found.series
    for place, step in enumerate(found.steps):
        for name in dict.fromkeys([*one, *other]):
            pair = [each.get(name, ())[place : place + 1] for each in (one, other)]
            yield step, name, *(each[0] if each else None for each in pair)


def _differing(first: FrozenTrial, again: Again) -> list[tuple[str, str, str]]:
    """Return what the two were made with that differs: name, first, second."""
    attributes, ended = first.user_attrs, again.ended.attributes
    before: dict[str, Any] = dict(attributes.get(VERSIONS_KEY, {}))
    now: dict[str, Any] = dict(installed_versions())
    before |= {"backend": attributes.get("backend"), "device": attributes.get("device")}
    now |= {"backend": again.backend, "device": again.device or None}
    if again.reports is None and attributes.get(LANES_KEY) and ended.get(LANES_KEY):
        before["lanes"], now["lanes"] = attributes[LANES_KEY], ended[LANES_KEY]
    return [
        (name, str(before.get(name) or "none"), str(now.get(name) or "none"))
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
