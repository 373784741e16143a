"""Queue failed trials again, as where their cause is mended."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from storage import requeue_failed, storage_of, study_id
from storage.study_attributes import RETRIED_AS_KEY
from studies.attributes import RERUN_STUDY_KEY
from studies.errors import NotRepeatableError, TrialNotFailedError
from studies.lookup import as_argument, find_trial


def retry_trials(study: optuna.Study, trials: Sequence[int] | None = None) -> list[int]:
    """Queue failed trials again, each with its parameters and its seed, beyond no budget.

    A study that the function of a trial has stopped, by `study.stop`, goes on with them.

    Args:
        study: The study.
        trials: The numbers of the trials; all that failed and were not queued again, when None.

    Returns:
        The numbers of the failed trials that are queued again.

    Raises:
        TrialNotFoundError: There is no trial of such a number.
        TrialNotFailedError: One of the trials has not failed, or was queued again already. None is
            queued then.
        NotRepeatableError: The study keeps trials that were made again, which no worker takes.
    """
    if (searched := study.user_attrs.get(RERUN_STUDY_KEY)) is not None:
        raise NotRepeatableError(
            "Expected a study whose trials workers take. Received: "
            f"{study.study_name}, which keeps trials that were made again. Make one again: "
            f"hpo rerun {as_argument(searched['study'])} TRIAL"
        )
    for number in trials or ():
        _check_failed(find_trial(study, number))
    return requeue_failed(storage_of(study), study_id(study), trials)


def _check_failed(trial: FrozenTrial) -> None:
    found = f"trial={trial.number}, which is {trial.state.name.lower()}"
    retry = trial.user_attrs.get(RETRIED_AS_KEY)
    if trial.state is TrialState.FAIL and retry is None:
        return
    if retry is not None:
        found = f"trial={trial.number}, which was queued again as trial {retry}"
    raise TrialNotFailedError(f"Expected a trial that failed. Received: {found}.")
