"""Train the best settings of a study anew, with fresh seeds, and tell which of them are better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna

import objectives
from storage import create_storage
from studies.confirmation.study import Prepare, find, grow, make, queue_all, set_looks
from studies.definition.study import StudyDefinition
from studies.errors import SettingError
from studies.fleet.local import fetch_data, work_here
from studies.fleet.own_code import prepare
from studies.fleet.trials_bar import trials_bar
from studies.lookup import definition_of, find_study, open_study
from studies.results.confirmation import Confirmation, read_confirmation
from studies.results.confirmation_link import Link, link_of
from studies.results.confirmed_values import values_of_settings
from studies.statistics.paired import MOST_SEEDS, least_seeds
from studies.worker.open_studies import check_allowed

TOP = 3
SEEDS = 8
Work = Callable[[optuna.Study], bool]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a confirmation; None where it is not said.

    Attributes:
        top: How many of the best settings; 3, or those of the confirmation that there is.
        seeds: How many fresh seeds each; 8, or as many as can tell the settings apart.
        name: The name of the study that trains them; that of the searched one with `-confirm`.
    """

    top: int | None = None
    seeds: int | None = None
    name: str | None = None


def confirm(
    study: str,
    storage: str,
    *,
    top: int | None = None,
    seeds: int | None = None,
    name: str | None = None,
    workers: int | None = None,
    allow_modules: Sequence[str] = (),
) -> Confirmation:
    """Train the best settings of a study anew, with fresh seeds, and compare them pair by pair.

    Each setting gets the same seeds, which no search uses: the same split, order and noise, so that
    the differences are paired. The exact sign-flip test decides, adjusted by Holm over all pairs.
    The trials form a study of their own, which is gone on with where it is there already.

    Args:
        study: The name of the searched study in the storage, or of a study that confirms one.
        storage: The URL of the storage.
        top: How many of the best settings; 3 by default.
        seeds: How many fresh seeds each; 8 by default, or more where so few could tell no two
            settings apart. A larger number than before adds the difference.
        name: The name of the study that trains them, by default the searched one's with `-confirm`.
        workers: Number of worker processes; by default one a GPU, or one where there is none.
        allow_modules: Packages and files whose functions may be executed.

    Raises:
        StudyNotFoundError: There is no such study.
        NoCompleteTrialError: No trial of it is complete.
        SettingError: So few, or so many, settings or seeds cannot be compared.
        TakenNameError: Another study has the name, or one that confirms other settings.
        WorkerError: A function of the study is of no package in `allow_modules`.
        LaunchError: A worker could not do its work.
    """
    objectives.admit(allow_modules)
    allowed = tuple(f"--allow-module={module}" for module in allow_modules)

    def work(own: optuna.Study) -> bool:
        fetch_data(definition_of(own))
        with trials_bar(own) as advance:
            return work_here(own, storage, workers, options=allowed, on_tick=advance)

    def look_at(definition: StudyDefinition) -> StudyDefinition:
        return prepare(definition, allow_modules)

    return confirm_by(study, storage, Wanted(top, seeds, name), work, look_at, allow_modules)


def confirm_by(
    source: str,
    storage_url: str,
    wanted: Wanted,
    work: Work,
    look_at: Prepare,
    allow_modules: Sequence[str],
) -> Confirmation:
    """Do as `confirm`, with another way to work.

    Args:
        source: See `confirm`.
        storage_url: See `confirm`.
        wanted: What is wanted.
        work: Works on a study, and tells whether it is done; False after a signal.
        look_at: Looks at the code that a new study names.
        allow_modules: See `confirm`.
    """
    opened = create_storage(storage_url)
    searched = open_study(find_study(source, opened), opened)
    check_allowed(definition_of(searched), allow_modules)
    study = _opened(searched, wanted, look_at)
    link = link_of(study)
    assert link is not None
    _to_look(study, link, wanted)
    if any(own.n_open for own in values_of_settings(study)):
        work(study)
    return read_confirmation([study])


def _opened(searched: optuna.Study, wanted: Wanted, look_at: Prepare) -> optuna.Study:
    """Return the study of confirmation that is there, or a new one."""
    own = link_of(searched)
    if own is not None:
        if wanted.top not in (None, len(own.trials)):
            raise SettingError(
                f"Expected top={len(own.trials)}, the settings that {searched.study_name} "
                f"confirms. Received: top={wanted.top}."
            )
        return searched
    name = wanted.name or f"{searched.study_name}-confirm"
    found = find(name, searched, wanted.top)
    if found is not None:
        queue_all(found)
        return found
    top = wanted.top or TOP
    looks = [_n_seeds(top, wanted.seeds, 1)]
    return make(searched, name, top, looks, until_clear=False, prepare=look_at)


def _to_look(study: optuna.Study, link: Link, wanted: Wanted) -> None:
    """Give a study the seeds of its next look, where more are wanted than it has."""
    if wanted.seeds is None or wanted.seeds <= link.looks[-1]:
        return
    is_seen = not any(own.n_open for own in values_of_settings(study))
    looks = [*(link.looks if is_seen else link.looks[:-1]), wanted.seeds]
    _n_seeds(len(link.trials), wanted.seeds, len(looks))
    set_looks(study, link, looks)
    grow(study, wanted.seeds, range(len(link.trials)))


def _n_seeds(top: int, seeds: int | None, looks: int) -> int:
    """Return how many seeds to take: as many as can tell two of the settings apart.

    Raises:
        SettingError: The number that is wanted cannot, or is too large for an exact test.
    """
    least = least_seeds(top, looks=looks) if top > 1 else 2
    n = max(SEEDS, least) if seeds is None else seeds
    if n < least and top == 1:
        raise SettingError(
            f"Expected at least 2 seeds, for a standard deviation. Received: seeds={n}."
        )
    if n < least:
        n_pairs = top * (top - 1) // 2
        raise SettingError(
            f"Expected at least {least} seeds for {top} settings: the least p value of n seeds is "
            f"2/2^n, and {n_pairs} {'pair shares' if n_pairs == 1 else 'pairs share'} the 5 % of "
            f"an error. Received: seeds={n}."
        )
    if n > MOST_SEEDS:
        raise SettingError(
            f"Expected at most {MOST_SEEDS} seeds, for an exact test. Received: seeds={n}."
        )
    return n
