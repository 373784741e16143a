"""Answer requests about networks: train a pack of trials, epoch by epoch, save and evaluate them.

Making a `Trainer` imports Keras.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from studies.attributes import COMPILE_SECONDS_KEY, TRAIN_SECONDS_KEY
from studies.executor.memory import memory
from studies.executor.protocol import (
    AddedTrial,
    AddTrials,
    DataLoaded,
    DatasetSpec,
    Done,
    DrawFigures,
    EndedTrials,
    EpochTrained,
    EvaluateHoldout,
    FiguresDrawn,
    History,
    HoldoutEvaluated,
    LoadData,
    Metrics,
    NetworkAnswer,
    NetworkRequest,
    RefusedTrial,
    SaveCheckpoint,
    SaveNetwork,
    StopTrials,
    TakeEnded,
    TrainEpoch,
    TrialEpoch,
    TrialResult,
    TrialsAdded,
    TrialTask,
    finite,
    report_error,
)

if TYPE_CHECKING:
    from objectives import Hyperparameters
    from objectives.training.checkpoint import Checkpoint
    from objectives.training.pack import Pack, PackedTrial, TrainingTask
    from objectives.training.result import TrainingResult


class _Without(MetaPathFinder):
    """Makes the import of libraries fail, as on a machine that does not have them.

    Keras tries to import some and does without where they are missing: on JAX TensorFlow, when it
    copies or saves a layer (2.5 s, 400 MB), and pandas (half a second).
    """

    def __init__(self, *names: str) -> None:
        self._names = set(names)

    def admit(self, name: str) -> None:
        """Leave a library to the next finders from now on."""
        self._names.remove(name)

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse a library; leave every other module to the next finders."""
        if fullname in self._names:
            raise ModuleNotFoundError(f"{fullname} is left out of a process that trains")


@dataclass(frozen=True)
class _Known:
    """What the worker calls a trial, and whether its program was compiled for it."""

    id: int
    compiled: bool


