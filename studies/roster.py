"""The studies that a worker works on: those named to it, or all, and which it cannot work on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import optuna

from storage import TrialStorage, is_claimable, is_running
from studies.create import CREATED_KEY, DEFINITION_KEY, load_study
from studies.definition import StudyDefinition
from studies.evaluation import Evaluation

logger = logging.getLogger(__name__)


class WorkerError(RuntimeError):
    """The worker cannot do its work: the message says why, and the remedy."""


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
        self._unusable: set[str] = set()

    def names(self) -> list[str]:
        """Return the studies to look at, in order."""
        if self._named:
            return [name for name in self._named if name not in self._unusable]
        summaries = self._storage.get_all_studies()
        names = [s.study_name for s in summaries if DEFINITION_KEY in s.user_attrs]
        return [name for name in names if name not in self._unusable]

    def open(self, name: str) -> Evaluation:
        """Return what is known of a study, as it is in the storage now.

        Raises:
            KeyError: There is no such study.
            ValueError: Its definition does not hold on this machine.
            WorkerError: Its objective is a function that this worker may not execute.
        """
        study_id = self._storage.get_study_id_from_name(name)
        created_at = self._storage.get_study_user_attrs(study_id).get(CREATED_KEY)
        known = self._evaluations.get(name)
        if known is None or known.created_at != created_at:
            self._storage.forget(study_id)  # another study may have had this id
            study, definition = load_study(name, self._storage)
            self._check_allowed(definition)
            self._evaluations[name] = self._open_evaluation(study, definition)
        return self._evaluations[name]

    def drop(self, name: str, reason: str) -> None:
        """Work on a study no more.

        Raises:
            WorkerError: None of those named is left.
        """
        self._unusable.add(name)
        if self._named and self._unusable >= set(self._named):
            raise WorkerError(f"study {name!r}: {reason}")
        logger.warning("study %r is left out: %s", name, reason)

    def forget(self, name: str, *, is_expected: bool) -> None:
        """Take note that a study was deleted; one of the same name may be made again.

        Raises:
            WorkerError: It is the only one named, and that was not expected.
        """
        self._evaluations.pop(name, None)
        if self._named == [name] and not is_expected:
            raise WorkerError(f"study {name!r} was deleted")

    def is_there(self, evaluation: Evaluation) -> bool:
        """Tell whether a study has not been deleted."""
        try:
            study_id = self._storage.get_study_id_from_name(evaluation.study.study_name)
        except KeyError:
            return False
        return study_id == evaluation.study._study_id

    def has_more(self) -> bool:
        """Tell whether other workers have trials that come back if they are lost, or just did."""
        usable = {k: v for k, v in self._evaluations.items() if k not in self._unusable}
        return any(self._is_open(evaluation.study._study_id) for evaluation in usable.values())

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
