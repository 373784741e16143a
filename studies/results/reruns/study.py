"""The study that keeps trials which were made again: STUDY-rerun, linked to the searched one.

No sampler, budget or ranking of the searched study sees it, and no worker finds work in it.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.trial import FrozenTrial

from storage import (
    Budget,
    Point,
    TrialStorage,
    Worker,
    artifact_store,
    begin_once,
    enqueue,
    keep_artifacts,
    requeue_stale,
    storage_of,
    study_id,
    study_names,
    trial_id,
)
from storage.study_attributes import HISTORY_KEY, SEED_KEY, SEED_VALUES_KEY
from studies.attributes import (
    ARTIFACTS_KEY,
    CODE_KEY,
    CODE_SHA256_KEY,
    CREATED_KEY,
    DATA_KEY,
    DEFAULTS_KEY,
    DEFINITION_KEY,
    ENCODING_KEY,
    ORIGIN_KEY,
    RERUN_KEY,
    RERUN_STUDY_KEY,
    VERDICT_KEY,
    VERSIONS_KEY,
)
from studies.definition.search import SearchOptions
from studies.errors import NotRepeatableError, TakenNameError
from studies.lookup import as_argument, open_study
from studies.versions import installed_versions
from studies.worker.checkpoints import mark_of
from studies.worker.database_retry import RetryingDatabase
from studies.worker.heartbeat import Heartbeat
from studies.worker.log import WorkerLog
from studies.worker.recorder import STATES, provenance
from studies.worker.signals import StopRequests
from studies.worker.study_notes import StudyNote, place_of, write_note

if TYPE_CHECKING:
    from studies.definition.study import StudyDefinition
    from studies.results.reruns.again import Again
    from studies.statistics.agreement import Verdict

ENDING = "-rerun"
HEARTBEAT, GRACE = 10.0, 60.0  # seconds, as workers have them by default
LONGEST = 200  # characters of a study's name
# What a trial means depends on these; the rest is of the search.
TAKEN_OVER = (ARTIFACTS_KEY, CODE_KEY, DATA_KEY, DEFAULTS_KEY, ENCODING_KEY, ORIGIN_KEY)
OF_POINT = (SEED_KEY, CODE_SHA256_KEY)  # attributes of a trial that are known before it begins


def name_of_reruns(name: str) -> str:
    """Return the name of the study that keeps what was made again of a study's trials."""
    return name[: LONGEST - len(ENDING)] + ENDING


def find_reruns(study: optuna.Study) -> optuna.Study | None:
    """Return the study that keeps what was made again of a study's trials; None if there is none.

    One of another study, which had the name before, is none.
    """
    storage, name = storage_of(study), name_of_reruns(study.study_name)
    if name not in study_names(storage):
        return None
    found = open_study(name, storage)
    return found if found.user_attrs.get(RERUN_STUDY_KEY) == _mark(study) else None


def check_searched(study: optuna.Study, number: int) -> None:
    """Check that a study is not itself one of trials that were made again.

    Raises:
        NotRepeatableError: It is one.
    """
    mark = study.user_attrs.get(RERUN_STUDY_KEY)
    if mark is None:
        return
    first = study.get_trials(deepcopy=False)[number].user_attrs.get(RERUN_KEY, 0)
    raise NotRepeatableError(
        f"Expected a trial of a searched study. Received: trial={number} of {study.study_name}, "
        f"which was made again itself. Make the first one again: hpo rerun "
        f"{as_argument(mark['study'])} {first}"
    )


def check_name(study: optuna.Study) -> None:
    """Check, before anything is trained, that what is made again can be kept.

    Raises:
        TakenNameError: Another study has the name of the study that would keep it.
    """
    name = name_of_reruns(study.study_name)
    if name in study_names(storage_of(study)) and find_reruns(study) is None:
        raise TakenNameError(
            f"Expected a free name. Received: {name!r}, a study that keeps no trials of this "
            f"{study.study_name}. Delete it: hpo delete {as_argument(name)}"
        )


def open_reruns(study: optuna.Study, definition: StudyDefinition) -> optuna.Study:
    """Return the study that keeps what is made again of a study's trials; make it if need be.

    Raises:
        TakenNameError: Another study has its name.
    """
    name = name_of_reruns(study.study_name)
    try:
        made = optuna.create_study(
            storage=storage_of(study), study_name=name, direction=study.direction
        )
    except DuplicatedStudyError:
        check_name(study)
        return open_study(name, storage_of(study))
    for key in TAKEN_OVER:
        if key in study.user_attrs:
            made.set_user_attr(key, study.user_attrs[key])
    made.set_user_attr(VERSIONS_KEY, installed_versions())
    created_at = datetime.now(UTC).isoformat()
    made.set_user_attr(CREATED_KEY, created_at)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        made.set_metric_names([definition.metric])
    _set_budget(made, 0)
    made.set_user_attr(RERUN_STUDY_KEY, _mark(study))
    made.set_user_attr(DEFINITION_KEY, _definition(study, definition, name))
    # As a worker notes it, so that the files are known for this study's once it is deleted.
    note = StudyNote(name, created_at, place_of(storage_of(study)))
    write_note(Path(study.user_attrs[ARTIFACTS_KEY]), note)
    return made


