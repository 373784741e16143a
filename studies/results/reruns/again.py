"""Train a trial of a study a second time, in as many lanes of a program as the first time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from storage.study_attributes import HISTORY_KEY, SEED_KEY
from studies.attributes import DATA_KEY, LANES_KEY
from studies.errors import ExecutorDiedError, NotRepeatableError, TrialError
from studies.executor.client import Executor, as_trial_error
from studies.executor.protocol import AddTrials, History, TrialEpoch, TrialTask
from studies.results.child import child_of
from studies.worker.active_trial import note_lanes
from studies.worker.outcome import OVER_TIME, EndedTrial, from_error, from_result

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from studies.definition.study import StudyDefinition
    from studies.results.child import Child

OWN = 0  # the id of the trial; its copies have the next ones
NETWORK = "network.keras"


@dataclass(frozen=True)
class Again:
    """What a trial came to the second time.

    Attributes:
        ended: How it ended; `claimed` is the first one.
        backend: The library that it was computed with, if any.
        device: What it was computed on.
        data_sha256: Of its data; None for a function, which has its own.
        reports: Step -> value, of a function.
        files: What the first one has kept files of, written again.
    """

    ended: EndedTrial
    backend: str | None
    device: str
    data_sha256: str | None = None
    reports: dict[int, float] | None = None
    files: tuple[Path, ...] = ()


def last_epoch(trial: FrozenTrial) -> int | None:
    """Return the epoch after which a trial is ended that did not end by itself; None for others.

    A pruner compares with trials that the second one has not beside it, and a limit of time with a
    clock.
    """
    from optuna.trial import TrialState

    reason = str(trial.user_attrs.get("fail_reason", ""))
    is_stopped = trial.state is TrialState.PRUNED or reason.startswith(OVER_TIME)
    return int(trial.user_attrs.get("epochs", 0)) if is_stopped else None


@contextmanager
def trained_again(
    study: optuna.Study, definition: StudyDefinition, trial: FrozenTrial, *, saves: bool
) -> Iterator[Again]:
    """Train a trial of networks a second time; its files are there within the context.

    Args:
        study: The study.
        definition: Its definition.
        trial: The trial, which has ended.
        saves: Whether its network is wanted.

    Raises:
        CodeError: The code that it was trained with is not here.
        NotRepeatableError: Its data are others here.
        TrialError: The data cannot be loaded.
        ExecutorDiedError: The child ended before the trial began.
    """
    child = child_of(study, definition, trial)
    backend = trial.user_attrs.get("backend", child.kind.backend)
    executor = Executor(replace(child.kind, backend=backend), should_abort=lambda: False)
    try:
        sha256 = executor.load_data(child.dataset)
        _check_data(trial, child.dataset.name, sha256)
        with TemporaryDirectory(prefix="hpo-") as folder:
            file = Path(folder) / NETWORK if saves else None
            ended, files = _Repetition(executor, definition, trial, child).run(file)
            yield Again(ended, executor.backend, executor.device, sha256, files=tuple(files))
    finally:
        executor.close()


def _check_data(trial: FrozenTrial, name: str, sha256: str) -> None:
    before = trial.user_attrs.get(DATA_KEY)
    if before not in (None, sha256):
        raise NotRepeatableError(
            f"Expected the data that trial {trial.number} was trained on, of SHA-256 "
            f"{str(before)[:12]}. Received: {name} of SHA-256 {sha256[:12]}."
        )


class _Repetition:
    """A trial in a child, with as many copies beside it as there were neighbours."""

    def __init__(
        self, executor: Executor, definition: StudyDefinition, trial: FrozenTrial, child: Child
    ) -> None:
        self._executor = executor
        self._definition = definition
        self._trial = trial
        self._child = child
        self._lanes: list[list[int]] = trial.user_attrs.get(LANES_KEY) or [[1, 1]]
        self._last = last_epoch(trial)
        self._copies: set[int] = set()
        self._next = OWN + 1
        self._notes: dict[str, Any] = {}
        self._history: History = {}

    def run(self, file: Path | None) -> tuple[EndedTrial, list[Path]]:
        """Train to the end; return it, and the files of the network if one is wanted."""
        try:
            task = self._task()
        except ValueError as error:  # as the worker finds it, before it asks a child
            return from_error(self._trial, error), []
        try:
            return self._train(task, file)
        except (TrialError, ExecutorDiedError) as error:
            known = {**self._notes, HISTORY_KEY: self._history}
            return from_error(self._trial, error, known), []

    def _task(self) -> TrialTask:
        definition, trial = self._definition, self._trial
        settings = definition.setting_at(definition.factors.at(trial.params))
        if not definition.is_own_network:
            definition.hyperparameters(**settings).structure(definition.levels)
        seed = trial.user_attrs[SEED_KEY]
        return TrialTask(OWN, settings, seed, None, definition.search.n_seeds)

    def _train(self, task: TrialTask, file: Path | None) -> tuple[EndedTrial, list[Path]]:
        self._add([task])
        epoch = 0
        while True:
            self._fill(task, epoch + 1)
            trained = {each.id: each for each in self._executor.train_epoch()}
            own = trained[OWN]
            epoch = own.epoch
            note_lanes(self._notes, own)
            for name, value in own.metrics.items():
                self._history.setdefault(name, []).append(value)
            if own.ended or self._is_over(own):
                return self._end(own, file)
            ended = {each.id for each in trained.values() if each.ended}
            if ended:  # a copy that began later cannot be ahead, but a user's code may be random
                self._executor.take_ended()
                self._copies -= ended

    def _add(self, tasks: list[TrialTask]) -> None:
        definition = self._definition
        answer = self._executor.add(
            AddTrials(
                objective=self._child.objective,
                dataset=self._child.dataset,
                levels=definition.levels,
                metric=definition.metric,
                maximize=definition.direction == "maximize",
                tasks=tasks,
                one_by_one=definition.search.one_by_one,
            )
        )
        for refused in answer.refused:
            raise as_trial_error(refused.error)

    def _fill(self, task: TrialTask, epoch: int) -> None:
        """Have as many copies train as make the number of lanes that this epoch had."""
        lanes = next((n for first, n in reversed(self._lanes) if first <= epoch), self._lanes[0][1])
        # A trial has a lane for each of its seeds, unless they take turns.
        search = self._definition.search
        each = 1 if search.one_by_one else search.n_seeds
        lacking = max(1, lanes // each) - 1 - len(self._copies)
        if lacking > 0:
            new = range(self._next, self._next + lacking)
            self._next += lacking
            self._copies.update(new)
            self._add([replace(task, id=i) for i in new])
        elif lacking < 0:
            surplus = sorted(self._copies)[lacking:]
            self._executor.stop(surplus)
            self._executor.take_ended()
            self._copies -= set(surplus)

    def _is_over(self, epoch: TrialEpoch) -> bool:
        """Tell whether the first one was ended here, by a pruner or by a limit of time."""
        if self._last is None:
            return False
        if epoch.seed_values is not None:  # a pruner has compared seeds
            return len(epoch.seed_values) >= max(self._trial.intermediate_values, default=1)
        return epoch.epoch >= self._last

    def _end(self, epoch: TrialEpoch, file: Path | None) -> tuple[EndedTrial, list[Path]]:
        if not epoch.ended:
            self._executor.stop([OWN])
        results = {each.id: each for each in self._executor.take_ended()}
        ended = from_result(self._trial, results[OWN], self._notes)
        wanted = file is not None and ended.value is not None
        return ended, self._executor.save(OWN, file) if wanted and file is not None else []
