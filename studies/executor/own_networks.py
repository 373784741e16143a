"""Answer requests about the networks that a user's function builds. Importing it imports Keras."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np

from objectives.code import source_code
from objectives.code.find_function import find_object
from objectives.data.arrays import count, rows
from objectives.data.datasets import Dataset
from objectives.data.encoding import AS_STORED
from objectives.own.builder import Builder
from objectives.own.built import EXAMPLES, evaluate, make_variables
from objectives.own.hyper_model import builder_of
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.own.inspect import inspect
from objectives.own.tuner_build import TunerBuild
from objectives.own.tuner_fit import TunerFit
from objectives.training.checkpoint import Checkpoint
from objectives.training.class_weights import class_weights
from objectives.training.fit_pack import FitTask
from objectives.training.network_pack import NetworkPack, way_of
from objectives.training.program_cache import ProgramCache
from objectives.training.quick_compile import compiled_quickly
from objectives.training.result import TrainingResult
from objectives.training.stand_in_weights import stand_in_weights
from objectives.training.structural import structural_factors
from objectives.types import Arrays, Batch
from studies.executor.inspection import InspectNetwork, NetworkInspected
from studies.executor.protocol import (
    AddTrials,
    EvaluateHoldout,
    FiguresDrawn,
    TrialTask,
)


class OwnNetworks:
    """The networks of one function.

    Args:
        objective: The function, `module:build` or `path/of/file.py:build`; see `builder_of`.

    Raises:
        Exception: As `find_object` and `builder_of`.
    """

    def __init__(self, objective: str) -> None:
        self._objective = objective
        name = objective.rpartition(":")[2]
        self._function: Callable[..., Any] = builder_of(find_object(objective), name)
        self._own_fit = self._function if isinstance(self._function, TunerFit) else None
        self._builder = Builder(self._function)
        self._pack: NetworkPack

    def inspect(self, request: InspectNetwork, data: Dataset) -> NetworkInspected:
        """Look at what the function builds, before a study is made of it."""
        with compiled_quickly(), stand_in_weights():
            return self._inspect(request, data)

    def _inspect(self, request: InspectNetwork, data: Dataset) -> NetworkInspected:
        found = inspect(self._function, data, request.fixed, request.settings, request.lines)
        for setting in found.settings:
            known = OwnHyperparameters(class_weight=setting.get("class_weight"))
            class_weights(known.weights_of_classes(), data)
        batch = rows(data.train, slice(EXAMPLES))
        with ThreadPoolExecutor(1) as thread:  # of its own: Keras numbers names in each
            untouched = thread.submit(self._builder, found.settings[0]).result()
            way, reason = thread.submit(
                way_of, untouched, batch, is_stream=data.streams is not None
            ).result()
        notes = self._function.notes() if isinstance(self._function, TunerBuild) else []
        if self._own_fit is not None:
            way, reason = "fit", self._own_fit.way
        why_anew = None if data.streams is None else data.streams.why_anew
        if why_anew is not None:
            notes.append(f"A trial whose worker is lost begins anew: {why_anew}.")
        variants = request.variants or found.variants
        structural = list(variants)
        if way != "fit":
            structural = structural_factors(self._builder, variants, found.settings, batch)
        return NetworkInspected(
            space=dict(found.space),
            metrics=list(found.metrics),
            overridden=list(found.overridden),
            n_builds=found.n_builds,
            convolves_pictures=found.convolves_pictures,
            trained_by=way,
            reason=reason,
            structural=structural,
            encoding=(data.encoding or AS_STORED).to_json(),
            training=dict(found.training),
            notes=notes,
            n_judged=_n_labels(data),
        )

    def pack(self, request: AddTrials, data: Dataset, programs: ProgramCache) -> NetworkPack:
        """Return what trains such networks, each in the fastest way that is sure to be right."""
        self._pack = NetworkPack(self._builder, data, programs, self._own_fit)
        return self._pack

    def task(
        self, request: AddTrials, task: TrialTask, data: Dataset, checkpoint: Checkpoint | None
    ) -> FitTask:
        """Check what training reads of a setting; the function reads it when it is called."""
        hyperparameters = OwnHyperparameters(**task.hyperparameters)
        return FitTask(
            hyperparameters,
            hyperparameters.given(),
            task.seed,
            request.metric,
            request.maximize,
            checkpoint,
        )

    def attributes(self, task: FitTask) -> Mapping[str, Any]:
        """Return the way in which it was trained, and what the function has noted."""
        way, reason = self._pack.trained_by(task)
        ways = {"trained_by": way, **({"trained_by_reason": reason} if way == "fit" else {})}
        return {**self._builder.take_notes(task.setting), **ways}

    def save(self, task: FitTask, result: TrainingResult, data: Dataset, file: Path) -> list[Path]:
        """Write a network to a `.keras` file, or to others where Keras would not read it again."""
        network = result.model()
        examples = rows(data.validation, slice(EXAMPLES))[0]
        with compiled_quickly():
            make_variables(network, examples)
            network.save(file)
            if _reads_alike(network, file, examples):
                return [file]
        file.unlink()
        weights, about = file.with_suffix(".weights.h5"), file.with_suffix(".json")
        network.save_weights(weights)
        code = source_code.find(self._objective, Path.cwd())
        built_by = {
            "objective": self._objective,
            "code_sha256": code.sha256,
            "parameters": dict(task.setting),
            "seed": task.seed,
        }
        about.write_text(json.dumps(built_by, indent=2), encoding="utf-8")
        return [weights, about]

    def draw(self, data: Dataset, folder: Path) -> FiguresDrawn:
        """Draw nothing: what the outputs mean is not known."""
        return FiguresDrawn([], {})

    def evaluate(self, request: EvaluateHoldout, test: Batch) -> dict[str, float]:
        """Build the network of a trial anew, with its trained weights, and evaluate it."""
        hyperparameters = OwnHyperparameters(**request.hyperparameters)
        network = self._builder(hyperparameters.given())
        make_variables(network, rows(test, slice(1))[0])
        if request.file.suffix == ".keras":
            trained = keras.models.load_model(request.file, compile=False)
            network.set_weights(trained.get_weights())
        else:
            network.load_weights(request.file)
        batch_size = min(hyperparameters.batch_size, count(test))
        found = evaluate(network, test, batch_size)
        return {name: np.asarray(value).item() for name, value in found.items()}


def _n_labels(data: Dataset) -> int | None:
    """Return how many different labels the validation part has; None of several or nested ones."""
    found = data.y_validation
    if data.streams is not None or not isinstance(found, np.ndarray):
        return None
    is_one_each = found.ndim == 1 or (found.ndim == 2 and 0 < found.shape[1])
    return len(np.unique(found, axis=0)) if is_one_each else None


def _reads_alike(network: keras.Model, file: Path, example: Arrays) -> bool:
    """Tell whether Keras reads a file of a network, and what it reads predicts the same.

    The author's module is imported here, as in a process that loads the network later.
    """
    try:
        read = keras.models.load_model(file, compile=False)
        inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, example)
        # Not by `predict`, which compiles each of them for these few examples.
        pairs = [
            [np.asarray(part) for part in keras.tree.flatten(each(inputs, training=False))]
            for each in (network, read)
        ]
        return all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(*pairs, strict=True))
    except Exception:
        return False
