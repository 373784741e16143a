"""What further trials of a study may bring, as far as its trials so far can tell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import sqrt
from typing import Literal

import numpy as np
import optuna
import pandas as pd
from optuna.study import StudyDirection
from optuna.trial import TrialState

from storage import Ranking, overview, ranking, storage_of, study_id
from studies.errors import AnswerError, NoCompleteTrialError
from studies.lookup import as_argument
from studies.results.draws import as_gains, read_draws
from studies.results.noise import seed_noise
from studies.results.points_left import points_left
from studies.results.search_order import how_searched, order_of, shares_structure
from studies.statistics.expected_best import Floats, bootstrap_band, budgets, expected_best
from studies.statistics.tail_gain import TailGain, tail_gain

Basis = Literal["random", "adaptive", "listed", "unknown", "exhausted"]
FURTHER = 50  # trials, where nobody says how many


@dataclass(frozen=True)
class Outlook:
    """What further trials of a study may bring.

    A trial is a point here: of several seeds it is their mean.

    Attributes:
        study: The study's name.
        metric: What it optimizes.
        direction: `maximize` or `minimize`.
        searched_by: Its design or sampler, as `random design`.
        basis: `random` where trials come in random order, so that those so far tell of further
            ones. `exhausted` where no point is left. Else nothing is foretold: `adaptive` trials
            depend on those before, `listed` ones follow a plan, of another program's nothing is
            known (`unknown`).
        best: The value of the best point so far.
        best_trial: The number of its trial.
        n_seeds: Of how many seeds it is the mean.
        n_trials: How many trials have ended, without known settings and what others have queued.
        n_unsuccessful: How many of these failed, were pruned or diverged. They count as trials that
            did not beat the best.
        n_given: How many were left out.
        n_open: How many trials wait or run.
        n_left: How many points no trial has come to yet; None where there is no end of them.
        n: How many further trials are spoken of: not more than are left.
        chance: That one of them beats the best of the `n_trials`: n / (n_trials + n), before any
            value is looked at. None but where the basis is `random`.
        n_best: How many of the trials share the best value. With ties, and where a known setting
            leads, the chance is that or less.
        expected: A row for each budget, `n_trials`: the `expected_best` of so many trials, and the
            ends `low` and `high` of the middle 95 % over resamples. Empty but for `random`.
        n_last: The last so many trials, of which `last_gain` tells.
        last_gain: By how much they were expected to lead further, where the basis is `random`; else
            by how much they did. None where there is one trial.
        tail: The gain that `n` further trials are expected to bring, by a fitted tail; None but for
            `random`, and where fewer than 50 trials have a value or the best of them are too alike.
        shares_structure: Whether trials that trained as one pack have one structure of networks, so
            that they are not independent: `chance` holds for whole packs then.
        noise: The standard deviation over seeds of a value such as `best`, from points with several
            seeds, or else from confirmations; None where it is unknown.
    """

    study: str
    metric: str
    direction: str
    searched_by: str
    basis: Basis
    best: float
    best_trial: int
    n_seeds: int
    n_trials: int
    n_unsuccessful: int
    n_given: int
    n_open: int
    n_left: int | None
    n: int
    chance: float | None
    n_best: int
    expected: pd.DataFrame
    n_last: int
    last_gain: float | None
    tail: TailGain | None
    shares_structure: bool
    noise: float | None


def outlook(study: optuna.Study, n: int = FURTHER) -> Outlook:
    """Return what further trials of a study may bring.

    Args:
        study: The study.
        n: How many further trials.

    Raises:
        AnswerError: `n` is less than 1, or the best value is infinite.
        NoCompleteTrialError: No trial is complete.
    """
    if n < 1:
        raise AnswerError(f"Expected at least 1 further trial. Received: n={n}.")
    ranked = ranking(study, 1)
    best = next(iter(ranked.best), None)
    if best is None:
        name = as_argument(study.study_name)
        raise NoCompleteTrialError(
            f"Expected a study with a complete trial. Received: none in {study.study_name}. "
            f"See its progress: hpo status {name}"
        )
    every = read_draws(study)
    left = points_left(study, every)
    basis: Basis = "exhausted" if left == 0 else order_of(study)
    drawn = [draw for draw in every if not draw.is_given] if basis == "random" else every
    is_random = basis == "random" and any(draw.value is not None for draw in drawn)
    values = np.array(as_gains(drawn, study.direction))
    sign = 1 if study.direction is StudyDirection.MAXIMIZE else -1
    expected = _expected(values, sign) if is_random else _expected(values[:0], sign)
    n = n if left is None else min(n, left)
    # What half of the trials have brought is an estimate of the other half's; the first ones' not.
    most = len(values) // 2 if is_random else len(values) - 1
    n_last = max(0, min(n or FURTHER, most))
    progress = overview(storage_of(study), study_id(study))
    return Outlook(
        study=study.study_name,
        metric=study.metric_names[0] if study.metric_names else "value",
        direction=study.direction.name.lower(),
        searched_by=how_searched(study),
        basis=basis,
        best=best.value,
        best_trial=best.trial.number,
        n_seeds=len(best.values),
        n_trials=len(values),
        n_unsuccessful=int(np.isnan(values).sum()),
        n_given=len(every) - len(values),
        n_open=progress.counts[TrialState.WAITING] + progress.counts[TrialState.RUNNING],
        n_left=left,
        n=n,
        chance=n / (len(values) + n) if is_random else None,
        n_best=_count_best(values),
        expected=expected,
        n_last=n_last,
        last_gain=_last_gain(values, n_last, is_random=is_random),
        tail=tail_gain(values, n) if is_random else None,
        shares_structure=is_random and shares_structure(study),
        noise=_noise(study, ranked),
    )


def _noise(study: optuna.Study, ranked: Ranking) -> float | None:
    """Return the standard deviation over seeds of the best point's value, itself a mean of them.

    Where the study has no point of several seeds, its confirmations may tell it.
    """
    found = seed_noise(study, ranked.seeds)
    return None if found is None else found.std / sqrt(len(ranked.best[0].values))


def _expected(values: Floats, sign: int) -> pd.DataFrame:
    if not len(values):
        return pd.DataFrame({"n_trials": [], "expected_best": [], "low": [], "high": []})
    sizes = budgets(len(values))
    ends = [sign * end for end in bootstrap_band(values, sizes)]
    return pd.DataFrame(
        {
            "n_trials": sizes,
            "expected_best": sign * expected_best(values, sizes),
            "low": ends[0] if sign > 0 else ends[1],
            "high": ends[1] if sign > 0 else ends[0],
        }
    )


def _count_best(values: Floats) -> int:
    return int((values == np.nanmax(values)).sum()) if not np.isnan(values).all() else 0


def _last_gain(values: Floats, n_last: int, *, is_random: bool) -> float | None:
    """Return by how much the last trials led further; None where none before has a value."""
    if n_last < 1:
        return None
    if is_random:
        before, after = expected_best(values, [len(values) - n_last, len(values)])
    else:
        best = list(accumulate(np.where(np.isnan(values), -np.inf, values), max))
        before, after = best[-n_last - 1], best[-1]
    gain = float(after - before)
    return gain if np.isfinite(gain) else None
