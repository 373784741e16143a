"""Quasi-random points that several workers can draw without drawing one twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial

from studies.samplers.optuna_internals import QmcAdapter


class NumberedQMCSampler(QmcAdapter):
    """A quasi-random sequence in which the trial's number is the place in the sequence.

    Optuna keeps the next place in an attribute of the study, which it reads and writes in two
    steps: two workers may draw the same point. Optuna also draws the first point at random, since
    it learns the space from earlier trials.

    Args:
        number: The number of the trial.
        space: The parameters that every trial of the study has.
        options: Those of `optuna.samplers.QMCSampler`.
    """

    def __init__(self, number: int, space: Mapping[str, BaseDistribution], **options: Any) -> None:
        super().__init__(**options, warn_independent_sampling=False)
        self._number = number
        self._space = dict(space)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that every trial of the study has."""
        return self._space

    def place_in_sequence(self) -> int:
        """Return the number of the trial."""
        return self._number
