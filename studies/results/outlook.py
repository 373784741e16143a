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
from studies.results.draws import Draw, as_gains, fair_sample, read_draws
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
        n_begun: How many trials have begun and have not ended: those that take long, mostly.
        n_sample: Of how many trials `expected`, `last_gain` and `tail` are.
        is_fair: Whether the basis is `random` and these are the trials drawn before the first that
            has not ended, so that long ones are not missing among them; else they are all that have
            ended, of which those would be less than half.
        n_open: How many trials wait or run.
        n_left: How many points no trial has come to yet; None where there is no end of them.
        n: How many further trials are spoken of, beside those that have begun: not more than are
            left.
        chance: That one of them beats the best of the `n_trials` and of the `n_begun`, when these
            have ended: n / (n_trials + n_begun + n), before any value is looked at. None but where
            the basis is `random`, and where no further ones are left.
        n_best: How many of the trials share the best value. With ties, and where a known setting
            leads, the chance is that or less.
        is_given: Whether a known setting is better than all that were drawn.
        expected: A row for each budget, `n_trials`: the `expected_best` of so many trials, and the
            ends `low` and `high` of the middle 95 % over resamples. Empty but for `random`.
        n_last: The last so many trials, of which `last_gain` tells.
        last_gain: By how much they were expected to lead further, where the basis is `random`; else
            by how much they did. None where there is one trial.
        tail: The gain that `n` further trials, `n_sample` at most, are expected to bring, by a
            fitted tail; None but for `random`, and where fewer than 50 of the `n_sample` have a
            value or the best of them are too alike.
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
    n_begun: int
    n_sample: int
    is_fair: bool
    n_open: int
    n_left: int | None
    n: int
    chance: float | None
    n_best: int
    is_given: bool
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
    draws = _read(study)
    values, sample, given, is_random = draws.values, draws.sample, draws.given, draws.is_random
    sign = 1 if study.direction is StudyDirection.MAXIMIZE else -1
    if draws.left is not None:
        n = min(n, max(draws.left - draws.n_begun, 0) if is_random else draws.left)
    # What half of the trials have brought is an estimate of the other half's; the first ones' not.
    most = len(sample) // 2 if is_random else len(values) - 1
    n_last = max(0, min(n or FURTHER, most))
    progress = overview(storage_of(study), study_id(study))
    return Outlook(
        study=study.study_name,
        metric=study.metric_names[0] if study.metric_names else "value",
        direction=study.direction.name.lower(),
        searched_by=how_searched(study),
        basis=draws.basis,
        best=best.value,
        best_trial=best.trial.number,
        n_seeds=len(best.values),
        n_trials=len(values),
        n_unsuccessful=int(np.isnan(values).sum()),
        n_given=draws.n_left_out,
        n_begun=draws.n_begun,
        n_sample=len(sample),
        is_fair=draws.is_fair,
        n_open=progress.counts[TrialState.WAITING] + progress.counts[TrialState.RUNNING],
        n_left=draws.left,
        n=n,
        chance=n / (len(draws.drawn) + n) if is_random and n else None,
        n_best=_count_best(values),
        is_given=is_random and bool((given > np.nanmax(values)).any()),
        expected=_expected(sample if is_random else sample[:0], sign),
        n_last=n_last,
        last_gain=_last_gain(sample, n_last, is_random=is_random),
        tail=tail_gain(sample, n, float(np.nanmax([*values, *given]))) if is_random and n else None,
        shares_structure=is_random
        and shares_structure(study, in_order=all(draw.is_in_order for draw in draws.drawn)),
        noise=_noise(study, ranked),
    )


@dataclass(frozen=True)
class _Draws:
    """The points of a study, as far as they tell of further ones; values are gains.

    Attributes:
        basis: See `Outlook`.
        left: How many points are left, begun ones among them; None where there is no end.
        drawn: The points that have begun; of a random order those alone that were drawn.
        n_begun: How many of them have not ended.
        n_left_out: How many have ended and were given, not drawn, where that matters.
        values: What those that have ended came to, NaN without a value.
        given: What the points that were given came to.
        is_random: Whether they say what further ones may bring.
        sample: The values that this is reckoned from.
        is_fair: See `Outlook`.
    """

    basis: Basis
    left: int | None
    drawn: list[Draw]
    n_begun: int
    n_left_out: int
    values: Floats
    given: Floats
    is_random: bool
    sample: Floats
    is_fair: bool


def _read(study: optuna.Study) -> _Draws:
    begun = read_draws(study)
    left = points_left(study, begun)
    basis: Basis = "exhausted" if left == 0 else order_of(study)
    drawn = [draw for draw in begun if not draw.is_given] if basis == "random" else begun
    ended = [draw for draw in drawn if draw.has_ended]
    is_random = basis == "random" and any(draw.value is not None for draw in ended)
    chosen, is_fair = fair_sample(drawn) if is_random else (ended, False)
    given = [draw for draw in begun if draw.is_given and draw.has_ended]
    values, others, sample = (
        np.array(as_gains(each, study.direction)) for each in (ended, given, chosen)
    )
    n_left_out = sum(draw.has_ended for draw in begun) - len(ended)
    n_begun = len(drawn) - len(ended)
    return _Draws(
        basis, left, drawn, n_begun, n_left_out, values, others, is_random, sample, is_fair
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
