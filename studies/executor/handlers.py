"""What the executor child does about networks: it trains a pack of trials, epoch by epoch.

Each method answers one request of the worker with one event. Making a `Trainer` imports Keras.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.executor.channel import Message, describe_error, finite

if TYPE_CHECKING:
    from objectives import Hyperparameters
    from objectives.training.checkpoint import Checkpoint
    from objectives.training.pack import Pack, PackedTrial, TrainingTask
    from objectives.training.result import TrainingResult


class _Without(MetaPathFinder):
    """Makes the import of libraries fail, as on a machine that does not have them.

    Keras asks for libraries in passing, and does without where they are missing: on JAX for
    TensorFlow when it copies or saves a layer (2.5 s, 400 MB), and for pandas (half a second).

    Args:
        names: What to refuse.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse a library; leave every other module to the finders that follow."""
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
        lanes: How many trials to train at once on JAX; None to find out what is fastest.
    """

    def __init__(self, backend: str, lanes: int | None) -> None:
        os.environ["KERAS_BACKEND"] = backend
        without = ("pandas", "tensorflow") if backend == "jax" else ("pandas",)
        sys.meta_path.insert(0, _Without(*without))
        with _silent():
            from objectives.training import pack, program_cache

        self._packing = pack
        self._lanes = lanes if backend == "jax" else 1
        self._programs = program_cache.ProgramCache()
        self._data: dict[str, Any] = {}
        self._pack: Pack | None = None
        self._known: dict[PackedTrial, _Known] = {}
        self._results: dict[int, tuple[Hyperparameters, TrainingResult]] = {}
        self._saved: tuple[Hyperparameters, Any]  # what `save` wrote last, for `draw`

    @property
    def wanted(self) -> int:
        """How many trials to train at once."""
        if self._lanes is not None:
            return self._lanes
        return 1 if self._pack is None else self._pack.wanted

    def prepare(self, request: Message) -> Message:
        """Load a data set before the first trial is claimed: what is missing costs no trial."""
        return {"sha256": self._load(request).sha256}

    def add(self, request: Message) -> Message:
        """Take trials of one structure in, beside those that train.

        The answer holds, for each that was taken, the metrics of the epochs that it has behind it,
        and for each that cannot begin its error; it costs the others nothing.
        """
        pack = self._pack_for(request)
        tasks: dict[int, TrainingTask] = {}
        refused: list[Message] = []
        for told in request["tasks"]:
            try:
                tasks[told["id"]] = self._task(request, told)
            except Exception as error:
                refused.append({"id": told["id"], **describe_error(error)})
        built_before = self._programs.built
        with self._all_or_none():
            trials = pack.add(list(tasks.values()))
        compiled = self._programs.built > built_before
        added = []
        for trial, i in zip(trials, tasks, strict=True):
            self._known[trial] = _Known(i, compiled)
            added.append({"id": i, "history": finite(trial.epochs.history)})
        return {"added": added, "refused": refused, "wanted": self.wanted}

    def train_epoch(self, request: Message) -> Message:
        """Train every trial for one epoch of its own; tell the metrics, and who has ended."""
        assert self._pack is not None
        with self._all_or_none():
            trained = self._pack.train_epoch()
        lanes = [
            {
                "id": self._known[trial].id,
                "epoch": trial.epochs.completed,
                "metrics": finite(metrics),
                "ended": trial.epochs.stopped is not None,
            }
            for trial, metrics in trained
        ]
        return {"lanes": lanes, "wanted": self.wanted}

    def stop(self, request: Message) -> Message:
        """End trials after the epoch that they have completed."""
        for trial in self._trials(request["ids"]):
            trial.stop()
        return {}

    def take_ended(self, request: Message) -> Message:
        """Take out the trials that have ended; their networks can be saved until the next time."""
        assert self._pack is not None
        self._results, described = {}, []
        for trial, result in self._pack.take_ended():
            known = self._known.pop(trial)
            self._results[known.id] = trial.task.hyperparameters, result
            described.append({"id": known.id, **_described(known, result)})
        return {
            "results": described,
            "programs_built": self._programs.built,
        }

    def save(self, request: Message) -> Message:
        """Write the network of a trial that was just taken out to a file."""
        hyperparameters, result = self._results[request["id"]]
        self._saved = hyperparameters, result.model()
        self._saved[1].save(request["file"])
        return {}

    def draw(self, request: Message) -> Message:
        """Draw what the network saved last makes of the validation pictures, into a folder.

        Nothing, where the objective has no figures.
        """
        import objectives

        objective = objectives.get(request["objective"])
        if objective.figures is None:
            return {"figures": [], "plots": {}}
        from objectives.training import evaluate

        data = self._load(request)
        hyperparameters, network = self._saved
        head = objective.head_of(hyperparameters)
        x, y = data.x_validation, data.y_validation
        _, predicted = evaluate.losses_and_predictions(network, head, x, y).T
        figures = import_module(objective.figures)
        drawn = figures.draw(Path(request["folder"]), x, y, predicted)
        return {"figures": [str(each) for each in drawn], "plots": figures.plots(x, y, predicted)}

    def checkpoint(self, request: Message) -> Message:
        """Write where trials are to files."""
        assert self._pack is not None
        (trial,) = self._trials([request["id"]])
        self._pack.checkpoint(trial).save(Path(request["file"]))
        return {}

    def judge(self, request: Message) -> Message:
        """Judge a network that was kept on the test part of its data set.

        Raises:
            ValueError: The data are not those that it was trained on: what was trained on may be
                in the test part now; or the test part has classes that the training part has not.
        """
        import keras

        import objectives
        from objectives import DataOptions
        from objectives.data import datasets
        from objectives.training import evaluate

        objective = objectives.get(request["objective"])
        data = self._load(request)
        if data.sha256 != request["sha256"]:
            raise ValueError(
                f"Expected the data of {request['dataset']} that the trial was trained on, of "
                f"SHA-256 {request['sha256']}. Received: others, of SHA-256 {data.sha256}."
            )
        hyperparameters = objective.hyperparameters(**request["hyperparameters"])
        head = objective.head_of(hyperparameters)
        x, y = datasets.load_test(request["dataset"], DataOptions(**request["data"]))
        if y.max() >= data.n_classes:
            raise ValueError(
                f"Expected test labels from 0 to {data.n_classes - 1}, as the training part has. "
                f"Received: label={y.max()}."
            )
        network = keras.models.load_model(request["file"], compile=False)
        scores = evaluate.losses_and_predictions(network, head, x, y)
        return {"metrics": finite(evaluate.metrics(head, scores, y)), "n": len(x)}

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """Forget all trials after a failure: what it has left of them is not known."""
        try:
            yield
        except Exception:
            self._pack, self._known = None, {}
            raise

    def _pack_for(self, request: Message) -> Pack:
        """Return the pack that trains, or a new one once nobody trains any more."""
        import objectives

        if self._pack is None or not self._pack.trials:
            objective = objectives.get(request["objective"])
            self._pack = self._packing.Pack(
                objective, self._load(request), self._programs, request["levels"]
            )
        return self._pack

    def _task(self, request: Message, told: Message) -> TrainingTask:
        """Check all that can be wrong with one trial."""
        import objectives

        settings = objectives.get(request["objective"]).hyperparameters
        hyperparameters = settings(**told["hyperparameters"])
        hyperparameters.check_input(self._load(request).x_train.shape[1:])
        return self._packing.TrainingTask(
            hyperparameters,
            told["seed"],
            request["metric"],
            request["maximize"],
            _read_checkpoint(told["checkpoint"]),
        )

    def _trials(self, ids: list[int]) -> list[PackedTrial]:
        return [trial for trial, known in self._known.items() if known.id in ids]

    def _load(self, request: Message) -> Any:
        from objectives import DataOptions
        from objectives.data import datasets

        key = json.dumps([request["dataset"], request["data"]], sort_keys=True)
        if key not in self._data:
            self._data.clear()  # one at a time: a worker goes through its studies in turn
            options = DataOptions(**request["data"])
            self._data[key] = datasets.load(request["dataset"], options)
        return self._data[key]


def _read_checkpoint(file: str | None) -> Checkpoint | None:
    """Read where a trial was; None where nobody has written it, or not to its end."""
    from objectives.training import checkpoint

    if file is None:
        return None
    try:
        return checkpoint.load(Path(file))
    except (OSError, ValueError):
        return None


def _described(known: _Known, result: TrainingResult) -> Message:
    """Return what the worker records of a trial that has ended."""
    attributes = {
        "best_epoch": result.best_epoch,
        "epochs": result.last_epoch,
        "train_seconds": round(result.train_seconds, 3),
        "compiled": known.compiled,
        "parameter_count": result.parameter_count,
        "history": finite(result.history),
    }
    if result.stopped == "diverged":
        attributes["fail_reason"] = (
            f"Expected a finite loss. Received: loss={result.history['loss'][-1]} in epoch "
            f"{result.last_epoch}. A smaller learning rate may help."
        )
    return {"value": result.value, "stopped": result.stopped, "attributes": attributes}


@contextmanager
def _silent() -> Iterator[None]:
    """Send what libraries' native code writes to standard error nowhere, while they load.

    TensorFlow greets with ten lines that no setting turns off. Python's errors are not affected.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
