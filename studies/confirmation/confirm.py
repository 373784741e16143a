"""Train the best settings of a study anew, with fresh seeds, and tell which of them are better."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection

import objectives
from storage import create_storage
from studies.confirmation.looks import (
    Wanted,
    check_n_seeds,
    check_on,
    looks_for,
    without_until_clear,
)
from studies.confirmation.on_test import compare_on_test
from studies.confirmation.settings import check_is_search, choose
from studies.confirmation.splits import opened_divisions
from studies.confirmation.study import Plan, Prepare, find, grow, make, queue_all, set_looks
from studies.confirmation.ways import Ways, ways_here
from studies.errors import SettingError
from studies.lookup import as_argument, definition_of, find_study, open_study
from studies.results.confirmed.confirmation import Confirmation, read_confirmation
from studies.results.confirmed.link import Link, link_of
from studies.results.confirmed.values import values_of_settings
from studies.statistics.until_clear import UntilClear
from studies.worker.open_studies import check_allowed


def confirm(
    study: str,
    storage: str,
    *,
    top: int | None = None,
    seeds: int | None = None,
    until_clear: bool = False,
    max_seeds: int | None = None,
    splits: int | None = None,
    on: str | None = None,
    again: bool = False,
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
        top: How many of the best settings; 3 by default, or all where there are fewer.
        seeds: How many fresh seeds each; 8 by default, or more where so few could tell no two
            settings apart. A larger number than before adds the difference.
        until_clear: Whether settings that are not found worse than another get more seeds, until
            one is left, or `max_seeds` is reached. The level is shared over all looks.
        max_seeds: How many seeds a setting has then at most; three times as many by default.
        splits: On how many new divisions of the data into training and validation, a study each;
            the seeds are dealt over them, and each division counts once.
        on: `test` trains the settings, once they are confirmed, on training and validation part,
            for the median of their best epochs, and compares them on the test part: one look.
        again: Whether that may be done once more where somebody has looked at it.
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
    wanted = Wanted(top, seeds, until_clear, max_seeds, splits, on, again, name)
    return confirm_by(
        study, storage, wanted, ways_here(storage, workers, allow_modules), allow_modules
    )


def confirm_by(
    source: str,
    storage_url: str,
    wanted: Wanted,
    ways: Ways,
    allow_modules: Sequence[str],
) -> Confirmation:
    """Do as `confirm`, with another way to work.

    Args:
        source: See `confirm`.
        storage_url: See `confirm`.
        wanted: What is wanted.
        ways: How it is done.
        allow_modules: See `confirm`.
    """
    check_on(wanted)

    def work(own: optuna.Study) -> bool:
        check_allowed(definition_of(own), allow_modules)
        return ways.work(own)

    opened = create_storage(storage_url)
    searched = open_study(find_study(source, opened), opened)
    check_is_search(searched, "confirm", or_confirms=True)
    if wanted.on is not None:
        study = confirmed_study(searched, wanted)
        check_allowed(definition_of(study), allow_modules)
        return compare_on_test(study, again=wanted.again, tell=ways.tell)
    if wanted.splits is not None:
        name = wanted.name or f"{searched.study_name}-confirm"
        studies = opened_divisions(searched, name, wanted, ways.prepare)
        for each in studies:
            if is_open(each) and not work(each):
                break
        return read_confirmation(studies)
    study = _opened(searched, wanted, ways.prepare)
    if is_open(study) and not work(study):
        return read_confirmation([study])
    while _grown(study):
        if not work(study):
            break
    return read_confirmation([study])


def confirmed_study(searched: optuna.Study, wanted: Wanted) -> optuna.Study:
    """Return the study that has confirmed the settings of another one, or itself.

    Raises:
        SettingError: There is none, or its trials are not all complete.
    """
    definition = definition_of(searched)
    if definition.dataset is None:
        raise SettingError(
            f"Expected a study with a data set. Received: {definition.objective}, a function of "
            "yours, which knows its data itself."
        )
    name = wanted.name or f"{searched.study_name}-confirm"
    own = link_of(searched)
    found = find(name, searched, wanted.top) if own is None else searched
    argument = as_argument(searched.study_name)
    if found is None:
        raise SettingError(
            "Expected settings that are confirmed on the validation part, which tells for how many "
            f"epochs to train. Received: no study {name}. Confirm them: hpo confirm {argument}"
        )
    link = link_of(found)
    if link is not None and link.division is not None:
        raise SettingError(
            "Expected settings that are confirmed on the search's own division of the data. "
            f"Received: {found.study_name}, on a new one."
        )
    if is_open(found):
        raise SettingError(
            f"Expected trials of {found.study_name} that have all ended. Received: some that wait "
            f"or run. Go on with them: hpo confirm {argument}"
        )
    return found


def is_open(study: optuna.Study) -> bool:
    """Tell whether a trial of a study of confirmation waits or runs."""
    return any(own.n_open for own in values_of_settings(study))


def _opened(searched: optuna.Study, wanted: Wanted, look_at: Prepare) -> optuna.Study:
    """Return the study of confirmation that is there, with the seeds wanted, or a new one."""
    own = link_of(searched)
    if own is not None and own.division is not None:
        raise SettingError(
            "Expected a searched study, or one that confirms it on its own division of the data. "
            f"Received: {searched.study_name}, division {own.division} of {own.divisions}. See "
            f"all: hpo confirm {as_argument(own.study)} --splits {own.divisions}"
        )
    if own is not None and wanted.top not in (None, len(own.trials)):
        raise SettingError(
            f"Expected top={len(own.trials)}, the settings that {searched.study_name} confirms. "
            f"Received: top={wanted.top}."
        )
    name = wanted.name or f"{searched.study_name}-confirm"
    found = find(name, searched, wanted.top) if own is None else searched
    if found is None:
        chosen = choose(searched, wanted.top)
        looks = looks_for(len(chosen.trials), wanted)
        plan = Plan(looks[0], looks, wanted.until_clear)
        return make(searched, name, chosen, plan, look_at)
    queue_all(found)  # the creation, or a command that adds seeds, may have been interrupted
    _add_seeds(found, wanted)
    return found


def _add_seeds(study: optuna.Study, wanted: Wanted) -> None:
    """Give a study the seeds of a further look, where more are wanted than it has."""
    link = link_of(study)
    assert link is not None
    _check_plan(study.study_name, link, wanted)
    if link.until_clear or wanted.seeds is None or wanted.seeds <= link.looks[-1]:
        return
    # What nobody has seen was no look.
    looks = [*(link.looks[:-1] if is_open(study) else link.looks), wanted.seeds]
    check_n_seeds(len(link.trials), wanted.seeds, len(looks))
    set_looks(study, link, looks)
    grow(study, wanted.seeds, range(len(link.trials)))


def _check_plan(name: str, link: Link, wanted: Wanted) -> None:
    """Refuse to change looks that were fixed when a confirmation began, or to plan them late."""
    first, last = link.looks[0], link.looks[-1]
    if wanted.max_seeds is not None and not wanted.until_clear and not link.until_clear:
        raise without_until_clear(wanted.max_seeds)
    if wanted.until_clear and not link.until_clear:
        raise SettingError(
            "Expected looks that are fixed before the first one. Received: until_clear, where "
            f"{name} was begun without. Begin another with --name."
        )
    is_other = wanted.seeds not in (None, first) or wanted.max_seeds not in (None, last)
    if link.until_clear and is_other:
        raise SettingError(
            f"Expected the looks that {name} was begun with: seeds={first}, max_seeds={last}. "
            f"Received: seeds={wanted.seeds}, max_seeds={wanted.max_seeds}. Begin another with "
            "--name."
        )


def _grown(study: optuna.Study) -> bool:
    """Queue the seeds of the next look, of the settings in contention; tell whether there are."""
    link = link_of(study)
    assert link is not None
    if not link.until_clear:
        return False
    procedure = UntilClear(link.looks, study.direction is StudyDirection.MAXIMIZE)
    further = procedure.next([own.values for own in values_of_settings(study)])
    if further is None:
        return False
    grow(study, further.n, further.settings)
    return True
