"""The studies that a worker works on: those named to it, or all, and which it cannot work on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna

from storage import TrialStorage, is_claimable, is_running, study_attributes, study_id
from studies.attributes import CREATED_KEY, DEFINITION_KEY
from studies.definition.study import StudyDefinition
from studies.errors import WorkerError
from studies.lookup import load_study
from studies.worker.recorder import Evaluation

LEFT_OUT = 300.0  # seconds: what was wrong, such as a download, may be right by then
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Dropped:
    """A study that cannot be worked on: when it was made, if known, and until when it is left."""

    created_at: str | None
    until: float


class Roster:
    """Opens studies, and leaves out those that cannot be worked on here.

    Args:
        storage: The storage.
        named: The studies to work on, in order; all studies when empty.
        allow_modules: Packages whose functions studies may name as objectives.
        open_evaluation: Makes the evaluation of a study.
    """

    def __init__(
        self,
        storage: TrialStorage,
        named: Sequence[str],
        allow_modules: Sequence[str],
        *,
        open_evaluation: Callable[[optuna.Study, StudyDefinition], Evaluation],
    ) -> None:
        self._storage = storage
        self._named = list(named)
        self._allow_modules = allow_modules
        self._open_evaluation = open_evaluation
        self._evaluations: dict[str, Evaluation] = {}
        self._made: dict[str, str] = {}  # when each study was, as they were last looked at
        self._dropped: dict[str, _Dropped] = {}

    def names(self) -> list[str]:
        """Return the studies to look at, in order, as they are in the storage now."""
        self._made = study_attributes(self._storage, CREATED_KEY, having=DEFINITION_KEY)
        for name in self._evaluations.keys() - self._made.keys():
            self._forget(name)  # a worker may see thousands come and go
        names = self._named or list(self._made)
        return [name for name in names if not self._is_dropped(name, self._made.get(name))]

    def open(self, name: str) -> Evaluation:
        """Return what is known of a study that `names` has returned.

        Raises:
            KeyError: There is no such study.
            ValueError: Its definition does not hold on this machine.
            WorkerError: Its objective is a function that this worker may not execute.
        """
        known = self._evaluations.get(name)
        if known is None or known.created_at != self._made.get(name):
            # Another study may have had this id.
            self._storage.forget(self._storage.get_study_id_from_name(name))
            study, definition = load_study(name, self._storage)
            self._check_allowed(definition)
            self._evaluations[name] = self._open_evaluation(study, definition)
        return self._evaluations[name]

    def drop(self, name: str, reason: str) -> None:
        """Leave a study out, for some minutes or until it is made anew.

        Raises:
            WorkerError: None of those named is left.
        """
        self._evaluations.pop(name, None)
        self._dropped[name] = _Dropped(self._made.get(name), time.monotonic() + LEFT_OUT)
        if self._named and all(map(self._is_dropped, self._named)):
            raise WorkerError(f"study {name!r}: {reason}")
        logger.warning("study %r is left out: %s", name, reason)

    def _is_dropped(self, name: str, created_at: str | None = None) -> bool:
        dropped = self._dropped.get(name)
        if dropped is None or time.monotonic() > dropped.until:
            return False
        return None in (created_at, dropped.created_at) or created_at == dropped.created_at

    def forget(self, name: str, *, is_expected: bool) -> None:
        """Take note that a study was deleted; one of the same name may be made again.

        Raises:
            WorkerError: It is the only one named, and that was not expected.
        """
        self._forget(name)
        if self._named == [name] and not is_expected:
            raise WorkerError(f"study {name!r} was deleted")

    def _forget(self, name: str) -> None:
        evaluation = self._evaluations.pop(name, None)
        if evaluation is not None:
            self._storage.forget(study_id(evaluation.study))

    def study_ids(self) -> list[int]:
        """Return the ids of the studies that are open."""
        return [study_id(evaluation.study) for evaluation in self._evaluations.values()]

    def has_more(self) -> bool:
        """Tell whether other workers have trials that come back if they are lost, or just did."""
        return any(map(self._is_open, self.study_ids()))

    def _is_open(self, study_id: int) -> bool:
        try:
            # In this order a trial that is queued again meanwhile is not overlooked.
            return is_running(self._storage, study_id) or is_claimable(self._storage, study_id)
        except KeyError:
            return False  # the study was deleted

    def _check_allowed(self, definition: StudyDefinition) -> None:
        """Refuse code that a row of the database names, unless the worker was told to trust it."""
        module = definition.objective.partition(":")[0]
        if definition.is_function and not any(
            module == allowed or module.startswith(f"{allowed}.") for allowed in self._allow_modules
        ):
            raise WorkerError(
                f"Expected an objective of an allowed package. Received: {definition.objective}. "
                f"Start the worker with --allow-module {module.partition('.')[0]}."
            )
