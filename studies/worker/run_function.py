"""Evaluate a claimed trial by a user's own function."""

from __future__ import annotations

import time
from dataclasses import replace

from optuna.trial import FrozenTrial

from storage import trial_id
from studies.errors import ExecutorDiedError, ExecutorStoppedError, TrialError
from studies.executor.client import Executor
from studies.executor.protocol import CallFunction
from studies.worker.open_studies import OpenStudy
from studies.worker.outcome import EndedTrial, Outcome, from_error, from_result
from studies.worker.recorder import Recorder
from studies.worker.session import Session


def run_function(
    session: Session, study: OpenStudy, executor: Executor, claimed: FrozenTrial
) -> EndedTrial:
    """Call the function of a study for a claimed trial, and record how it ended."""
    session.begin(study, {trial_id(claimed): claimed.number})
    session.log.info("the function starts", trial=claimed.number)
    recorder = Recorder(session.database, study, session.name)
    session.database.storage.outdate(trial_id(claimed))  # the function writes to it by itself
    request = CallFunction(
        function=study.definition.objective,
        storage=session.storage_url,
        study=study.name,
        created_at=study.created_at,
        trial_id=trial_id(claimed),
    )
    started = time.perf_counter()
    try:
        result = executor.call_function(request)
    except ExecutorStoppedError:
        return recorder.requeue(claimed)
    except ExecutorDiedError as error:
        # A signal to the whole group, as schedulers send it, may reach the child too.
        if session.stop.stopping():
            return recorder.requeue(claimed)
        ended = from_error(claimed, error)
    except TrialError as error:
        # The child has waited for the database in vain, as long as for any outage.
        if error.raised_by_storage:
            return _requeue_lost(session, recorder, claimed, str(error))
        ended = from_error(claimed, error)
    else:
        seconds = {"train_seconds": round(time.perf_counter() - started, 3)}
        ended = from_result(claimed, result, seconds)
    seconds_taken = time.perf_counter() - started
    (recorded,) = recorder.record([replace(ended, seconds=seconds_taken)], executor)
    return recorded


def _requeue_lost(
    session: Session, recorder: Recorder, claimed: FrozenTrial, reason: str
) -> EndedTrial:
    """Queue a trial again that the database has failed, though not for ever."""
    if not session.database.is_trial_running(trial_id(claimed)):
        return EndedTrial(claimed, Outcome.LOST)
    ended = recorder.requeue(claimed, reason, lost=True)
    # It still ran: without a retry it was lost too often, and has failed.
    return replace(ended, outcome=Outcome.FAILED) if ended.outcome is Outcome.LOST else ended
