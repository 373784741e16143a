"""Evaluate a kept network on the holdout, the test part of its data set, when a search is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import objectives
from storage import storage_of
from studies.attributes import DATA_KEY, HOLDOUT_KEY
from studies.executor.client import Executor
from studies.executor.protocol import (
    EvaluateHoldout,
    HoldoutEvaluated,
)
from studies.lookup import definition_of
from studies.results.child import child_of
from studies.results.models import save_any
from studies.worker.open_studies import check_allowed

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from studies.definition.study import StudyDefinition


@dataclass(frozen=True)
class HoldoutEvaluation:
    """The result of one evaluation on the test part.

    Attributes:
        trial: The number of the trial whose network was evaluated.
        at: The time, in UTC.
        n: The number of pictures.
        metrics: "loss" and the objective's metrics.
        data: SHA-256 of the data that the trial was trained on; the test part belongs to them.
        study: The name of the trial's study.
        networks: How many networks were evaluated; the trial is that of the first one then.
    """

    trial: int
    at: str
    n: int
    metrics: Mapping[str, float | None]
    data: str
    study: str
    networks: int = 1


def evaluate_on_holdout(
    study: optuna.Study, trial: int | None = None, *, allow_modules: Sequence[str] = ()
) -> HoldoutEvaluation:
    """Evaluate the kept network of a trial on the test part, and record the evaluation.

    A second evaluation is no error, but choosing by the first one has used the test part up:
    `earlier_evaluations` finds it.

    Args:
        study: The study, in a storage that is opened to write.
        trial: The number of the trial; None for the best one.
        allow_modules: Packages and files whose functions may be executed: that of a study whose
            networks a user builds must be among them.

    Raises:
        WorkerError: It is not.
        ValueError: No trial is complete, or the objective is a user's function, whose data only
            the function knows.
        KeyError: There is no such trial.
        FileNotFoundError: The trial's network is not kept.
        TrialError: The network or the data cannot be read, or the data are not those that the
            trial was trained on.
        ExecutorDiedError: The child process ended, for instance for want of memory.
    """
    objectives.admit(allow_modules)
    definition = definition_of(study)
    if definition.is_function:
        raise ValueError(
            f"Expected a study of {' or '.join(objectives.names())}. "
            f"Received: {definition.objective}, a function of yours, which knows its data itself."
        )
    check_allowed(definition, allow_modules)
    with TemporaryDirectory(prefix="hpo-") as folder:
        file, evaluated = save_any(study, Path(folder), trial, allow_modules=allow_modules)
        answer = _evaluate(study, definition, evaluated, file)
    found = HoldoutEvaluation(
        trial=evaluated.number,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        n=answer.n,
        metrics=answer.metrics,
        data=evaluated.user_attrs[DATA_KEY],
        study=study.study_name,
    )
    record(study, found)
    return found


def record(study: optuna.Study, evaluation: HoldoutEvaluation) -> None:
    """Record an evaluation with its study: a search shows and exports attributes of its trials."""
    study.set_user_attr(f"{HOLDOUT_KEY}{uuid4().hex[:8]}", asdict(evaluation))


def holdout_evaluations(study: optuna.Study) -> list[HoldoutEvaluation]:
    """Return the recorded evaluations of a study on its test part, the first one first."""
    return sorted(_recorded(study.user_attrs), key=lambda each: each.at)


def earlier_evaluations(now: HoldoutEvaluation, study: optuna.Study) -> list[HoldoutEvaluation]:
    """Return the evaluations before `now` on the same test part, the first one first.

    Those of all studies in the storage count: comparing two studies by the test part chooses by it
    as well.
    """
    found = evaluations_on(now.data, storage_of(study))
    return [each for each in found if each.at < now.at]


def evaluations_on(data: str, storage: BaseStorage) -> list[HoldoutEvaluation]:
    """Return the evaluations of all studies on the test part of some data, the first one first.

    Args:
        data: The SHA-256 of what a search sees of the data.
        storage: The storage.
    """
    found = [each for other in storage.get_all_studies() for each in _recorded(other.user_attrs)]
    return sorted((each for each in found if each.data == data), key=lambda each: each.at)


def _recorded(attributes: Mapping[str, Any]) -> list[HoldoutEvaluation]:
    return [
        HoldoutEvaluation(**value)
        for key, value in attributes.items()
        if key.startswith(HOLDOUT_KEY)
    ]


def _evaluate(
    study: optuna.Study, definition: StudyDefinition, trial: FrozenTrial, file: Path
) -> HoldoutEvaluated:
    """Evaluate a network in a child process; return its metrics and the number of pictures."""
    # A point that was queued may set a parameter that the optimizer of the trial does not have.
    settings = definition.setting_at(definition.factors.at(trial.params))
    child = child_of(study, definition, trial)
    executor = Executor(child.kind, should_abort=lambda: False)
    try:
        return executor.evaluate_holdout(
            EvaluateHoldout(
                objective=child.objective,
                hyperparameters=settings,
                dataset=child.dataset,
                file=file,
                sha256=trial.user_attrs.get(DATA_KEY),
            )
        )
    finally:
        executor.close()
