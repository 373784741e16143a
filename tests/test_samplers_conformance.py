"""Optuna's own conformance suites, on the two samplers that are ours."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import FrozenTrial

from studies.samplers.build import (
    NumberedQMCSampler,
    ReplayedCmaEsSampler,
)


class OpenQMCSampler(NumberedQMCSampler):
    """Ours, counting its trials by itself and taking the space as it comes, as the suite wants."""

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Read the space from the first trial, as Optuna's does."""
        space = optuna.samplers.QMCSampler.infer_relative_search_space(self, study, trial)
        return space

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Go to the place of the trial."""
        self._number = trial.number
        return super().sample_relative(study, trial, search_space)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
class TestQmcConforms(BasicSamplerTestCase, RelativeSamplerTestCase):
    """Optuna's own suite. One sampler serves many trials there, so that the number follows them."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """Make samplers with seeds that differ."""
        return lambda: OpenQMCSampler(0, {}, seed=0, scramble=True)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
class TestCmaEsConforms(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """Optuna's own suite."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """Make samplers with seeds that differ."""
        seeds = count()
        return lambda: ReplayedCmaEsSampler(seed=next(seeds), warn_independent_sampling=False)
