"""What fresh seeds came to for settings of a study: read from the studies that confirm them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import optuna

from storage import storage_of
from studies.errors import HpoError
from studies.lookup import open_study
from studies.results.confirmed.link import confirmations


@dataclass(frozen=True)
class FreshValues:
    """The values of one setting with seeds that no search has used.

    Attributes:
        study: The study of confirmation.
        values: One for each seed that has come to a finite value.
    """

    study: str
    values: Sequence[float]


def fresh_values(study: optuna.Study) -> dict[int, FreshValues]:
    """Return the fresh values of those settings of a study that are confirmed, by their trial.

    Those on new divisions of the data are left out: they are of other validation parts. Of several
    confirmations of one setting the last one counts.
    """
    found = {}
    for name, link in confirmations(study).items():
        if link.division is not None:
            continue
        from studies.results.confirmed.values import values_of_settings  # reads the definition

        with suppress(HpoError, ValueError, OSError):  # as where its data are not on this machine
            settings = values_of_settings(open_study(name, storage_of(study)))
            for trial, own in zip(link.trials, settings, strict=False):
                if own.complete:
                    found[trial] = FreshValues(name, own.complete)
    return found
