"""What links the studies of a transfer to the searched one: an attribute of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import optuna

from studies.attributes import TRANSFERRED_KEY, TRANSFERS_KEY


@dataclass(frozen=True)
class SearchLink:
    """Of which search a study is the counterpart on other data.

    Attributes:
        study: The name of the search.
        created_at: When it was made, which tells it from another of its name.
        dataset: The other data set, as it was named.
    """

    study: str
    created_at: str
    dataset: str


@dataclass(frozen=True)
class TransferLink:
    """Which settings a study trains on other data, in the order of its `search.enqueue`.

    Attributes:
        study: The name of the search whose settings are transferred.
        created_at: When it was made.
        dataset: Its data set.
        there: The name of the search on the other data set.
        trials: The trials of the best settings of the search, the best first.
        values: The values that it ranks them by.
        median_trial: The trial of its median setting.
        median_value: The value of this.
        median_place: The place of it among the settings; it may be one of the best.
        there_trial: The trial of the best setting of the search on the other data.
        there_value: Its value.
        there_place: Its place among the settings; the same may have been transferred.
        n_searched: How many settings of the search are complete.
        n_searched_there: How many are of that on the other data.
        at: When they were chosen, in UTC.
    """

    study: str
    created_at: str
    dataset: str
    there: str
    trials: Sequence[int]
    values: Sequence[float]
    median_trial: int
    median_value: float
    median_place: int
    there_trial: int
    there_value: float
    there_place: int
    n_searched: int
    n_searched_there: int
    at: str


def search_link(study: optuna.Study) -> SearchLink | None:
    """Return of which search a study is the counterpart; None of any other study."""
    value = study.user_attrs.get(TRANSFERS_KEY)
    return None if value is None else SearchLink(**value)


def transfer_link(study: optuna.Study) -> TransferLink | None:
    """Return which settings a study trains on other data; None of any other study."""
    value = study.user_attrs.get(TRANSFERRED_KEY)
    return None if value is None else TransferLink(**value)


def to_attribute(link: SearchLink | TransferLink) -> dict[str, Any]:
    """Return a link as its attribute has it."""
    return asdict(link)
