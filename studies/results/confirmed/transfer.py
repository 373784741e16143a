"""What a transfer has come to: the settings of a search, trained on another data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite

import optuna
import pandas as pd

from storage import best_points, storage_of
from storage.seeds import mean, spread
from storage.study_attributes import SEED_KEY
from studies.attributes import CREATED_KEY
from studies.definition.study import StudyDefinition
from studies.errors import StudyNotFoundError
from studies.lookup import definition_of, open_study
from studies.results.confirmed.transfer_link import TransferLink, search_link, transfer_link
from studies.results.confirmed.values import SettingValues, values_of_settings
from studies.statistics.intervals import interval
from studies.statistics.paired import ALPHA, PairComparison, compare_pairs
from studies.statistics.rank_correlation import RankCorrelation, rank_correlation

GAIN, BESIDE = "gain", "beside a search there"
TEST_COLUMNS = ["test", "against", "n", "difference", "low", "high", "p", "p_adjusted", "verdict"]
ALL = 1_000_000  # points


@dataclass(frozen=True)
class Transfer:
    """The best settings of a search on another data set, beside a search made there.

    Attributes:
        study: The name of the search whose settings are transferred.
        dataset: Its data set.
        there: The name of the search on the other data set, at the same budget.
        dataset_there: This data set.
        trained_in: The name of the study that has trained the settings there, with fresh seeds.
        metric: What is compared.
        direction: `maximize` or `minimize`.
        n_seeds: How many fresh seeds each setting has, the same for all.
        n_searched: How many settings of the search were complete.
        n_searched_there: How many were of that on the other data.
        is_complete: Whether no trial waits or runs; nothing is tested before.
        confidence: The level of each interval of a difference; both together hold at 95 %.
        settings: A row for each setting: its `role` (`transferred`, `median` of the search, `best
            there`), `trial` in its search, the value `searched` by that, `mean`, `std` and number
            `n` of fresh seeds on the other data, `low` and `high` of Student's t interval of 95 %,
            `n_failed`, `n_diverged`, `parameters`, and the `values`.
        tests: A row for each of two tests of the best setting transferred: `gain`, against the
            median one, and `beside a search there`, against the best one found there. The mean
            `difference` of `n` seeds, `low` and `high` of its interval, `p` and `p_adjusted` of the
            exact sign-flip test, by Holm over the two, and the `verdict`: `better`, `worse`, `not
            distinguishable`, `not tested` or `same setting`.
        top_correlation: The rank correlation of the settings transferred: the value searched here,
            and the mean there; None of fewer than eight.
        all_correlation: That of all settings that both searches have, by their values of them; None
            of fewer than eight.
        notes: What limits these answers.
    """

    study: str
    dataset: str
    there: str
    dataset_there: str
    trained_in: str
    metric: str
    direction: str
    n_seeds: int
    n_searched: int
    n_searched_there: int
    is_complete: bool
    confidence: float
    settings: pd.DataFrame
    tests: pd.DataFrame
    top_correlation: RankCorrelation | None
    all_correlation: RankCorrelation | None
    notes: Sequence[str] = ()


def read_transfer(study: optuna.Study) -> Transfer:
    """Return what a transfer has come to so far.

    Args:
        study: The study that has trained the settings on the other data.

    Raises:
        StudyNotFoundError: It has trained none.
    """
    link, definition = transfer_link(study), definition_of(study)
    if link is None:
        raise StudyNotFoundError(
            f"Expected a study that hpo transfer has made. Received: {study.study_name}."
        )
    found = values_of_settings(study)
    is_complete = not any(own.n_open for own in found)
    settings = _settings(link, definition, found)
    tests = _tests(link, definition.direction, found) if is_complete else []
    return Transfer(
        study=link.study,
        dataset=link.dataset,
        there=link.there,
        dataset_there=str(definition.dataset),
        trained_in=study.study_name,
        metric=definition.metric,
        direction=definition.direction,
        n_seeds=definition.search.replicates,
        n_searched=link.n_searched,
        n_searched_there=link.n_searched_there,
        is_complete=is_complete,
        confidence=1 - ALPHA / max(len(_pairs(link)), 1),
        settings=settings,
        tests=pd.DataFrame(tests, columns=TEST_COLUMNS),
        top_correlation=_top_correlation(link, definition, found) if is_complete else None,
        all_correlation=_all_correlation(study, link),
        notes=_notes(link, found, is_complete=is_complete),
    )


def _settings(
    link: TransferLink, definition: StudyDefinition, found: Sequence[SettingValues]
) -> pd.DataFrame:
    chosen = [
        *(("transferred", *row) for row in enumerate(zip(link.trials, link.values, strict=True))),
        ("median", link.median_place, (link.median_trial, link.median_value)),
        ("best there", link.there_place, (link.there_trial, link.there_value)),
    ]
    rows = []
    for role, place, (trial, searched) in chosen:
        own, parameters = found[place], definition.search.enqueue[place]
        fresh, std, n = mean(own.complete), spread(own.complete), len(own.complete)
        ends = interval(fresh, std, n)
        rows.append(
            {
                "role": role,
                "trial": trial,
                "searched": searched,
                "mean": fresh if n else None,
                "std": std,
                "low": None if ends is None else ends[0],
                "high": None if ends is None else ends[1],
                "n": n,
                "n_failed": own.n_failed,
                "n_diverged": own.n_diverged,
                "parameters": dict(parameters),
                "values": list(own.values),
            }
        )
    return pd.DataFrame(rows)


def _pairs(link: TransferLink) -> dict[str, tuple[int, int]]:
    """Return the two tests, chosen before any value there was seen; none of a setting with itself.

    The best setting is that of the search: that of the transferred ones which is best there would
    be chosen by what it is tested by.
    """
    pairs = {GAIN: (0, link.median_place), BESIDE: (0, link.there_place)}
    return {name: pair for name, pair in pairs.items() if pair[1] != 0}


def _tests(
    link: TransferLink, direction: str, found: Sequence[SettingValues]
) -> list[dict[str, object]]:
    pairs = _pairs(link)
    compared = compare_pairs([own.values for own in found], pairs=list(pairs.values()))
    by_name = dict(zip(pairs, compared, strict=True))
    against = {GAIN: link.median_trial, BESIDE: link.there_trial}
    return [
        {"test": name, "against": trial, **_row(by_name.get(name), direction)}
        for name, trial in against.items()
    ]


def _row(pair: PairComparison | None, direction: str) -> dict[str, object]:
    if pair is None:
        return {"verdict": "same setting"}
    is_better = (pair.mean > 0) == (direction == "maximize")
    verdict = "not tested" if not pair.is_tested else "not distinguishable"
    return {
        "n": pair.n,
        "difference": pair.mean,
        "low": pair.low,
        "high": pair.high,
        "p": pair.p,
        "p_adjusted": pair.p_adjusted,
        "verdict": ("better" if is_better else "worse") if pair.is_different else verdict,
    }


def _top_correlation(
    link: TransferLink, definition: StudyDefinition, found: Sequence[SettingValues]
) -> RankCorrelation | None:
    """Return that of the settings transferred; one with a seed that diverged ranks last there."""
    last = -inf if definition.direction == "maximize" else inf
    here, there = [], []
    for value, own in zip(link.values, found, strict=False):
        if own.complete or own.n_diverged:
            here.append(value)
            there.append(last if own.n_diverged else mean(own.complete))
    return rank_correlation(here, there)


def _all_correlation(study: optuna.Study, link: TransferLink) -> RankCorrelation | None:
    """Return that of the settings of both searches; none where one of them is not there now."""
    storage = storage_of(study)
    try:
        here, there = open_study(link.study, storage), open_study(link.there, storage)
    except StudyNotFoundError:
        return None
    origin = search_link(there)
    created = here.user_attrs.get(CREATED_KEY)
    if origin is None or not created == origin.created_at == link.created_at:
        return None
    values_here, values_there = _values(here), _values(there)
    common = [key for key in values_here if key in values_there]
    return rank_correlation([values_here[k] for k in common], [values_there[k] for k in common])


def _values(study: optuna.Study) -> dict[frozenset[tuple[str, object]], float]:
    """Return the value of each setting of a search that is complete."""
    found: dict[frozenset[tuple[str, object]], float] = {}
    for point in best_points(study, ALL):
        setting = {name: value for name, value in point.trial.params.items() if name != SEED_KEY}
        if isfinite(point.value):
            found.setdefault(frozenset(setting.items()), point.value)
    return found


def _notes(link: TransferLink, found: Sequence[SettingValues], *, is_complete: bool) -> list[str]:
    """Return what limits the answers."""
    notes = []
    n_failed, n_diverged = (
        sum(getattr(own, key) for own in found) for key in ("n_failed", "n_diverged")
    )
    if not is_complete:
        notes.append("Not all trials have ended: nothing is tested before.")
    if n_failed:
        notes.append(
            f"{n_failed} of the trials failed or were pruned: two settings are compared over the "
            "seeds that both have."
        )
    if n_diverged:
        notes.append(
            f"{n_diverged} of the trials diverged: such a setting is not tested, and ranks last."
        )
    if link.n_searched != link.n_searched_there:
        notes.append(
            f"The search here has {link.n_searched} settings that are complete, that there "
            f"{link.n_searched_there}."
        )
    return notes
