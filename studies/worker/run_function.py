"""Evaluate a claimed trial by a user's own function."""

from __future__ import annotations

import time
from dataclasses import replace

from optuna.trial import FrozenTrial

from storage import AWAY, trial_id
from storage.seeds import index_of_best
from storage.study_attributes import SEED_VALUES_KEY
from studies.attributes import TRAIN_SECONDS_KEY
from studies.errors import (
    ExecutorDiedError,
    ExecutorStoppedError,
    ExecutorTimeoutError,
    TrialError,
)
from studies.executor.client import Executor
from studies.executor.protocol import CallFunction
from studies.worker.checkpoints import note_given_up, remove_checkpoint
from studies.worker.function_files import can_resume, files_to_keep, folder_of, seeds_ended
from studies.worker.keep_models import ModelKeeper
from studies.worker.open_studies import OpenStudy
from studies.worker.outcome import EndedTrial, Outcome, from_error, from_result, timed_out
from studies.worker.recorder import TOLD_TO_STOP, Recorder
from studies.worker.session import Session


def run_function(
    session: Session, study: OpenStudy, executor: Executor, claimed: FrozenTrial
) -> EndedTrial:
    """Call the function of a study for a claimed trial, and record how it ended."""
    try:
        return _run(session, study, executor, claimed)
    except AWAY:
        note_given_up(study.checkpoint(claimed), claimed)
        raise


def _run(
    session: Session, study: OpenStudy, executor: Executor, claimed: FrozenTrial
) -> EndedTrial:
    session.begin(study, {trial_id(claimed): claimed.number})
    session.log.info(_start(study, claimed), trial=claimed.number)
    recorder = Recorder(session.database, study, session.name)
    session.database.storage.outdate(trial_id(claimed))  # the function writes to it by itself
    request = CallFunction(
        function=study.definition.objective,
        storage=session.storage_url,
        study=study.name,
        created_at=study.created_at,
        trial_id=trial_id(claimed),
        folder=folder_of(study.checkpoint(claimed)),
    )
    limit = study.definition.search.trial_timeout
    failed_beats = session.heartbeat.failed
    started = time.perf_counter()
    try:
        result = executor.call_function(request, limit)
    except ExecutorStoppedError:
        return recorder.requeue(claimed, _told_to_stop(study, claimed))
    except ExecutorTimeoutError:
        ended = timed_out(claimed, limit or 0.0, executor.function_record)
    except ExecutorDiedError as error:
        # A signal to the whole group, as schedulers send it, may reach the child too.
        if session.stop.stopping():
            return recorder.requeue(claimed, _told_to_stop(study, claimed))
        ended = from_error(claimed, error, executor.function_record)
    except TrialError as error:
        # The child has waited for the database in vain, as long as for any outage. Where this
        # process has met none, what the function does may be the cause.
        if error.raised_by_storage:
            is_outage = session.heartbeat.failed > failed_beats
            return _requeue(session, recorder, claimed, str(error), lost=not is_outage)
        ended = from_error(claimed, error)
    else:
        seconds = {TRAIN_SECONDS_KEY: round(time.perf_counter() - started, 3)}
        ended = from_result(claimed, result, seconds)
        _warn(session, study, result.warning)
    seconds_taken = time.perf_counter() - started
    return _record(session, study, executor, replace(ended, seconds=seconds_taken))


def _record(
    session: Session, study: OpenStudy, executor: Executor, ended: EndedTrial
) -> EndedTrial:
    """Record how a trial ended, and keep its files if it is among the best."""
    checkpoint = study.checkpoint(ended.claimed)
    keeper = ModelKeeper(session.database, study, session.log)
    values = ended.attributes.get(SEED_VALUES_KEY)
    best = None if values is None else index_of_best(values, study.study.direction)
    keeper.keep_files(ended, files_to_keep(checkpoint, best))
    (recorded,) = Recorder(session.database, study, session.name).record([ended], executor)
    if recorded.outcome is not Outcome.LOST:  # another worker may go on from its files
        remove_checkpoint(checkpoint)
    keeper.drop_surplus()
    return recorded


def _start(study: OpenStudy, claimed: FrozenTrial) -> str:
    """Return the line for the log: a retry does not repeat the seeds that have ended."""
    n = study.definition.search.n_seeds
    done = seeds_ended(study.checkpoint(claimed)) if n > 1 else 0
    return f"the function goes on after {done} of {n} seeds" if done else "the function starts"


def _warn(session: Session, study: OpenStudy, warning: str | None) -> None:
    """Tell once how a study's function is evaluated, where its author may not expect it."""
    if warning is not None and warning not in study.told:
        study.told.add(warning)
        session.log.warning("%s", warning)


def _told_to_stop(study: OpenStudy, claimed: FrozenTrial) -> str:
    """Return why a trial is queued again, and what that costs: a function has no epochs."""
    n = study.definition.search.n_seeds
    if can_resume(study.checkpoint(claimed), n):
        return f"{TOLD_TO_STOP}; its function can go on from its checkpoint_folder"
    which = f", with seed {seeds_ended(study.checkpoint(claimed)) + 1} of {n}" if n > 1 else ""
    return f"{TOLD_TO_STOP}; its function begins anew{which}, since its checkpoint_folder is empty"


def _requeue(
    session: Session, recorder: Recorder, claimed: FrozenTrial, reason: str, *, lost: bool
) -> EndedTrial:
    """Queue a trial again that the database has failed; not for ever where it counts as lost."""
    if not session.database.is_trial_running(trial_id(claimed)):
        return EndedTrial(claimed, Outcome.LOST)
    ended = recorder.requeue(claimed, reason, lost=lost)
    # It still ran: without a retry it was lost too often, and has failed.
    return replace(ended, outcome=Outcome.FAILED) if ended.outcome is Outcome.LOST else ended
