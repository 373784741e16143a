"""Call a user's function once for each seed of a trial: its value is the mean.

The calls come one after the other, so that no epoch of one seed has others beside it to be averaged
with. What is reported is what each seed comes to, at its number, as for networks whose seeds are
trained one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import optuna

from storage import trial_id
from storage.seeds import mean
from studies.executor.function_folder import note_values, values_so_far
from studies.executor.function_trial import FunctionTrial
from studies.executor.protocol import TrialResult
from studies.executor.report import finite

NOT_KEPT = (
    "what the function reports is not kept, since its trials have several seeds: the value of each "
    "seed is reported instead"
)


def call_with_each_seed(
    call: Callable[[], float | None],
    trial: FunctionTrial,
    n_seeds: int,
    folder: Path,
    *,
    prunes: bool,
) -> TrialResult:
    """Evaluate a trial with each of its seeds; without the attributes that are recorded with it.

    Args:
        call: Calls the function for the trial as it is now; returns None for no finite number.
        trial: The trial, at its first seed.
        n_seeds: How many seeds it has.
        folder: The folder of its lineage; seeds that an attempt before has ended are not repeated.
        prunes: Whether the study has a pruner, which is asked after each seed but the last.
    """
    values = values_so_far(folder)[:n_seeds]
    for value in values:  # the pruner's verdict on these was the earlier attempt's
        trial.report_seed(value)
        trial.next_seed()
    while len(values) < n_seeds:
        try:
            returned = call()
        except optuna.TrialPruned:
            return _result(trial, values, pruned=True)
        if returned is None:
            reason = f"the value with seed {trial.seed} is not a finite number"
            return _result(trial, [*values, None], {"fail_reason": reason})
        values.append(returned)
        note_values(folder, values)
        trial.report_seed(returned)
        if prunes and len(values) < n_seeds and trial.is_worse():
            return _result(trial, values, pruned=True)
        trial.next_seed()
    return _result(trial, values, value=finite(mean(values)))


def _result(
    trial: FunctionTrial,
    values: Sequence[float | None],
    attributes: dict[str, str] | None = None,
    *,
    value: float | None = None,
    pruned: bool = False,
) -> TrialResult:
    warning = NOT_KEPT if trial.has_reported else None
    return TrialResult(trial_id(trial), value, pruned, attributes or {}, list(values), warning)
