"""Optuna's own conformance suites, on the three samplers that are ours."""

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

from studies.samplers.cmaes import ReplayedCmaEsSampler
from studies.samplers.pack_cache import PackCache
from studies.samplers.qmc import NumberedQMCSampler
from studies.samplers.tpe import PackTPESampler


class OpenTPESampler(PackTPESampler):
    """Ours, for many trials and in any space, as the suite wants.

    A worker makes one sampler for each trial of a pack, with the space of the study.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__({}, PackCache(), {}, **options)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Infer the space from the trials, as Optuna does."""
        return optuna.samplers.TPESampler.infer_relative_search_space(self, study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Read the trials again: a pack reads them once."""
        self._cache = PackCache()
        return super().sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Read the trials again: a pack reads them once."""
        self._cache = PackCache()
        return super().sample_independent(study, trial, param_name, param_distribution)


TPE_OPTIONS: list[dict[str, Any]] = [
    {},
    {"multivariate": True},
    {"multivariate": False},
    {"constant_liar": False},
]
TPE_GROUPS: list[dict[str, Any]] = [
    {"multivariate": True, "group": True},
    {"multivariate": True, "group": True, "constant_liar": False},
]


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


def tpe_with(options: dict[str, Any]) -> Callable[[], BaseSampler]:
    """Return what makes our TPE, without startup trials at random, with seeds that differ."""
    seeds = count()
    return lambda: OpenTPESampler(seed=next(seeds), n_startup_trials=0, **options)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
class TestTpeConforms(BasicSamplerTestCase):
    """Optuna's own suite on the default sampler."""

    @pytest.fixture(params=[*TPE_OPTIONS, *TPE_GROUPS], ids=str)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        """Make samplers with seeds that differ."""
        return tpe_with(request.param)


class TestTpeConformsJointly(RelativeSamplerTestCase):
    """Optuna's own suite on the default sampler, but for groups, whose space it does not infer."""

    @pytest.fixture(params=TPE_OPTIONS, ids=str)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        """Make samplers with seeds that differ."""
        return tpe_with(request.param)
