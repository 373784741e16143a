"""Train a network on all that its search has seen: of a trial of folds, or for the test part."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.seeds import best_seed
from studies.definition.study import StudyDefinition
from studies.errors import NetworkNotKeptError
from studies.executor.client import Executor
from studies.executor.protocol import AddTrials, TrialResult, TrialTask
from studies.results.child import Child, child_of
from studies.worker.open_studies import check_allowed

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

ONLY = 0  # the id of the only trial


def train_on_all(
    study: optuna.Study,
    definition: StudyDefinition,
    trial: FrozenTrial,
    file: Path,
    allow_modules: Sequence[str],
) -> list[Path]:
    """Train the setting of a trial once, for the median of its folds' best epochs.

    Its seed, of several the best one, and its learning rates are those of the trial. Nothing is
    left to validate on, so that it neither stops early nor reduces its rate on a plateau.

    Args:
        study: The study.
        definition: Its definition.
        trial: A complete trial.
        file: The `.keras` file to write; others of its name where Keras could not read it.
        allow_modules: Packages and files whose functions may be executed.

    Returns:
        The files.

    Raises:
        NetworkNotKeptError: The trial has no value.
        WorkerError: A function of another package or file is needed.
        TrialError: Training raised an exception.
        ExecutorDiedError: The child process ended.
    """
    check_allowed(definition, allow_modules)
    best = trial.user_attrs.get("fold_best_epochs")
    if not best:
        raise NetworkNotKeptError(
            f"Expected a trial that has trained on all folds. Received: trial={trial.number}, "
            "which has no value."
        )
    child = child_of(study, definition, trial)
    settings = definition.setting_at(definition.factors.at(trial.params))
    request = request_whole(child, definition, settings, best_seed(trial, study.direction))
    executor = Executor(child.kind, should_abort=lambda: False)
    try:
        train_whole(executor, request, statistics.median_low(best))
        return executor.save(ONLY, file)
    finally:
        executor.close()


def request_whole(
    child: Child, definition: StudyDefinition, settings: Mapping[str, Any], seed: int
) -> AddTrials:
    """Return the request to train a setting on the validation part too, until it is stopped.

    Args:
        child: What the child needs for the network.
        definition: The study.
        settings: The hyperparameters.
        seed: The seed.
    """
    # Nothing is left to validate on.
    without = {"early_stopping_patience": None, "plateau_patience": None}
    settings = {**settings, **without, "restore_best_weights": False}
    return AddTrials(
        objective=child.objective,
        dataset=replace(child.dataset, whole=True),
        levels={},
        metric=definition.metric,
        maximize=definition.direction == "maximize",
        tasks=[TrialTask(ONLY, settings, seed, None)],
    )


def train_whole(executor: Executor, request: AddTrials, n_epochs: int) -> TrialResult:
    """Train the only trial of a request for some epochs, after which it can be saved.

    Raises:
        NetworkNotKeptError: It cannot be built.
        TrialError: Training raised an exception.
        ExecutorDiedError: The child process ended.
    """
    for refused in executor.add(request).refused:
        raise NetworkNotKeptError(refused.error.message)
    for epoch in range(n_epochs):
        (trained,) = executor.train_epoch()
        if trained.ended:  # as where it diverges
            break
        if epoch + 1 == n_epochs:
            executor.stop([ONLY])
    (result,) = executor.take_ended()
    return result
