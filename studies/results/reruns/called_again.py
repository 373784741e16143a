"""Call the function of a trial a second time, with the same parameters and the same seed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from storage import storage_of, study_id, trial_id
from storage.study_attributes import FAIL_REASON_KEY
from studies.attributes import ARTIFACTS_KEY, CREATED_KEY, TRAIN_SECONDS_KEY
from studies.errors import CodeError, ExecutorDiedError, ExecutorTimeoutError, TrialError
from studies.executor.client import Executor
from studies.executor.protocol import CallFunction
from studies.results.reruns.again import Again
from studies.results.reruns.study import begin_rerun, kept_alive, open_reruns
from studies.worker.checkpoints import checkpoint_file, remove_checkpoint
from studies.worker.function_files import files_to_keep, folder_of
from studies.worker.open_studies import function_kind
from studies.worker.outcome import EndedTrial, from_error, from_result, timed_out

if TYPE_CHECKING:
    from studies.definition.study import StudyDefinition


@contextmanager
def called_again(
    study: optuna.Study, definition: StudyDefinition, first: FrozenTrial
) -> Iterator[Again]:
    """Call the function of a trial a second time; its files are there within the context.

    It gets a trial of the study that keeps it, which is running within the context.

    Args:
        study: The study.
        definition: Its definition.
        first: The trial, which has ended.

    Raises:
        TrialError: There is no such function.
        CodeError: Its code is not that of the first time.
    """
    executor = Executor(function_kind(definition), should_abort=lambda: False)
    try:
        executor.find_function(definition.objective)
        _check_files(first, executor.function_record)
        reruns = open_reruns(study, definition)
        second = begin_rerun(reruns, first)
        attributes = reruns.user_attrs
        folder, mark = Path(attributes[ARTIFACTS_KEY]), attributes[CREATED_KEY]
        checkpoint = checkpoint_file(folder, mark, second)
        try:
            with kept_alive(reruns, second, executor.device):
                ended = _call(reruns, definition, second, executor, folder_of(checkpoint))
            (read,) = storage_of(reruns).adopt(study_id(reruns), [trial_id(second)])
            reports, files = read.intermediate_values, tuple(files_to_keep(checkpoint))
            yield Again(ended, executor.backend, executor.device, reports=reports, files=files)
        except BaseException as error:  # it has no worker that would queue it again
            second_left = reruns.trials[second.number]
            if not second_left.state.is_finished():
                reason = f"ended by {type(error).__name__}"
                storage_of(reruns).set_trial_user_attr(trial_id(second), FAIL_REASON_KEY, reason)
                reruns.tell(second.number, state=TrialState.FAIL)
            raise
        finally:
            remove_checkpoint(checkpoint)
    finally:
        executor.close()


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return which modules are others, of those whose SHA-256 is known of both times."""
    return sorted(name for name in before.keys() & now.keys() if before[name] != now[name])


def _check_files(first: FrozenTrial, record: Mapping[str, Any]) -> None:
    """Check that the function's code is that of the first time, as far as it is imported yet."""
    before = first.user_attrs.get("files_sha256", {})
    changed = changed_files(before, record.get("files_sha256", {}))
    if changed:
        raise CodeError(
            f"Expected the code that trial {first.number} was made with. Received: another "
            f"{', '.join(changed)}, which has changed since. Bring that code back, as from your "
            "version control."
        )


def _call(
    reruns: optuna.Study,
    definition: StudyDefinition,
    second: FrozenTrial,
    executor: Executor,
    folder: Path,
) -> EndedTrial:
    storage, limit = storage_of(reruns), definition.search.trial_timeout
    storage.outdate(trial_id(second))  # the function writes to it by itself
    request = CallFunction(
        function=definition.objective,
        storage=storage.engine.url.render_as_string(hide_password=False),
        study=reruns.study_name,
        created_at=reruns.user_attrs[CREATED_KEY],
        trial_id=trial_id(second),
        folder=folder,
    )
    started = time.perf_counter()
    try:
        result = executor.call_function(request, limit)
    except ExecutorTimeoutError:
        return timed_out(second, limit or 0.0, executor.function_record)
    except ExecutorDiedError as error:
        return from_error(second, error, executor.function_record)
    except TrialError as error:
        return from_error(second, error)
    seconds = {TRAIN_SECONDS_KEY: round(time.perf_counter() - started, 3)}
    return from_result(second, result, seconds)
