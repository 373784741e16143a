"""The combination of the best levels, what it should come to, and whether it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from storage import latest_attempts, storage_of, study_attributes
from studies.attributes import CREATED_KEY, DEFINITION_KEY, PREDICTED_KEY
from studies.lookup import open_study
from studies.results.effects.design import PartEffects, only, weights_of
from studies.results.effects.levels import mean_of
from studies.results.effects.trials import Level, Trials
from studies.statistics.blocks import of_new_seeds
from studies.statistics.factorial import Anova
from studies.statistics.intervals import student_quantile

if TYPE_CHECKING:
    import optuna

    from storage import TrialStorage

SEEDS = 5  # of the combination, where the study's points have one


@dataclass(frozen=True)
class Confirmation:
    """What the predicted combination has come to in trials that the prediction does not know.

    Attributes:
        study: The study of these trials.
        predicted: What was predicted when it was made.
        low: The lower end of the 95 % interval of the mean of so many trials, None without one.
        high: Its upper end.
        mean: The mean of its complete trials; None before there is one.
        n: How many are complete.
        n_trials: How many there are.
        held: Whether the mean is in the interval; None before all have ended, or without interval.
    """

    study: str
    predicted: float
    low: float | None
    high: float | None
    mean: float | None
    n: int
    n_trials: int
    held: bool | None


@dataclass(frozen=True)
class Predicted:
    """The combination of the best level of each factor, if effects add up.

    Attributes:
        setting: Factor -> level.
        value: The value; None where the trials do not determine it.
        low: The lower end of the 95 % interval for the mean of `n_seeds` new trials, None without.
        high: Its upper end.
        n_seeds: The number of seeds that it would be trained with.
        observed: The mean of the study's own trials of it; None where it has none.
        n_observed: How many these are.
        confirmations: What it has come to since, in studies that --enqueue has made.
        variance: The variance of a trial with a seed of its own, None where nothing tells it.
        freedom: Its degrees of freedom; by Satterthwaite, and no whole number, where seeds are
            blocks.
        leverage: The variance of the predicted mean, in parts of that of a trial.
    """

    setting: Mapping[str, Level]
    value: float | None
    low: float | None
    high: float | None
    n_seeds: int
    observed: float | None
    n_observed: int
    confirmations: tuple[Confirmation, ...]
    variance: float | None
    freedom: float
    leverage: float | None


def predicted(
    study: optuna.Study, trials: Trials, parts: Sequence[PartEffects], *, maximize: bool
) -> Predicted | None:
    """Return the predicted best combination; None where no factor tells its levels apart."""
    whole = next((each for each in parts if not each.part.within), None)
    if whole is None or whole.main is None or whole.anova is None:
        return None
    best = {name: _best(each, name, maximize) for each in parts for name in each.part.told}
    setting = {
        name: best[name] if best.get(name) is not None else levels[0]
        for name, levels in whole.part.trials.factors.items()
    }
    weights = {name: only(whole.part, name, setting[name]) for name in whole.part.levels}
    found = whole.main.at(weights)
    value, leverage = (None, None) if found is None else found
    for inner in parts:
        if inner is whole or not _is_active(inner, setting):
            continue
        setting |= {name: best[name] for name in inner.part.told if best[name] is not None}
        value, leverage = _with(inner, setting, value), None  # of which no interval is known
    n = _n_seeds(study)
    variance, freedom, leverage = _spread(whole.anova, leverage, n)
    low, high = _interval(value, variance, freedom, leverage, n)
    own = [t for t in [*trials.trials, *trials.others] if dict(t.levels) == setting]
    values = [t.value for t in own if t.value is not None]
    return Predicted(
        setting,
        value,
        low,
        high,
        n,
        mean_of(values),
        len(values),
        confirmations(study),
        variance,
        freedom,
        leverage,
    )


def confirmations(study: optuna.Study) -> tuple[Confirmation, ...]:
    """Return what the combinations that were predicted from a study have come to since."""
    storage, created = storage_of(study), study.user_attrs.get(CREATED_KEY)
    made = study_attributes(storage, PREDICTED_KEY, having=DEFINITION_KEY)
    return tuple(
        _confirmation(storage, name, record)
        for name, record in made.items()
        if created is not None and record["created_at"] == created
    )


def _confirmation(storage: TrialStorage, name: str, record: Mapping[str, Any]) -> Confirmation:
    trials = latest_attempts(open_study(name, storage).get_trials(deepcopy=False))
    values = [t.value for t in trials if t.state is TrialState.COMPLETE and t.value is not None]
    values = [value for value in values if isfinite(value)]
    is_over = all(trial.state.is_finished() for trial in trials) and bool(values)
    value, mean = record["value"], mean_of(values)
    terms = record["variance"], record["freedom"], record["leverage"]
    low, high = _interval(value, *terms, len(values) or max(len(trials), 1))
    held = None
    if is_over and mean is not None and low is not None and high is not None:
        held = low <= mean <= high
    return Confirmation(name, value, low, high, mean, len(values), len(trials), held)


def _best(effects: PartEffects, name: str, maximize: bool) -> Level | None:
    """Return the best level of a factor by its adjusted mean, else by its mean; None without."""
    rows = [row for row in effects.means if row["factor"] == name and row["mean"] is not None]
    by = "adjusted" if rows and all(row["adjusted"] is not None for row in rows) else "mean"
    choose = max if maximize else min
    return choose(rows, key=lambda row: row[by])["level"] if rows else None


def _is_active(inner: PartEffects, setting: Mapping[str, Level]) -> bool:
    """Tell whether a setting has the levels under which a conditional factor is there."""
    part = inner.part
    needed = [name for name in part.trials.factors if name not in part.told]
    return all(name in setting and setting[name] in part.trials.factors[name] for name in needed)


def _with(inner: PartEffects, setting: Mapping[str, Level], value: float | None) -> float | None:
    """Return a value with what conditional factors add to the mean of the trials that have them."""
    if value is None or inner.main is None:
        return None
    part = inner.part
    usual = {name: weights_of(part, name) for name in part.levels}
    chosen = {name: only(part, name, setting[name]) for name in part.told if name in part.levels}
    one, other = inner.main.at(usual | chosen), inner.main.at(usual)
    return None if one is None or other is None else value + one[0] - other[0]


def _spread(
    found: Anova, leverage: float | None, n: int
) -> tuple[float | None, float, float | None]:
    """Return the variance of a trial with a seed of its own, its degrees of freedom, the leverage.

    Args:
        found: The analysis of variance.
        leverage: That of the model over the seeds that it has; None where it has none.
        n: How many new seeds the interval is for.
    """
    error = found.error
    if leverage is None or not error.ms:
        return None, error.df, leverage
    if found.blocks is None:
        return error.ms, error.df, leverage
    new = of_new_seeds(found.blocks, error.ms, leverage, n)
    return new.variance, new.freedom, new.leverage


def _interval(
    value: float | None, variance: float | None, freedom: float, leverage: float | None, n: int
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the mean of n new trials; None twice where it is not known."""
    if value is None or not variance or not freedom or leverage is None:
        return None, None
    half = student_quantile(freedom) * sqrt(variance * (leverage + 1 / n))
    return value - half, value + half


def _n_seeds(study: optuna.Study) -> int:
    """Return how many seeds the combination is to have: as many as a point of the study, or 5."""
    replicates = int(study.user_attrs[DEFINITION_KEY]["search"]["replicates"])
    return replicates if replicates > 1 else SEEDS
