"""Call users' own functions, `function(trial) -> float`, with real Optuna trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError

from objectives.code.find_function import find_function, own_frames
from objectives.code.raised import ExitsRaised
from storage import (
    DatabaseUnreachableError,
    create_storage,
    is_outage,
    stop_study,
    storage_of,
    study_id,
    wait_for_database,
)
from studies.definition.search import SearchOptions
from studies.definition.study import StudyDefinition
from studies.executor.forks import forks_end_here
from studies.executor.function_record import record_of
from studies.executor.function_seeds import call_with_each_seed
from studies.executor.function_trial import FunctionTrial
from studies.executor.output import begin_trial
from studies.executor.protocol import CallFunction, TrialResult
from studies.executor.report import ErrorReport, finite, qualified_name, report_error
from studies.lookup import load_study
from studies.space.parse_space import SEED
from studies.suggest import prepare_trial, seed_of


class FunctionCaller:
    """Calls a function for one claimed trial after the other."""

    def __init__(self) -> None:
        # Optuna reports each step of its own, which would hide what the function prints.
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        self._studies: dict[str, tuple[optuna.Study, StudyDefinition]] = {}
        self._storage_errors: list[BaseException] = []  # raised by the study's storage

    def call(self, request: CallFunction) -> TrialResult | ErrorReport:
        """Evaluate the function for a trial."""
        self._storage_errors.clear()
        try:
            return self._call(request)
        except Exception as error:
            # Optuna wraps what SQLAlchemy raises, and does not say what the database refuses.
            origin = error.__cause__ if isinstance(error, StorageInternalError) else error
            of_storage = isinstance(error, DatabaseUnreachableError) or any(
                origin is each for each in self._storage_errors
            )
            if of_storage and is_outage(error):
                return report_error(error, raised_by_storage=True)
            error.__traceback__ = own_frames(error.__traceback__)
            record = record_of(request.function)
            report = replace(report_error(error), attributes=record.read())
            if origin is None:
                return report
            return replace(report, name=qualified_name(type(origin)), message=str(origin))

    def _call(self, request: CallFunction) -> TrialResult:
        function: Callable[[optuna.Trial], float] = find_function(request.function)
        record = record_of(request.function)
        trial, search = wait_for_database(lambda: self._prepare(request))
        begin_trial(trial.number)

        def call() -> float | None:
            with forks_end_here(), ExitsRaised():
                returned = function(trial)
            return finite(_number(returned, request.function))

        if search.n_seeds > 1:
            prunes = search.pruner != "none"
            result = call_with_each_seed(call, trial, search.n_seeds, request.folder, prunes=prunes)
            return replace(result, attributes={**result.attributes, **record.read()})
        try:
            value = call()
        except optuna.TrialPruned:
            return TrialResult(request.trial_id, None, pruned=True, attributes=record.read())
        return TrialResult(request.trial_id, value, pruned=False, attributes=record.read())

    def _prepare(self, request: CallFunction) -> tuple[FunctionTrial, SearchOptions]:
        study, definition = self._open(request)
        (claimed,) = storage_of(study).adopt(study_id(study), [request.trial_id])
        trial, params = prepare_trial(study, definition, claimed)
        # Optuna's own refuses to stop what its `optimize` does not run.
        stop = partial(stop_study, storage_of(study), study_id(study), by=trial.number)
        study.stop = stop  # type: ignore[method-assign]
        seed, n_seeds = seed_of(definition, trial, params), definition.search.n_seeds
        if n_seeds > 1:
            trial.set_user_attr(SEED, seed)
        prepared = FunctionTrial(trial, definition.factors, params, seed, n_seeds)
        return prepared, definition.search

    def _open(self, request: CallFunction) -> tuple[optuna.Study, StudyDefinition]:
        """Open a study once for all its trials: a connection each would exhaust a server."""
        # A study that was deleted and made again may have the name, and on SQLite the id.
        key = f"{request.study} {request.created_at}"
        if key not in self._studies:
            storage = create_storage(request.storage, waiting=False, patient=True)
            # A function may have databases of its own, whose errors have the same names.
            sqlalchemy.event.listen(storage.engine, "handle_error", self._note_error)
            self._studies = {key: load_study(request.study, storage)}
        return self._studies[key]

    def _note_error(self, context: Any) -> None:
        if context.sqlalchemy_exception is not None:
            self._storage_errors.append(context.sqlalchemy_exception)


def _number(returned: Any, function: str) -> float:
    try:
        return float(returned)
    except (TypeError, ValueError):
        shown = repr(returned)[:60]
        lacks_return = " Is a `return` missing?" if returned is None else ""
        raise TypeError(
            f"Expected a number from {function}. Received: {shown}.{lacks_return}"
        ) from None
