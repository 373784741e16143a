"""What a confirmation has come to: each setting's fresh seeds, and each pair of settings tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any, Literal

import optuna
import pandas as pd

from objectives.data.divisions import validation_share, why_not_redrawn
from objectives.errors import ObjectiveError
from storage.seeds import mean, spread
from studies.attributes import TESTED_KEY
from studies.definition.study import StudyDefinition
from studies.errors import StudyNotFoundError
from studies.lookup import definition_of
from studies.results.confirmed.changed_code import changed_code
from studies.results.confirmed.link import Link, link_of
from studies.results.confirmed.values import SettingValues, values_of_settings
from studies.statistics.intervals import interval, overlap_factor
from studies.statistics.paired import ALPHA, PairComparison, paired_differences, seeds_needed
from studies.statistics.until_clear import UntilClear

Unit = Literal["seeds", "divisions"]
FAILURES = ("n_failed", "n_diverged")
PAIR_COLUMNS = [
    *("first", "second", "n", "difference", "std", "low", "high", "p", "p_adjusted", "better"),
    "seeds_needed",
]


@dataclass(frozen=True)
class Confirmation:
    """The settings of a search, trained anew with seeds that chose none of them.

    Attributes:
        study: The name of the searched study.
        confirmed_in: The names of the studies that have trained them: one, or one a division.
        metric: What is compared.
        direction: `maximize` or `minimize`.
        part: The part of the data that it is measured on.
        unit: Over what the test and the intervals are: seeds on one validation part, or new
            divisions into training and validation, each the mean of its seeds.
        over: In words, what the intervals are over.
        n_units: How many seeds, or divisions, a setting is to have.
        n_seeds: How many seeds a division has; `n_units` where the units are seeds.
        looks: With how many units the settings are compared, in order.
        alpha: The probability to call any setting better, where none is.
        confidence: The level of each interval of a difference; all together hold at 1 - alpha.
        is_complete: Whether no trial waits or runs.
        settings: A row for each setting: `rank` and `trial` in the search, the `searched` value,
            `mean`, `std` and the number `n` of fresh units, `low` and `high` of Student's t
            interval of 95 %, `n_failed` and `n_diverged`, `parameters`, and the `values`.
        pairs: A row for each pair, `first` and `second` being trials of the search: `n` common
            units, the mean `difference`, first less second, its `std`, `low` and `high`, `p` and
            `p_adjusted`, the trial that is `better` (missing where the two are not
            distinguishable), and `seeds_needed`, a rough number.
        notes: What limits these answers.
    """

    study: str
    confirmed_in: Sequence[str]
    metric: str
    direction: str
    part: Literal["validation", "test"]
    unit: Unit
    over: str
    n_units: int
    n_seeds: int
    looks: Sequence[int]
    alpha: float
    confidence: float
    is_complete: bool
    settings: pd.DataFrame
    pairs: pd.DataFrame
    notes: Sequence[str] = ()


def read_confirmation(studies: Sequence[optuna.Study]) -> Confirmation:
    """Return what a confirmation has come to so far.

    Args:
        studies: The study that has trained the settings; of several divisions each one's, in order.

    Raises:
        StudyNotFoundError: It confirms none.
    """
    link = link_of(studies[0])
    if link is None:
        raise StudyNotFoundError(
            f"Expected a study that hpo confirm has made. Received: {studies[0].study_name}."
        )
    found = [values_of_settings(each) for each in studies]
    is_divided = link.division is not None
    units = _by_division(found) if is_divided else [each.ended for each in found[0]]
    answer = _answer(studies, link, units, found)
    changed = changed_code(studies, link)
    return replace(answer, notes=[*answer.notes, *changed, *_tested(studies[0], link)])


def answer_on_test(study: optuna.Study, values: Sequence[Sequence[float | None]]) -> Confirmation:
    """Return what the settings of a study come to on the test part.

    Args:
        study: The study that has confirmed them.
        values: For each setting the value of each seed, as in `SettingValues`.
    """
    link = link_of(study)
    assert link is not None
    own = replace(link, looks=[max(map(len, values))], until_clear=False)
    found = [[SettingValues(each, len(each), 0, each.count(None)) for each in map(list, values)]]
    answer = _answer([study], own, values, found)
    metric = answer.metric.removeprefix("val_")
    over = "seeds, of networks trained on training and validation part for a fixed number of epochs"
    return replace(answer, part="test", metric=metric, over=over)


def _answer(
    studies: Sequence[optuna.Study],
    link: Link,
    units: Sequence[Sequence[float | None]],
    found: Sequence[Sequence[SettingValues]],
) -> Confirmation:
    definition = definition_of(studies[0])
    is_divided = link.division is not None
    n_seeds = max(len(each.values) for each in found[0])
    share = validation_share(definition.data)
    wider = overlap_factor(len(studies), share) if is_divided else 1.0
    pairs, confidence = _pairs(link, definition.direction, units, wider)
    return Confirmation(
        study=link.study,
        confirmed_in=[each.study_name for each in studies],
        metric=definition.metric,
        direction=definition.direction,
        part="validation",
        unit="divisions" if is_divided else "seeds",
        over=_over(definition, link),
        n_units=len(studies) if is_divided else n_seeds,
        n_seeds=n_seeds,
        looks=link.looks,
        alpha=ALPHA,
        confidence=confidence,
        is_complete=not any(own.n_open for each in found for own in each),
        settings=_settings(link, definition.search.enqueue, units, found, wider),
        pairs=pairs,
        notes=_notes(link, found),
    )


def _tested(study: optuna.Study, link: Link) -> list[str]:
    """Return what the settings came to on the test part, where that was looked at."""
    stored = study.user_attrs.get(TESTED_KEY)
    if stored is None:
        return []
    means = [mean([value for value in own if isinstance(value, float)]) for own in stored["values"]]
    shown = ", ".join(
        f"trial {trial} {value:.4f}" for trial, value in zip(link.trials, means, strict=True)
    )
    return [f"On the test part, looked at {stored['at']}, means over seeds: {shown}."]


def _over(definition: StudyDefinition, link: Link) -> str:
    """Return in words what the intervals are over."""
    if link.divisions is not None:
        return (
            f"{link.divisions} new divisions of these data into training and validation. They "
            "share examples: the intervals are Nadeau and Bengio's, wider for it; the test does "
            "not know of it, and nothing is said of other data"
        )
    if definition.is_function:
        return "seeds of the function"
    if definition.data.folds is not None:
        return "seeds on these folds; another division of the data may tell otherwise"
    words = "seeds on this validation part; another division of the data may tell otherwise"
    return f"{words}: --splits" if _can_be_redrawn(definition) else words


def _can_be_redrawn(definition: StudyDefinition) -> bool:
    try:
        return why_not_redrawn(str(definition.dataset), definition.data) is None
    except ObjectiveError:  # the data are gone by now
        return False


def _by_division(found: Sequence[Sequence[SettingValues]]) -> list[list[float | None]]:
    """Return the mean over the seeds of each division; None where one of these is missing."""

    def unit(own: SettingValues) -> float | None:
        values = [value for value in own.values if value is not None]
        return mean(values) if len(values) == len(own.values) else None

    return [[unit(division[i]) for division in found] for i in range(len(found[0]))]


def _settings(
    link: Link,
    parameters: Sequence[Mapping[str, Any]],
    units: Sequence[Sequence[float | None]],
    found: Sequence[Sequence[SettingValues]],
    wider: float,
) -> pd.DataFrame:
    rows = []
    for i, own in enumerate(units):
        finite = [value for value in own if value is not None and isfinite(value)]
        fresh, std = (mean(finite) if finite else nan), spread(finite)
        low, high = interval(fresh, std, len(finite)) or (nan, nan)
        rows.append(
            {
                "rank": i + 1,
                "trial": link.trials[i],
                "searched": link.values[i],
                "mean": fresh,
                "std": std,
                "low": fresh - wider * (fresh - low),
                "high": fresh + wider * (high - fresh),
                "n": len(finite),
                "n_failed": sum(each[i].n_failed for each in found),
                "n_diverged": sum(each[i].n_diverged for each in found),
                "parameters": dict(parameters[i]),
                "values": list(own),
            }
        )
    return pd.DataFrame(rows)


def _pairs(
    link: Link, direction: str, units: Sequence[Sequence[float | None]], wider: float
) -> tuple[pd.DataFrame, float]:
    """Return the table of pairs, and the level of their intervals; `wider` multiplies these."""
    looks = len(link.looks)
    compared = UntilClear(link.looks, direction == "maximize").compare(units)
    rows = []
    for each in compared:
        common = paired_differences(units[each.first], units[each.second])
        rows.append(
            {
                "first": link.trials[each.first],
                "second": link.trials[each.second],
                "n": each.n,
                "difference": each.mean,
                "std": each.std,
                "low": each.mean - wider * (each.mean - each.low),
                "high": each.mean + wider * (each.high - each.mean),
                "p": each.p,
                "p_adjusted": each.p_adjusted,
                "better": _better(link, direction, each),
                "seeds_needed": seeds_needed(common, n_pairs=len(compared), looks=looks),
            }
        )
    confidence = compared[0].confidence if compared else 1 - ALPHA
    return pd.DataFrame(rows, columns=PAIR_COLUMNS), confidence


def _better(link: Link, direction: str, pair: PairComparison) -> int | None:
    """Return which trial of a pair is better; None where the two are not distinguishable."""
    if not pair.is_different:
        return None
    is_first = (pair.mean > 0) == (direction == "maximize")
    return link.trials[pair.first if is_first else pair.second]


def _notes(link: Link, found: Sequence[Sequence[SettingValues]]) -> list[str]:
    """Return what limits the answers."""
    notes = []
    every = [own for division in found for own in division]
    n_failed, n_diverged = (sum(getattr(own, key) for own in every) for key in FAILURES)
    if n_failed:
        notes.append(
            f"{n_failed} of the trials failed or were pruned: a pair is compared over the seeds "
            "that both have."
        )
    if n_diverged:
        notes.append(
            f"{n_diverged} of the trials diverged: a setting with such a one has no mean over all "
            "seeds, and its pairs are not tested."
        )
    complete = [own.complete for own in every if len(own.complete) > 1]
    if complete and all(len(set(values)) == 1 for values in complete):
        notes.append(
            "All seeds gave the same value: the objective does not use its seed, so that nothing "
            "is known of noise."
        )
    if len(link.looks) > 1 and not link.until_clear:
        sizes = " and ".join(map(str, link.looks))
        most = sum(ALPHA / n for n in range(1, len(link.looks) + 1))
        notes.append(
            f"Seeds were added after a look: the settings are compared at {sizes} seeds. The level "
            f"is shared over these looks now, but was not at first: {100 * most:g} % in all, not "
            f"{100 * ALPHA:g} %. Plan looks by --until-clear."
        )
    return notes
