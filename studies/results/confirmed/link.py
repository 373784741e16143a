"""What links a study of confirmation to the searched one: an attribute of the former."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import optuna

from storage import TrialStorage, storage_of, study_attributes
from studies.attributes import CONFIRMS_KEY, CREATED_KEY, DEFINITION_KEY


@dataclass(frozen=True)
class Link:
    """Which settings of which study are confirmed.

    Attributes:
        study: The name of the searched study.
        created_at: When it was made, which tells it from another of its name.
        trials: The trial of each setting, the best first.
        values: The value that the search has ranked each by; of several seeds the mean.
        n_searched: How many trials of the search were complete then.
        at: When they were chosen, in UTC.
        looks: With how many seeds a setting the settings are compared, in order; fixed from the
            beginning where seeds are added until all is clear.
        until_clear: Whether they are.
        division: Which of several new divisions of the data this study trains on, from 1; None
            where it is that of the search.
        divisions: How many there are.
    """

    study: str
    created_at: str
    trials: Sequence[int]
    values: Sequence[float]
    n_searched: int
    at: str
    looks: Sequence[int]
    until_clear: bool = False
    division: int | None = None
    divisions: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as the attribute has it."""
        return asdict(self)


def link_of(study: optuna.Study) -> Link | None:
    """Return the link of a study of confirmation; None of any other study."""
    value = study.user_attrs.get(CONFIRMS_KEY)
    return None if value is None else Link(**value)


def confirmations(study: optuna.Study) -> dict[str, Link]:
    """Return the studies that confirm settings of a study: their names and links, as made."""
    found = links(storage_of(study))
    created = study.user_attrs.get(CREATED_KEY)
    return {name: link for name, link in found.items() if link.created_at == created}


def links(storage: TrialStorage) -> dict[str, Link]:
    """Return the names and links of all studies of confirmation in a storage."""
    found = study_attributes(storage, CONFIRMS_KEY, having=DEFINITION_KEY)
    return {name: Link(**value) for name, value in found.items()}
