"""Pruners that take a trial and its retries for one competitor.

Optuna's successive halving compares a trial with all that have reached a rung, failed attempts
too. An attempt that was queued again would compete twice, the second time with itself.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import optuna
from optuna.pruners import SuccessiveHalvingPruner
from optuna.trial import FrozenTrial, TrialState

from storage import latest_attempts


class LineageView:
    """A study in which each lineage has its latest attempt only.

    Args:
        study: The study, from which all else comes.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        """Return what the study has under this name."""
        return getattr(self._study, name)

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the latest attempts."""
        found = latest_attempts(self._study.get_trials(deepcopy=deepcopy))
        return [trial for trial in found if states is None or trial.state in states]


class LineageHalvingPruner(SuccessiveHalvingPruner):
    """Successive halving among lineages."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether a trial should end."""
        view: Any = LineageView(study)
        return super().prune(view, trial)
