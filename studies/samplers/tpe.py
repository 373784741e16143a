"""TPE for packs: the finished trials are processed once for all trials of a pack.

Optuna reads, splits and converts all finished trials again for each suggestion. Here the samplers
of a pack share the results in a `PackCache`, and each of them adds the trials that run by then.
They suggest what Optuna's own TPE would suggest for one trial after another.

If some parameters are fixed, the others are sampled from the density conditional on them: a trial
counts as much as its kernel covers the fixed values. A learning rate that is good for a large
network says little about a small one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from studies.samplers.optuna_internals import (
    Space,
    TpeAdapter,
    default_gamma,
    split_trials,
    trials_of,
)
from studies.samplers.pack_cache import Fit, PackCache
from studies.samplers.parzen import ArrayParzenEstimator


class PackTPESampler(TpeAdapter):
    """Optuna's TPE for one trial of a pack.

    Optuna infers the search space, in a loop over all trials for each suggestion. Here it is given:
    the parameters that every trial of the study has.

    Args:
        space: The parameters that every trial has.
        cache: Shared by the samplers of a pack.
        fixed: Parameters that are not sampled, and their values; the same for all samplers that
            share a `cache`, or none.
        options: Those of `optuna.samplers.TPESampler`.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        cache: PackCache,
        fixed: Mapping[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._space = {name: space[name] for name in sorted(space) if not space[name].single()}
        self._cache = cache
        self._fixed = {name: fixed[name] for name in self._space if name in fixed}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        """Return the parameters that every trial of the study has."""
        if self.groups:
            return super().infer_relative_search_space(study, trial)
        return dict(self._space) if self.is_multivariate(study) else {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample a parameter that only some trials have."""
        if self._is_starting(study):
            return self.draw_at_random(study, trial, param_name, param_distribution)
        return self._suggest(study, trial, {param_name: param_distribution})[param_name]

    def sample_jointly(self, study: Study, trial: FrozenTrial, space: Space) -> dict[str, Any]:
        """Sample the parameters that every trial has."""
        if not space or self._is_starting(study):
            return {}
        return self._suggest(study, trial, space)

    def _is_starting(self, study: Study) -> bool:
        return len(self._finished(study)) < self.n_startup_trials

    def _finished(self, study: Study) -> list[FrozenTrial]:
        if self._cache.finished is None:
            self._cache.finished = trials_of(study, TrialState.COMPLETE, TrialState.PRUNED)
        return self._cache.finished

    def _suggest(self, study: Study, trial: FrozenTrial, space: Space) -> dict[str, Any]:
        fit = self._fit(study, space)
        bad = self._bad(study, trial, space, fit)
        candidates = fit.good.sample(self.random_state, self.n_candidates)
        best = self.best_candidate(candidates, fit.good, bad)
        return {name: d.to_external_repr(best[name]) for name, d in space.items()}

    def _fit(self, study: Study, space: Space) -> Fit:
        cache = self._cache
        whole = {**space, **{name: self._space[name] for name in self._fixed}}
        # With the ranges: a parameter may have several, under different conditions.
        key = (len(space), *whole.items())
        if cache.halves is None:
            finished = self._finished(study)
            cache.halves = split_trials(study, finished, default_gamma(len(finished)))
        if key not in cache.fits:
            good, others = (
                [(t.number, row) for t in half if (row := _row(t.params, whole)) is not None]
                for half in cache.halves
            )
            rows = [row for _, row in good]
            cache.fits[key] = Fit(
                names=tuple(whole),
                good=self._estimate(np.array(rows, float).reshape(-1, len(whole)), space),
                numbers=np.array([number for number, _ in others], int),
                others=np.array([row for _, row in others], float),
            )
        return cache.fits[key]

    def _bad(
        self, study: Study, trial: FrozenTrial, space: Space, fit: Fit
    ) -> ArrayParzenEstimator:
        """Return the density of the other trials and of the running ones (the constant liar)."""
        numbers, rows = fit.numbers, fit.others.reshape(len(fit.numbers), len(fit.names))
        running = self._running(study, trial, space, fit) if self.counts_running else []
        if running:
            numbers = np.append(numbers, [number for number, _ in running])
            order = np.argsort(numbers, kind="stable")  # Optuna weights trials by their age
            rows = np.concatenate([rows, np.array([row for _, row in running])])[order]
        return self._estimate(rows, space)

    def _estimate(self, rows: np.ndarray, space: Space) -> ArrayParzenEstimator:
        """Return the density of the parameters in `space`, conditional on the fixed ones.

        Args:
            rows: The parameters of trials, those of `space` and then the fixed ones, in Optuna's
                internal representation: shape (trials, parameters).
            space: The sampled parameters.
        """
        options = self.estimator_options
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
        self, study: Study, trial: FrozenTrial, space: Space, fit: Fit
    ) -> list[tuple[int, list[float]]]:
        """Return the number and the parameters of each other running trial that has them all."""
        found = []
        for other in trials_of(study, TrialState.RUNNING):
            if other.number == trial.number:
                continue
            known = fit.running.get(other.number)
            if known is None or known[0] is not other:
                whole = {name: space.get(name) or self._space[name] for name in fit.names}
                params = other.params
                if not whole.keys() <= params.keys():
                    params = self.params_of(study, other)
                known = fit.running[other.number] = other, _row(params, whole)
            if known[1] is not None:
                found.append((other.number, known[1]))
        return found


def _row(params: Mapping[str, Any], space: Space) -> list[float] | None:
    """Return a trial's parameters in Optuna's internal representation.

    None where it lacks one, or has one from another range: it says nothing about this one.
    """
    if not space.keys() <= params.keys():
        return None
    row = [distribution.to_internal_repr(params[name]) for name, distribution in space.items()]
    ranges = zip(row, space.values(), strict=True)
    is_outside = any(
        isinstance(d, IntDistribution | FloatDistribution) and not d.low <= value <= d.high
        for value, d in ranges
    )
    return None if is_outside else row
