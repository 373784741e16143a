"""Call users' own functions, `function(trial) -> float`, with real Optuna trials."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError

from storage import create_storage, storage_of, study_id
from studies.definition.study import StudyDefinition
from studies.executor.function_trial import FunctionTrial
from studies.executor.output import begin_trial
from studies.executor.protocol import (
    CallFunction,
    ErrorReport,
    TrialResult,
    finite,
    report_error,
)
from studies.lookup import load_study
from studies.suggest import prepare_trial


class FunctionCaller:
    """Calls a function for one claimed trial after the other."""

    def __init__(self) -> None:
        sys.path.append(os.getcwd())  # last, so that no file there hides an installed package
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
            # Optuna wraps what SQLAlchemy raises.
            origin = error.__cause__ if isinstance(error, StorageInternalError) else error
            of_storage = any(origin is each for each in self._storage_errors)
            return report_error(error, raised_by_storage=of_storage)

    def _call(self, request: CallFunction) -> TrialResult:
        module, _, name = request.function.partition(":")
        function: Callable[[optuna.Trial], float] = getattr(importlib.import_module(module), name)
        study, definition = self._open(request)
        (claimed,) = storage_of(study).adopt(study_id(study), [request.trial_id])
        trial, params = prepare_trial(study, definition, claimed)
        begin_trial(trial.number)
        try:
            value = float(function(FunctionTrial(trial, definition.factors, params)))
        except optuna.TrialPruned:
            return TrialResult(request.trial_id, None, pruned=True, attributes={})
        return TrialResult(request.trial_id, finite(value), pruned=False, attributes={})

    def _open(self, request: CallFunction) -> tuple[optuna.Study, StudyDefinition]:
        """Open a study once for all its trials: a connection each would exhaust a server."""
        # A study that was deleted and made again may have the name, and on SQLite the id.
        key = f"{request.study} {request.created_at}"
        if key not in self._studies:
            storage = create_storage(request.storage, waiting=False)
            # A function may have databases of its own, whose errors have the same names.
            sqlalchemy.event.listen(storage.engine, "handle_error", self._note_error)
            self._studies = {key: load_study(request.study, storage)}
        return self._studies[key]

    def _note_error(self, context: Any) -> None:
        if context.sqlalchemy_exception is not None:
            self._storage_errors.append(context.sqlalchemy_exception)
