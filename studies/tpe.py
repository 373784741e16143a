"""TPE for packs: the finished trials are looked at once, whatever the number of lanes.

Optuna reads, splits and converts all finished trials for each suggestion anew. Here the samplers of
a pack share what they find there; what is running is added for each lane, so that they suggest what
Optuna's own would, one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.sampler import _split_trials, default_gamma
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from studies.parzen import ArrayParzenEstimator

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_Space = dict[str, BaseDistribution]


@dataclass
class _Fit:
    """The finished trials in one space, and the running ones that were looked at."""

    good: _ParzenEstimator
    numbers: np.ndarray  # of the other trials, in order
    others: np.ndarray  # their parameters: shape (n, parameters)
    running: dict[int, tuple[FrozenTrial, list[float] | None]] = field(default_factory=dict)


class Past:
    """What the samplers of one pack know of the trials before it, found at the first need."""

    def __init__(self) -> None:
        self.finished: list[FrozenTrial] | None = None
        self.halves: tuple[list[FrozenTrial], list[FrozenTrial]] | None = None
        self.fits: dict[tuple[str, ...], _Fit] = {}


class PackTPESampler(TPESampler):
    """Optuna's TPE, of which all samplers of a pack share one `Past`.

    The space is told instead of inferred: the parameters that every trial of the study has. That
    is what Optuna would find, in a loop over all trials for each suggestion.

    Args:
        space: The parameters that every trial has.
        past: What is shared; a sampler that stands alone has its own.
        options: Those of `optuna.samplers.TPESampler`.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], past: Past, **options: Any) -> None:
        super().__init__(**options)
        self._parzen_estimator_cls = ArrayParzenEstimator
        self._space = {name: space[name] for name in sorted(space) if not space[name].single()}
        self._past = past

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> _Space:
        """Return the unconditional parameters of the study."""
        if self._group:
            return super().infer_relative_search_space(study, trial)
        return dict(self._space) if self._is_multivariate(study) else {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample a parameter that not every trial has."""
        if len(self._finished(study)) < self._n_startup_trials:
            return self._random_sampler.sample_independent(
                study, trial, param_name, param_distribution
            )
        return self._sample(study, trial, {param_name: param_distribution})[param_name]

    def _sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: _Space
    ) -> dict[str, Any]:
        if not search_space or len(self._finished(study)) < self._n_startup_trials:
            return {}
        return self._sample(study, trial, search_space)

    def _finished(self, study: Study) -> list[FrozenTrial]:
        if self._past.finished is None:
            self._past.finished = study._get_trials(deepcopy=False, states=FINISHED)
        return self._past.finished

    def _sample(self, study: Study, trial: FrozenTrial, search_space: _Space) -> dict[str, Any]:
        fit = self._fit(study, search_space)
        bad = self._bad(study, trial, search_space, fit)
        candidates = fit.good.sample(self._rng.rng, self._n_ei_candidates)
        gain = self._compute_acquisition_func(candidates, fit.good, bad)
        best = TPESampler._compare(candidates, gain)
        return {name: d.to_external_repr(best[name]) for name, d in search_space.items()}

    def _fit(self, study: Study, space: _Space) -> _Fit:
        past, key = self._past, tuple(space)
        if past.halves is None:
            finished = self._finished(study)
            past.halves = _split_trials(study, finished, default_gamma(len(finished)))
        if key not in past.fits:
            good, others = past.halves
            known = [t for t in others if space.keys() <= t.params.keys()]
            past.fits[key] = _Fit(
                good=self._build_parzen_estimator(study, space, good, handle_below=True),
                numbers=np.array([t.number for t in known], int),
                others=np.array([_internal(t.params, space) for t in known], float),
            )
        return past.fits[key]

    def _bad(self, study: Study, trial: FrozenTrial, space: _Space, fit: _Fit) -> _ParzenEstimator:
        """Return the estimate of the other trials, with what runs (the constant liar)."""
        numbers, rows = fit.numbers, fit.others.reshape(len(fit.numbers), len(space))
        running = self._running(study, trial, space, fit) if self._constant_liar else []
        if running:
            numbers = np.append(numbers, [number for number, _ in running])
            order = np.argsort(numbers, kind="stable")  # Optuna weighs trials by their age
            rows = np.concatenate([rows, np.array([row for _, row in running])])[order]
        observations = {name: rows[:, i] for i, name in enumerate(space)}
        return self._parzen_estimator_cls(observations, space, self._parzen_estimator_parameters)

    def _running(
        self, study: Study, trial: FrozenTrial, space: _Space, fit: _Fit
    ) -> list[tuple[int, list[float]]]:
        found = []
        for other in study._get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if other.number == trial.number:
                continue
            seen = fit.running.get(other.number)
            if seen is None or seen[0] is not other:
                params = other.params
                if not space.keys() <= params.keys():
                    params = self._get_params(other, study)
                row = _internal(params, space) if space.keys() <= params.keys() else None
                seen = fit.running[other.number] = other, row
            if seen[1] is not None:
                found.append((other.number, seen[1]))
        return found


def _internal(params: Mapping[str, Any], space: _Space) -> list[float]:
    return [distribution.to_internal_repr(params[name]) for name, distribution in space.items()]
