"""Whether a function's code has changed between a search and the study that confirms it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import optuna
from optuna.trial import FrozenTrial

from storage import storage_of, study_names
from studies.attributes import CREATED_KEY
from studies.errors import TrialNotFoundError
from studies.lookup import find_trial, open_study
from studies.results.confirmed.link import Link


def changed_code(studies: Sequence[optuna.Study], link: Link) -> list[str]:
    """Return a sentence where a function's files were not the same for all trials compared.

    The networks of an own function need no such sentence: another code of theirs is refused.

    Args:
        studies: The studies that have trained the settings.
        link: To the searched study, which may be deleted by now.
    """
    trials = [trial for own in studies for trial in own.get_trials(deepcopy=False)]
    changed = _with_several([*_searched(studies[0], link), *trials])
    if not changed:
        return []
    return [
        f"The code of the function has changed meanwhile ({', '.join(changed)}): values of before "
        "and after are not of the same function. Confirm with that of now under another --name."
    ]


def _searched(own: optuna.Study, link: Link) -> Iterator[FrozenTrial]:
    """Yield the trials of the search whose settings are confirmed, as far as they are there."""
    storage = storage_of(own)
    if link.study not in study_names(storage):
        return
    study = open_study(link.study, storage)
    if study.user_attrs.get(CREATED_KEY) != link.created_at:
        return
    for number in link.trials:
        with suppress(TrialNotFoundError):
            yield find_trial(study, number)


def _with_several(trials: Iterable[FrozenTrial]) -> list[str]:
    """Return the modules of which trials have recorded several contents."""
    found: dict[str, set[str]] = {}
    for trial in trials:
        for name, sha256 in trial.user_attrs.get("files_sha256", {}).items():
            found.setdefault(name, set()).add(sha256)
    return sorted(name for name, contents in found.items() if len(contents) > 1)
