"""Answer requests about networks: train a pack of trials, epoch by epoch, save and evaluate them.

Making a `Trainer` imports Keras.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from studies.executor.answers import finite_history, finite_metrics, trial_epoch, trial_result
from studies.executor.inspection import (
    DataExamined,
    ExamineData,
    FindFunction,
    FunctionFound,
    InspectNetwork,
    NetworkInspected,
)
from studies.executor.memory import memory
from studies.executor.protocol import (
    AddedTrial,
    AddTrials,
    DataLoaded,
    Done,
    DrawFigures,
    EndedTrials,
    EpochTrained,
    EvaluateHoldout,
    FiguresDrawn,
    HoldoutEvaluated,
    LoadData,
    NetworkAnswer,
    NetworkRequest,
    NetworkSaved,
    RefusedTrial,
    SaveCheckpoint,
    SaveNetwork,
    StopTrials,
    TakeEnded,
    TrainEpoch,
    TrialsAdded,
    TrialTask,
)
from studies.executor.report import report_error
from studies.executor.request import DatasetSpec

if TYPE_CHECKING:
    from objectives.training.checkpoint import Checkpoint
    from objectives.training.result import TrainingResult
    from objectives.training.training_pack import TrainingPack, TrainingTrial
    from studies.executor.networks import Networks


LATER = "pandas", "matplotlib"
"""What Keras would load for its picture galleries (.9 s). Figures of trials, tables, or users' code
may need them later."""


class _Without(MetaPathFinder):
    """Makes the import of libraries fail, as on a machine that does not have them.

    Keras tries to import some and does without where they are missing: on JAX TensorFlow, when it
    copies or saves a layer (2.5 s, 400 MB), and pandas (half a second). TensorFlow tries to import
    JAX, whose functions it converts (.3 s).
    """

    def __init__(self, *names: str) -> None:
        self._names = set(names)

    def admit(self, name: str) -> None:
        """Leave a library to the next finders from now on."""
        self._names.discard(name)

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
        self._finder = _Without("tensorflow" if backend == "jax" else "jax", *LATER)
        sys.meta_path.insert(0, self._finder)
        from objectives.training import program_cache

        for name in LATER if backend == "jax" else ("jax", *LATER):
            self._finder.admit(name)
        self._side_by_side = backend == "jax"
        self._pack_size = pack_size if self._side_by_side else 1
        self._programs = program_cache.ProgramCache()
        self._data: dict[str, list[Any]] = {}
        self._pack: TrainingPack | None = None
        self._known: dict[TrainingTrial, _Known] = {}
        self._results: dict[int, tuple[Any, TrainingResult]] = {}
        self._networks: tuple[str, Networks] | None = None  # of the objective asked for last

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
            case FindFunction():
                self._networks_of(request.function)
                return FunctionFound({})
            case InspectNetwork():
                return self.inspect(request)
            case ExamineData():
                return self.examine_data(request)
            case _:
                assert_never(request)

    def load_data(self, request: LoadData) -> DataLoaded:
        """Load a data set before the first trial is claimed, so that a missing one costs none."""
        from objectives import DataOptions
        from objectives.data import datasets

        sha256 = self._load(request.dataset).sha256
        if request.for_test:
            options = DataOptions(**request.dataset.options)
            datasets.check_has_test(request.dataset.name, options)
        return DataLoaded(sha256)

    def add(self, request: AddTrials) -> TrialsAdded:
        """Add trials of one structure to those that train; one that cannot begin is refused."""
        pack = self._pack_for(request)
        tasks: dict[int, Any] = {}
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
            added.append(AddedTrial(i, finite_history(trial.epochs.history)))
        return TrialsAdded(added, refused, self.pack_size)

    def train_epoch(self, request: TrainEpoch) -> EpochTrained:
        """Train every trial for one epoch of its own."""
        assert self._pack is not None
        with self._all_or_none():
            trained = self._pack.train_epoch()
        epochs = [trial_epoch(self._known[trial].id, trial, metrics) for trial, metrics in trained]
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
            # Of several seeds the best one's network is the trial's.
            task = trial.task if result.seeds is None else result.seeds.best
            self._results[known.id] = task, result
            more = self._current.attributes(trial.task)
            results.append(trial_result(known.id, result, more, compiled=known.compiled))
        return EndedTrials(results, self._programs.built, memory())

    def save(self, request: SaveNetwork) -> NetworkSaved:
        """Write the network of a trial that was taken out last to a file."""
        task, result = self._results[request.id]
        ((data, *_),) = self._data.values()
        return NetworkSaved(self._current.save(task, result, data, request.file))

    def draw(self, request: DrawFigures) -> FiguresDrawn:
        """Draw what the network saved last predicts for the validation pictures."""
        networks = self._networks_of(request.objective)
        return networks.draw(self._load(request.dataset), request.folder)

    def inspect(self, request: InspectNetwork) -> NetworkInspected:
        """Look at what a user's function builds, before a study is made of it."""
        from studies.executor.own_networks import OwnNetworks

        self._admit_what_is_imported(request.objective)
        networks = OwnNetworks(request.objective)
        return networks.inspect(request, self._load(request.dataset, checks_test=True))

    def examine_data(self, request: ExamineData) -> DataExamined:
        """Look at the data that a user's function returns, before a study is made of them."""
        from objectives import DataOptions
        from objectives.data.sources import source_of

        self._admit_what_is_imported(request.dataset.name)
        found = source_of(request.dataset.name).examine(DataOptions(**request.dataset.options))
        return DataExamined(found.encoding.to_json(), list(found.shape), found.n_judged)

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
        from objectives import DataOptions
        from objectives.data import datasets
        from objectives.data.arrays import count
        from objectives.data.encoding import from_json

        networks = self._networks_of(request.objective)
        data = self._load(request.dataset)
        if data.sha256 != request.sha256:
            raise ValueError(
                f"Expected the data of {request.dataset.name} that the trial was trained on, of "
                f"SHA-256 {request.sha256}. Received: others, of SHA-256 {data.sha256}."
            )
        options = DataOptions(**request.dataset.options)
        stored = from_json(request.dataset.encoding)
        test = datasets.load_test(request.dataset.name, options, stored)
        return HoldoutEvaluated(finite_metrics(networks.evaluate(request, test)), count(test))

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """Forget all trials after a failure, which leaves them in an unknown state."""
        try:
            yield
        except Exception:
            self._pack, self._known = None, {}
            raise

    @property
    def _current(self) -> Networks:
        assert self._networks is not None
        return self._networks[1]

    def _networks_of(self, objective: str) -> Networks:
        """Return the networks of an objective, or those that a user's function builds."""
        if self._networks is None or self._networks[0] != objective:
            self._admit_what_is_imported(objective)
            self._networks = objective, _networks(objective)
        return self._networks[1]

    def _pack_for(self, request: AddTrials) -> TrainingPack:
        """Return the pack that trains, or a new one where no trial trains."""
        if self._pack is None or not self._pack.trials:
            self._pack = self._new_pack(request)
        return self._pack

    def _new_pack(self, request: AddTrials) -> TrainingPack:
        """Return a pack for trials of as many folds and seeds as the request has."""
        from objectives.training.mean_pack import FoldPack, SeedPack
        from objectives.training.sequence_pack import SequencePack

        networks, folds = self._networks_of(request.objective), self._folds(request.dataset)

        def pack() -> TrainingPack:
            packs = [networks.pack(request, fold, self._programs) for fold in folds]
            return packs[0] if len(packs) == 1 else FoldPack(packs)

        n_seeds = request.tasks[0].n_seeds
        if n_seeds == 1:
            return pack()
        if request.one_by_one:
            return SequencePack(pack(), n_seeds)
        # Networks train side by side in one pack on JAX only.
        return SeedPack([pack() for _ in range(1 if self._side_by_side else n_seeds)], n_seeds)

    def _task(self, request: AddTrials, task: TrialTask) -> Any:
        data = self._load(request.dataset)
        return self._current.task(request, task, data, _read_checkpoint(task.checkpoint))

    def _trials(self, ids: list[int]) -> list[TrainingTrial]:
        return [trial for trial, known in self._known.items() if known.id in ids]

    def _admit_what_is_imported(self, name: str) -> None:
        """Let the code of a user's function, if it is one, import what is left out else."""
        from objectives.code import source_code
        from objectives.code.names import is_function

        if is_function(name):
            for package in source_code.find(name, Path.cwd()).packages:
                self._finder.admit(package)

    def _load(self, dataset: DatasetSpec, *, checks_test: bool = False) -> Any:
        """Return a data set; that of its first fold where it has folds."""
        return self._folds(dataset, checks_test=checks_test)[0]

    def _folds(self, dataset: DatasetSpec, *, checks_test: bool = False) -> list[Any]:
        from objectives import DataOptions
        from objectives.data import datasets
        from objectives.data.encoding import from_json

        known = [dataset.name, dataset.options, dataset.encoding, dataset.whole]
        key = json.dumps(known, sort_keys=True)
        if key not in self._data:
            self._data.clear()  # one at a time: a worker goes through its studies in turn
            self._admit_what_is_imported(dataset.name)
            options, stored = DataOptions(**dataset.options), from_json(dataset.encoding)
            if checks_test:
                return [datasets.load_checked(dataset.name, options, stored)]
            if dataset.whole:
                self._data[key] = [datasets.load_whole(dataset.name, options, stored)]
            else:
                self._data[key] = datasets.load_folds(dataset.name, options, stored)
        return self._data[key]


def _networks(objective: str) -> Networks:
    if ":" in objective:
        from studies.executor.own_networks import OwnNetworks

        return OwnNetworks(objective)
    from studies.executor.built_in_networks import BuiltInNetworks

    return BuiltInNetworks(objective)


def _read_checkpoint(file: Path | None) -> Checkpoint | None:
    """Read the state of a trial; None where it was not written, or not to its end."""
    from objectives.training import checkpoint

    if file is None:
        return None
    try:
        return checkpoint.load(file)
    except (OSError, ValueError):
        return None