def begin_rerun(
    reruns: optuna.Study, first: FrozenTrial, began: datetime | None = None
) -> FrozenTrial:
    """Begin the repetition of a trial, with its parameters and its seed; no worker claims it.

    Those of commands that were killed are ended here, as lost.

    Args:
        reruns: The study that keeps it.
        first: The trial.
        began: When it began, in UTC without a zone; now by default.
    """
    known = {key: value for key, value in first.user_attrs.items() if key in OF_POINT}
    point = Point(first.params, first.distributions, {**known, RERUN_KEY: first.number})
    storage, own_id = storage_of(reruns), study_id(reruns)
    requeue_stale(storage, [own_id], GRACE)
    second = begin_once(storage, own_id, point, began)
    _set_budget(reruns, len(reruns.get_trials(deepcopy=False)))
    return second


@contextmanager
def kept_alive(reruns: optuna.Study, second: FrozenTrial, device: str) -> Iterator[None]:
    """Beat for a repetition within the context, so that nobody takes it for lost.

    Args:
        reruns: The study that keeps it.
        second: The trial, which runs.
        device: What it is computed on.
    """
    own = Worker(_worker(), socket.gethostname(), os.getpid())
    log = WorkerLog(own.name)
    database = RetryingDatabase(storage_of(reruns), StopRequests(log), log)
    beating = Heartbeat(
        database, own, log, interval=HEARTBEAT, grace=GRACE, give_up=lambda error: None
    )
    with beating:
        trials = {trial_id(second): second.number}
        beating.begin(study_id(reruns), reruns.study_name, trials, device)
        yield


def record_rerun(
    reruns: optuna.Study,
    definition: StudyDefinition,
    second: FrozenTrial,
    again: Again,
    verdict: Verdict,
) -> None:
    """Record the second trial as a worker records one, and its files.

    Raises:
        NotRepeatableError: Another command took it for lost meanwhile.
    """
    storage, own_id, ended = storage_of(reruns), trial_id(second), again.ended
    where = provenance(
        definition.dataset, again.data_sha256, again.backend, again.device, _worker()
    )
    _keep_files(reruns, second, again.files)
    (now,) = storage.adopt(study_id(reruns), [own_id])
    if now.state.is_finished():
        again_by = f"hpo rerun {as_argument(reruns.user_attrs[RERUN_STUDY_KEY]['study'])}"
        raise NotRepeatableError(
            f"Expected trial {second.number} of {reruns.study_name} to run until it is recorded. "
            f"Received: one that was ended as lost, after {GRACE:g} s of silence; it came out as "
            f"{verdict}. Make it again: {again_by} {second.user_attrs[RERUN_KEY]}"
        )
    with storage.batch(study_id(reruns), others=False) as batch:
        for key, value in {**ended.attributes, **where, VERDICT_KEY: verdict}.items():
            if key == HISTORY_KEY:
                storage.set_trial_system_attr(own_id, key, value)
            else:
                storage.set_trial_user_attr(own_id, key, value)
        if again.reports is None:
            for step, value in enumerate(_reported(definition, ended.attributes), 1):
                if value is not None:
                    storage.set_trial_intermediate_value(own_id, step, value)
        reruns.tell(second.number, ended.value, state=STATES[ended.outcome])
    batch.write()


def _worker() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-rerun"


def _reported(definition: StudyDefinition, attributes: Mapping[str, Any]) -> Sequence[Any]:
    """Return what a worker reports to the pruner, epoch by epoch or seed by seed."""
    if definition.search.one_by_one:
        return list(attributes.get(SEED_VALUES_KEY, []))
    return list(attributes.get(HISTORY_KEY, {}).get(definition.metric, []))


def _keep_files(reruns: optuna.Study, second: FrozenTrial, files: Sequence[Path]) -> None:
    if not files:
        return
    attributes = reruns.user_attrs
    mark = mark_of(attributes[CREATED_KEY])
    named = {f"{mark}-{uuid4()}": file for file in files}
    keep_artifacts(storage_of(reruns), artifact_store(attributes[ARTIFACTS_KEY]), second, named)


def _mark(study: optuna.Study) -> dict[str, Any]:
    """Return what tells a study from another one that has its name later."""
    return {"study": study.study_name, "created_at": study.user_attrs.get(CREATED_KEY)}


def _set_budget(reruns: optuna.Study, n: int) -> None:
    """Have a study's budget be the trials that it has, so that nobody makes others."""
    storage = storage_of(reruns)
    assert isinstance(storage, TrialStorage)
    enqueue(storage, study_id(reruns), [], Budget(n, None, adaptive=False))


def _definition(study: optuna.Study, definition: StudyDefinition, name: str) -> dict[str, Any]:
    """Return the stored definition, with a search that has no points, rounds or pruner.

    A trial of several seeds has as many the second time.
    """
    search = definition.search
    lines = {"sampler": "random", "n_trials": 1, "seed": search.seed, "replicates": search.n_seeds}
    bare = SearchOptions.model_validate(lines).model_dump(mode="json")
    return {**study.user_attrs[DEFINITION_KEY], "name": name, "search": bare}
