"""TPE for packs: the finished trials are looked at once, whatever the number of lanes.

Optuna reads, splits and converts all finished trials for each suggestion anew. Here the samplers of
a pack share what they find there; what is running is added for each lane, so that they suggest what
Optuna's own would, one after the other.

Where parameters are fixed, the others are drawn from the density given these: each trial counts as
much as its kernel covers the fixed values. A learning rate that was good for a large network says
little of a small one.
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

from studies.samplers.parzen import ArrayParzenEstimator

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_Space = dict[str, BaseDistribution]


@dataclass
class _Fit:
    """The finished trials in one space, and the running ones that were looked at."""

    names: tuple[str, ...]  # of the parameters to sample, and of those that are fixed
    good: _ParzenEstimator
    numbers: np.ndarray  # of the other trials, in order
    others: np.ndarray  # their parameters: shape (n, names)
    running: dict[int, tuple[FrozenTrial, list[float] | None]] = field(default_factory=dict)


class Past:
    """What the samplers of one pack know of the trials before it, found at the first need."""

    def __init__(self) -> None:
        self.finished: list[FrozenTrial] | None = None
        self.halves: tuple[list[FrozenTrial], list[FrozenTrial]] | None = None
        self.fits: dict[tuple[int | str, ...], _Fit] = {}


class PackTPESampler(TPESampler):
    """Optuna's TPE, of which all samplers of a pack share one `Past`.

    The space is told instead of inferred: the parameters that every trial of the study has. That
    is what Optuna would find, in a loop over all trials for each suggestion.

    Args:
        space: The parameters that every trial has.
        past: What is shared; a sampler that stands alone has its own.
        fixed: Parameters that are not sampled, the same for all samplers that share a `past`, or
            none.
        options: Those of `optuna.samplers.TPESampler`.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        past: Past,
        fixed: Mapping[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._space = {name: space[name] for name in sorted(space) if not space[name].single()}
        self._past = past
        self._fixed = {name: fixed[name] for name in self._space if name in fixed}

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
        past = self._past
        whole = {**space, **{name: self._space[name] for name in self._fixed}}
        key: tuple[int | str, ...] = (len(space), *whole)
        if past.halves is None:
            finished = self._finished(study)
            past.halves = _split_trials(study, finished, default_gamma(len(finished)))
        if key not in past.fits:
            good, others = (
                [t for t in half if whole.keys() <= t.params.keys()] for half in past.halves
            )
            rows = [_internal(t.params, whole) for t in good]
            past.fits[key] = _Fit(
                names=tuple(whole),
                good=self._estimate(np.array(rows, float).reshape(-1, len(whole)), space),
                numbers=np.array([t.number for t in others], int),
                others=np.array([_internal(t.params, whole) for t in others], float),
            )
        return past.fits[key]

    def _bad(self, study: Study, trial: FrozenTrial, space: _Space, fit: _Fit) -> _ParzenEstimator:
        """Return the estimate of the other trials, with what runs (the constant liar)."""
        numbers, rows = fit.numbers, fit.others.reshape(len(fit.numbers), len(fit.names))
        running = self._running(study, trial, space, fit) if self._constant_liar else []
        if running:
            numbers = np.append(numbers, [number for number, _ in running])
            order = np.argsort(numbers, kind="stable")  # Optuna weighs trials by their age
            rows = np.concatenate([rows, np.array([row for _, row in running])])[order]
        return self._estimate(rows, space)

    def _estimate(self, rows: np.ndarray, space: _Space) -> _ParzenEstimator:
        """Return the density of `space`, given what is fixed.

        Args:
            rows: The parameters of trials, those of `space` and then the fixed ones, in Optuna's
                internal representation: shape (n, parameters).
            space: What is sampled.
        """
        options = self._parzen_estimator_parameters
        observations = {name: rows[:, i] for i, name in enumerate(space)}
        if not self._fixed:
            return ArrayParzenEstimator(observations, space, options)
        fixed = {name: self._space[name] for name in self._fixed}
        columns = {name: rows[:, len(space) + i] for i, name in enumerate(fixed)}
        values = {name: d.to_internal_repr(self._fixed[name]) for name, d in fixed.items()}
        *covered, prior = ArrayParzenEstimator(columns, fixed, options).kernels_at(values)
        weights = np.array(options.weights(len(rows)))[: len(rows)] * np.array(covered) / prior
        return ArrayParzenEstimator(observations, space, options, weights)

    def _running(
        self, study: Study, trial: FrozenTrial, space: _Space, fit: _Fit
    ) -> list[tuple[int, list[float]]]:
        found = []
        for other in study._get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if other.number == trial.number:
                continue
            seen = fit.running.get(other.number)
            if seen is None or seen[0] is not other:
                whole = {name: space.get(name) or self._space[name] for name in fit.names}
                params = other.params
                if not whole.keys() <= params.keys():
                    params = self._get_params(other, study)
                row = _internal(params, whole) if whole.keys() <= params.keys() else None
                seen = fit.running[other.number] = other, row
            if seen[1] is not None:
                found.append((other.number, seen[1]))
        return found


def _internal(params: Mapping[str, Any], space: _Space) -> list[float]:
    return [distribution.to_internal_repr(params[name]) for name, distribution in space.items()]
