"""What a confirmation has come to: each setting's fresh seeds, and each pair of settings tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal

import optuna
import pandas as pd

from storage.seeds import mean, spread
from studies.errors import StudyNotFoundError
from studies.lookup import definition_of
from studies.results.confirmation_link import Link, link_of
from studies.results.confirmed_values import SettingValues, values_of_settings
from studies.statistics.intervals import interval
from studies.statistics.paired import ALPHA, PairComparison, compare_pairs, seeds_needed

Unit = Literal["seeds", "divisions"]


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
        n_units: How many seeds, or divisions, a setting is to have.
        n_seeds: How many seeds a division has; `n_units` where the units are seeds.
        looks: With how many units the settings are compared, in order.
        alpha: The probability to call any setting better, where none is.
        confidence: The level of each interval of a difference; all together hold at 1 - alpha.
        is_complete: Whether no trial waits or runs.
        settings: A row for each setting: `rank` and `trial` in the search, the `searched` value,
            `mean`, `std` and the number `n` of fresh units, `low` and `high` of Student's t interval
            of 95 %, `n_failed` and `n_diverged`, `parameters`, and the `values`.
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
    definition = definition_of(studies[0])
    found = [values_of_settings(each) for each in studies]
    is_divided = link.division is not None
    units = _by_division(found) if is_divided else [each.values for each in found[0]]
    n_seeds = max(len(each.values) for each in found[0])
    settings = _settings(link, definition.search.enqueue, units, found)
    pairs, confidence = _pairs(link, definition.direction, units)
    return Confirmation(
        study=link.study,
        confirmed_in=[each.study_name for each in studies],
        metric=definition.metric,
        direction=definition.direction,
        part="validation",
        unit="divisions" if is_divided else "seeds",
        n_units=len(studies) if is_divided else n_seeds,
        n_seeds=n_seeds,
        looks=link.looks,
        alpha=ALPHA,
        confidence=confidence,
        is_complete=not any(own.n_open for each in found for own in each),
        settings=settings,
        pairs=pairs,
        notes=_notes(units, found),
    )


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
) -> pd.DataFrame:
    rows = []
    for i, own in enumerate(units):
        finite = SettingValues(own, 0, 0).complete
        fresh, std = (mean(finite) if finite else None), spread(finite)
        ends = None if fresh is None else interval(fresh, std, len(finite))
        rows.append(
            {
                "rank": i + 1,
                "trial": link.trials[i],
                "searched": link.values[i],
                "mean": fresh,
                "std": std,
                "low": None if ends is None else ends[0],
                "high": None if ends is None else ends[1],
                "n": len(finite),
                "n_failed": sum(each[i].n_failed for each in found),
                "n_diverged": sum(each[i].n_diverged for each in found),
                "parameters": dict(parameters[i]),
                "values": list(own),
            }
        )
    return pd.DataFrame(rows)


def _pairs(
    link: Link, direction: str, units: Sequence[Sequence[float | None]]
) -> tuple[pd.DataFrame, float]:
    compared = compare_pairs(units, looks=len(link.looks))
    sign = 1 if direction == "maximize" else -1
    rows = []
    for each in compared:
        first, second = link.trials[each.first], link.trials[each.second]
        better = first if sign * each.mean > 0 else second
        common = common_differences(units[each.first], units[each.second])
        needed = seeds_needed(common, n_pairs=len(compared), looks=len(link.looks))
        rows.append(
            {
                "first": first,
                "second": second,
                "n": each.n,
                "difference": each.mean,
                "std": each.std,
                "low": each.low,
                "high": each.high,
                "p": each.p,
                "p_adjusted": each.p_adjusted,
                "better": better if each.is_different else None,
                "seeds_needed": needed,
            }
        )
    confidence = compared[0].confidence if compared else 1 - ALPHA
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else PAIR_COLUMNS), confidence
