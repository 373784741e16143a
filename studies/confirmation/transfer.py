"""Train the best settings of a study on another data set, beside a search made there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import optuna

import objectives
from storage import create_storage
from studies.confirmation.confirm import is_open
from studies.confirmation.looks import SEEDS
from studies.confirmation.study import Prepare
from studies.confirmation.transfer_studies import (
    check_source,
    check_top,
    find_settings,
    search_there,
    settings_there,
)
from studies.confirmation.ways import Work, ways_here
from studies.errors import SettingError, WorkerError
from studies.lookup import as_argument, definition_of, find_study, open_study
from studies.results.confirmed.transfer import Transfer, read_transfer
from studies.results.confirmed.transfer_link import transfer_link
from studies.statistics.paired import MOST_SEEDS, least_seeds_of_tests
from studies.worker.open_studies import check_allowed

N_TESTS = 2  # of the best setting transferred: against the median one, and the best one there


def transfer(
    study: str,
    storage: str,
    *,
    dataset: str,
    top: int | None = None,
    seeds: int | None = None,
    name: str | None = None,
    workers: int | None = None,
    allow_modules: Sequence[str] = (),
) -> Transfer:
    """Train the best settings of a study on another data set, beside a search made there.

    The same search is made there first, at the same budget. Then the best settings of the study,
    its median one and the best one of the search there are trained with the same fresh seeds. The
    exact sign-flip test says whether the best setting is better there than the median one, that is
    whether the gain of the search carries over, and how it stands beside the best one found there.
    Called again it goes on.

    Args:
        study: The name of the searched study in the storage.
        storage: The URL of the storage.
        dataset: The other data set: a name, or a path.
        top: How many of the best settings; 8 by default, or all where there are fewer. From 8 on
            there is a rank correlation.
        seeds: How many fresh seeds each; 8 by default, and at least 7.
        name: The name of the search there, by default the study's with `-on-` and the data set's.
            The study of the settings is called the same with `-settings`.
        workers: Number of worker processes; by default one a GPU, or one where there is none.
        allow_modules: Packages and files whose functions may be executed.

    Raises:
        StudyNotFoundError: There is no such study.
        NoCompleteTrialError: Fewer than two settings of it are complete, or none there.
        SettingError: It has no data set, or this one; or so few, or so many, settings or seeds
            cannot be compared.
        DefinitionError: There is no such data set, or the networks do not fit it.
        TakenNameError: Another study has the name.
        WorkerError: A function of the study is of no package in `allow_modules`, or a signal has
            stopped the workers.
        LaunchError: A worker could not do its work.
    """
    objectives.admit(allow_modules)
    ways = ways_here(storage, workers, allow_modules)
    return transfer_by(
        study,
        storage,
        dataset,
        ways.work,
        ways.prepare,
        allow_modules,
        top=top,
        seeds=seeds,
        name=name,
    )


def transfer_by(
    source: str,
    storage_url: str,
    dataset: str,
    work: Work,
    look_at: Prepare,
    allow_modules: Sequence[str],
    *,
    top: int | None = None,
    seeds: int | None = None,
    name: str | None = None,
) -> Transfer:
    """Do as `transfer`, with another way to work.

    Args:
        source: The name of the searched study.
        storage_url: See `transfer`.
        dataset: See `transfer`.
        work: Works on a study, and tells whether it is done; False after a signal.
        look_at: Looks at the code that a new study names.
        allow_modules: See `transfer`.
        top: See `transfer`.
        seeds: See `transfer`.
        name: See `transfer`.
    """
    storage = create_storage(storage_url)
    searched = open_study(find_study(source, storage), storage)
    points = check_source(searched)
    n_settings = check_top(points, top, searched.study_name)
    n_seeds = _check_seeds(seeds)
    check_allowed(definition_of(searched), allow_modules)
    stem = Path(dataset).stem.partition(":")[0]
    there_name = name or f"{searched.study_name}-on-{stem}"
    there = search_there(searched, dataset, there_name, look_at)
    found = find_settings(searched, there_name)
    if found is None:
        _work(work, there)
        found = settings_there(searched, there, n_settings, n_seeds, look_at)
    else:
        _check_same(found, top, seeds)
    if is_open(found):
        _work(work, found)
    return read_transfer(found)


def _work(work: Work, study: optuna.Study) -> None:
    if not work(study):
        raise WorkerError(
            f"Expected {study.study_name} to be worked on to its end. Received: a signal to stop. "
            "Nothing is lost: the same command goes on."
        )


def _check_seeds(seeds: int | None) -> int:
    least = least_seeds_of_tests(N_TESTS)
    if seeds is not None and not least <= seeds <= MOST_SEEDS:
        raise SettingError(
            f"Expected seeds from {least} to {MOST_SEEDS}: the least p of n seeds, 2/2^n, must "
            f"reach 0.05 / ({N_TESTS} tests), and the test is exact. Received: seeds={seeds}."
        )
    return SEEDS if seeds is None else seeds


def _check_same(study: optuna.Study, top: int | None, seeds: int | None) -> None:
    """Refuse another number of settings, or of seeds, than a transfer was begun with."""
    link, n_seeds = transfer_link(study), definition_of(study).search.replicates
    assert link is not None
    n_settings = len(link.trials)
    if top not in (None, n_settings) or seeds not in (None, n_seeds):
        raise SettingError(
            f"Expected the settings and seeds that {study.study_name} was begun with: "
            f"top={n_settings}, seeds={n_seeds}. Received: top={top}, seeds={seeds}. Begin another "
            f"with --name, or without that study: hpo delete {as_argument(study.study_name)}"
        )