class Trainer:
    """The trials that train in this process, known by the ids that the worker gives them.

    Args:
        backend: The Keras backend, `jax` or `tensorflow`.
        pack_size: How many trials to train at once on JAX; None to find the fastest number.
    """

    def __init__(self, backend: str, pack_size: int | None) -> None:
        os.environ["KERAS_BACKEND"] = backend
        without = ("pandas", "tensorflow") if backend == "jax" else ("pandas",)
        finder = _Without(*without, "matplotlib")
        sys.meta_path.insert(0, finder)
        from objectives.training import pack, program_cache

        # Keras would load it for its picture galleries (.9 s); figures of trials need it later.
        finder.admit("matplotlib")
        self._packing = pack
        self._pack_size = pack_size if backend == "jax" else 1
        self._programs = program_cache.ProgramCache()
        self._data: dict[str, Any] = {}
        self._pack: Pack | None = None
        self._known: dict[PackedTrial, _Known] = {}
        self._results: dict[int, tuple[Hyperparameters, TrainingResult]] = {}
        self._saved: tuple[Hyperparameters, Any]  # the network saved last, for `draw`

    @property
    def pack_size(self) -> int:
        """How many trials to train at once."""
        if self._pack_size is not None:
            return self._pack_size
        return 1 if self._pack is None else self._pack.wanted

    def handle(self, request: NetworkRequest) -> NetworkAnswer:
        """Answer a request."""
        match request:
            case LoadData():
                return self.load_data(request)
            case AddTrials():
                return self.add(request)
            case TrainEpoch():
                return self.train_epoch(request)
            case StopTrials():
                return self.stop(request)
            case TakeEnded():
                return self.take_ended(request)
            case SaveNetwork():
                return self.save(request)
            case DrawFigures():
                return self.draw(request)
            case SaveCheckpoint():
                return self.checkpoint(request)
            case EvaluateHoldout():
                return self.evaluate_holdout(request)
            case _:
                assert_never(request)

    def load_data(self, request: LoadData) -> DataLoaded:
        """Load a data set before the first trial is claimed, so that a missing one costs none."""
        return DataLoaded(self._load(request.dataset).sha256)

    def add(self, request: AddTrials) -> TrialsAdded:
        """Add trials of one structure to those that train; one that cannot begin is refused."""
        pack = self._pack_for(request)
        tasks: dict[int, TrainingTask] = {}
        refused: list[RefusedTrial] = []
        for each in request.tasks:
            try:
                tasks[each.id] = self._task(request, each)
            except Exception as error:
                refused.append(RefusedTrial(each.id, report_error(error)))
        built_before = self._programs.built
        with self._all_or_none():
            trials = pack.add(list(tasks.values()))
        compiled = self._programs.built > built_before
        added = []
        for trial, i in zip(trials, tasks, strict=True):
            self._known[trial] = _Known(i, compiled)
            added.append(AddedTrial(i, _finite_history(trial.epochs.history)))
        return TrialsAdded(added, refused, self.pack_size)

    def train_epoch(self, request: TrainEpoch) -> EpochTrained:
        """Train every trial for one epoch of its own."""
        assert self._pack is not None
        with self._all_or_none():
            trained = self._pack.train_epoch()
        epochs = [
            TrialEpoch(
                self._known[trial].id,
                trial.epochs.completed,
                _finite_metrics(metrics),
                trial.epochs.stopped is not None,
            )
            for trial, metrics in trained
        ]
        return EpochTrained(epochs, self.pack_size)

    def stop(self, request: StopTrials) -> Done:
        """End trials after the epoch that they have completed."""
        for trial in self._trials(request.ids):
            trial.stop()
        return Done()

    def take_ended(self, request: TakeEnded) -> EndedTrials:
        """Take out the trials that have ended; their networks can be saved until the next time."""
        assert self._pack is not None
        self._results, results = {}, []
        for trial, result in self._pack.take_ended():
            known = self._known.pop(trial)
            self._results[known.id] = trial.task.hyperparameters, result
            results.append(_trial_result(known, result))
        return EndedTrials(results, self._programs.built, memory())

    def save(self, request: SaveNetwork) -> Done:
        """Write the network of a trial that was taken out last to a file."""
        hyperparameters, result = self._results[request.id]
        self._saved = hyperparameters, result.model()
        self._saved[1].save(request.file)
        return Done()

    def draw(self, request: DrawFigures) -> FiguresDrawn:
        """Draw what the network saved last predicts for the validation pictures."""
        import objectives

        objective = objectives.get(request.objective)
        if objective.figures is None:
            return FiguresDrawn([], {})
        from objectives.training import evaluate

        data = self._load(request.dataset)
        hyperparameters, network = self._saved
        head = objective.head_of(hyperparameters)
        x, y = data.x_validation, data.y_validation
        _, predicted = evaluate.losses_and_predictions(network, head, x, y).T
        figures = import_module(objective.figures)
        return FiguresDrawn(
            figures.draw(request.folder, x, y, predicted), figures.plots(x, y, predicted)
        )

    def checkpoint(self, request: SaveCheckpoint) -> Done:
        """Write the state of a trial to a file."""
        assert self._pack is not None
        (trial,) = self._trials([request.id])
        self._pack.checkpoint(trial).save(request.file)
        return Done()

    def evaluate_holdout(self, request: EvaluateHoldout) -> HoldoutEvaluated:
        """Evaluate a kept network on the test part of its data set.

        Raises:
            ValueError: The data differ from those that it was trained on, so that the test part may
                hold pictures of its training; or the test part has a type, shape, scale or classes
                of its own.
        """
        import keras

        import objectives
        from objectives import DataOptions
        from objectives.data import datasets
        from objectives.data.encoding import from_json
        from objectives.training import evaluate

        objective = objectives.get(request.objective)
        data = self._load(request.dataset)
        if data.sha256 != request.sha256:
            raise ValueError(
                f"Expected the data of {request.dataset.name} that the trial was trained on, of "
                f"SHA-256 {request.sha256}. Received: others, of SHA-256 {data.sha256}."
            )
        hyperparameters = objective.hyperparameters(**request.hyperparameters)
        head = objective.head_of(hyperparameters)
        options = DataOptions(**request.dataset.options)
        stored = from_json(request.dataset.encoding)
        x, y = datasets.load_test(request.dataset.name, options, stored)
        network = keras.models.load_model(request.file, compile=False)
        scores = evaluate.losses_and_predictions(network, head, x, y)
        return HoldoutEvaluated(_finite_metrics(evaluate.metrics(head, scores, y)), len(x))

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """Forget all trials after a failure, which leaves them in an unknown state."""
        try:
            yield
        except Exception:
            self._pack, self._known = None, {}
            raise

    def _pack_for(self, request: AddTrials) -> Pack:
        """Return the pack that trains, or a new one where no trial trains."""
        import objectives

        if self._pack is None or not self._pack.trials:
            objective = objectives.get(request.objective)
            self._pack = self._packing.Pack(
                objective, self._load(request.dataset), self._programs, request.levels
            )
        return self._pack

    def _task(self, request: AddTrials, task: TrialTask) -> TrainingTask:
        """Check everything that can be wrong with one trial."""
        import objectives

        settings = objectives.get(request.objective).hyperparameters
        hyperparameters = settings(**task.hyperparameters)
        hyperparameters.check_input(self._load(request.dataset).x_train.shape[1:])
        return self._packing.TrainingTask(
            hyperparameters,
            task.seed,
            request.metric,
            request.maximize,
            _read_checkpoint(task.checkpoint),
        )

    def _trials(self, ids: list[int]) -> list[PackedTrial]:
        return [trial for trial, known in self._known.items() if known.id in ids]

    def _load(self, dataset: DatasetSpec) -> Any:
        from objectives import DataOptions
        from objectives.data import datasets
        from objectives.data.encoding import from_json

        key = json.dumps([dataset.name, dataset.options, dataset.encoding], sort_keys=True)
        if key not in self._data:
            self._data.clear()  # one at a time: a worker goes through its studies in turn
            options, stored = DataOptions(**dataset.options), from_json(dataset.encoding)
            self._data[key] = datasets.load(dataset.name, options, stored)
        return self._data[key]


def _read_checkpoint(file: Path | None) -> Checkpoint | None:
    """Read the state of a trial; None where it was not written, or not to its end."""
    from objectives.training import checkpoint

    if file is None:
        return None
    try:
        return checkpoint.load(file)
    except (OSError, ValueError):
        return None


def _trial_result(known: _Known, result: TrainingResult) -> TrialResult:
    attributes = {
        "best_epoch": result.best_epoch,
        "epochs": result.last_epoch,
        TRAIN_SECONDS_KEY: round(result.train_seconds, 3),
        COMPILE_SECONDS_KEY: round(result.compile_seconds, 3),
        "compiled": known.compiled,
        "parameter_count": result.parameter_count,
        "history": _finite_history(result.history),
    }
    reason = result.fail_reason()
    if reason is not None:
        attributes["fail_reason"] = reason
    value = None if result.value is None else finite(result.value)
    return TrialResult(known.id, value, result.stopped == "by_report", attributes)


def _finite_metrics(metrics: Mapping[str, float]) -> Metrics:
    return {name: finite(value) for name, value in metrics.items()}


def _finite_history(history: Mapping[str, Sequence[float]]) -> History:
    return {name: [finite(value) for value in values] for name, values in history.items()}
