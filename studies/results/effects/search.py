"""What matters in a search, whose trials no design has chosen: importance, and means of levels."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from copy import copy
from math import isfinite
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from storage.seeds import mean, spread
from storage.study_attributes import SEED_KEY as SEED
from studies.results.effects.levels import level_row
from studies.results.effects.trials import Trial, Trials
from studies.statistics.intervals import interval

FEWEST = 20  # trials, of which PED-ANOVA compares the best tenth with all
ADVISED = 50  # with which the best tenth has five, as its authors advise
RESAMPLED = 100
STABILITY = (0.05, 0.95)  # the parts of the resampled importances that its bounds leave below
MOST_LEVELS = 6  # of a range that are shown each; more are put in bins
BINS = 4
DIGITS = "{:.3g}"


class _Resampled(optuna.Study):
    """A study with the trials that it is given, so that no resampling is written anywhere."""

    given: Sequence[FrozenTrial] = ()

    def get_trials(self, *_: Any, **__: Any) -> list[FrozenTrial]:
        return list(self.given)


def importance(study: optuna.Study, *, is_design: bool) -> pd.DataFrame:
    """Return the importance of each factor by PED-ANOVA, and how stable it is.

    It is how far the distribution of the factor among the best tenth of the complete trials is from
    that among all (Watanabe et al. 2023), in parts of all factors'. The bounds are the 5 % and 95 %
    quantiles over 100 resamplings of the trials (bootstrap). They tell how much it hangs on which
    trials there are: a search is no sample of its space, and so they are no confidence interval.

    Args:
        study: The study.
        is_design: Whether a design chose the trials. Then those of a point, which differ in the
            seed alone, are one trial with their mean.

    Returns:
        Columns factor, importance, stability_low, stability_high, n: the trials that have it. The
        most important first; empty for fewer than 20 trials, or if all their values are equal.
    """
    trials = [t for t in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])]
    trials = [t for t in trials if t.value is not None and isfinite(t.value)]
    trials = _points(trials) if is_design else trials
    names = sorted({name for trial in trials for name in trial.params} - {SEED})
    columns = ["factor", "importance", "stability_low", "stability_high", "n"]
    if len(trials) < FEWEST or len({trial.value for trial in trials}) < 2 or not names:
        return pd.DataFrame(columns=columns)
    memory = InMemoryStorage()
    name = memory.get_study_name_from_id(memory.create_new_study([study.direction]))
    sample = _Resampled(name, memory)
    found = _importances(sample, trials, names)
    rng = np.random.default_rng(0)
    drawn = [
        _importances(sample, [trials[i] for i in rng.integers(0, len(trials), len(trials))], names)
        for _ in range(RESAMPLED)
    ]
    rows = []
    for name in sorted(names, key=lambda name: -found[name]):
        low, high = np.quantile([each[name] for each in drawn], STABILITY)
        n = sum(name in trial.params for trial in trials)
        rows.append((name, found[name], float(low), float(high), n))
    return pd.DataFrame(rows, columns=columns)


def _points(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return a trial for each point of a design, whose value is the mean over its seeds."""
    seeds: dict[Hashable, list[FrozenTrial]] = {}
    for trial in trials:
        params = {name: level for name, level in trial.params.items() if name != SEED}
        seeds.setdefault(frozenset(params.items()), []).append(trial)
    points = [copy(own[0]) for own in seeds.values()]
    for point, own in zip(points, seeds.values(), strict=True):
        point.value = mean([t.value for t in own if t.value is not None])
    return points


def _importances(
    sample: _Resampled, trials: Sequence[FrozenTrial], names: Sequence[str]
) -> dict[str, float]:
    sample.given = trials
    present = [name for name in names if any(name in trial.params for trial in trials)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few trials under one condition: told by `n`
        found = get_param_importances(
            sample, evaluator=PedAnovaImportanceEvaluator(), params=present
        )
    return dict.fromkeys(names, 0.0) | {name: max(value, 0.0) for name, value in found.items()}


def search_means(trials: Trials, *, independent: bool) -> list[dict[str, Any]]:
    """Return a row for each level, and for each of up to four bins of a range.

    Bins have about equally many trials.

    Args:
        trials: The trials.
        independent: Whether each trial was drawn whatever the others came to: only then a mean has
            an interval, Student's t over the trials; of a design, whose seeds are trials, over its
            points.
    """
    rows = []
    for name in trials.factors:
        for words, own in _groups(trials, name):
            row = level_row(name, "", words, own)
            values = _of_draws(own, is_design=trials.design is not None)
            ends = interval(row["mean"], spread(values), len(values)) if independent else None
            rows.append(row if ends is None else row | {"low": ends[0], "high": ends[1]})
    return rows


def _of_draws(trials: Sequence[Trial], *, is_design: bool) -> list[float]:
    """Return a value for each draw: of a design the mean over the seeds of a point."""
    found: dict[Hashable, list[float]] = {}
    for trial in trials:
        if trial.value is not None:
            key = trial.point if is_design else trial.number
            found.setdefault(key, []).append(trial.value)
    return [mean(values) for values in found.values()]


def _groups(trials: Trials, name: str) -> list[tuple[Any, list[Trial]]]:
    """Return the trials of each level of a factor, or of each bin of a range."""
    levels = trials.factors[name]
    having = [trial for trial in trials.trials if name in trial.levels]
    if name not in trials.ranges or len(levels) <= MOST_LEVELS:
        return [(level, [t for t in having if t.levels[name] == level]) for level in levels]
    values = [trial.levels[name] for trial in having]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1), method="inverted_cdf"))
    bins = np.searchsorted(edges[1:-1], values)  # each has its upper end, the first both ends
    found = []
    for i in np.unique(bins):
        own = [trial for trial, place in zip(having, bins, strict=True) if place == i]
        low, high = (DIGITS.format(end(t.levels[name] for t in own)) for end in (min, max))
        found.append((low if low == high else f"{low} to {high}", own))
    return found
