"""A pack of networks that a user builds, each trained in the fastest way that is sure to be right.

Networks that are functional or sequential and all of Keras's parts are trained on JAX in a program
of their structure, side by side: the program computes what `fit` does. All others are trained by
`fit` itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from weakref import WeakKeyDictionary

import keras

from objectives.data.arrays import named, rows
from objectives.data.datasets import Dataset
from objectives.errors import SettingError, unknown_name
from objectives.own.tuner_fit import TunerFit
from objectives.training.checkpoint import Checkpoint
from objectives.training.compile_clock import compile_clock
from objectives.training.fit_pack import (
    Build,
    FitPack,
    FitTask,
    FitTrial,
    build_checked,
    rebuilt,
)
from objectives.training.keras_internals import create_all_variables
from objectives.training.lanes import LaneState
from objectives.training.pack import LanePack, PackedTrial
from objectives.training.program import template_program
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult
from objectives.training.structure import Structure, UnreadableStructureError, read
from objectives.training.template import BuiltNetwork, Template
from objectives.types import Array, Batch

Way = Literal["fit", "program", "lanes"]
Trial = FitTrial | PackedTrial


def way_of(network: keras.Model, batch: Batch) -> tuple[Way, str]:
    """Tell how a network is trained, and why.

    Args:
        network: A compiled network; the variables that it lacks are made.
        batch: Some examples.

    Returns:
        "lanes" side by side in a program of its structure; "program" one after the other in such a
        one; "fit" by Keras's own. Then the reason, a clause.
    """
    way, reason, _ = _examine(network, batch)
    return way, reason


class NetworkPack:
    """Trains networks of any structures; those of one structure side by side.

    Args:
        build: The user's function.
        data: What to train and validate on.
        programs: The programs of this process.
        own: What trains by a `fit` of its own, if something does.
    """

    def __init__(
        self, build: Build, data: Dataset, programs: ProgramCache, own: TunerFit | None = None
    ) -> None:
        self._build = build
        self._own = own
        self._data = data
        self._programs = programs
        self._packs: list[FitPack | StructurePack] = []
        self._ways: WeakKeyDictionary[FitTask, tuple[Way, str]] = WeakKeyDictionary()

    @property
    def trials(self) -> list[Trial]:
        """The trials that are training now."""
        return [trial for pack in self._packs for trial in pack.trials]

    @property
    def wanted(self) -> int:
        """The number of trials to train at once."""
        return max((pack.wanted for pack in self._packs), default=1)

    def trained_by(self, task: FitTask) -> tuple[Way, str]:
        """Return how a trial is trained, or was, and why; see `way_of`."""
        return self._ways[task]

    def add(self, tasks: Sequence[FitTask]) -> list[Trial]:
        """Add trials, each at its beginning or at its checkpoint.

        Raises:
            SettingError: A network cannot be trained by its hyperparameters.
            Exception: What the user's function raises.
        """
        return [trial for task in tasks for trial in self._pack_of(task).add([task])]

    def train_epoch(self) -> list[tuple[Trial, dict[str, float]]]:
        """Train every trial for its next epoch. Trials that have ended must be taken out before.

        Raises:
            UnknownNameError: A network does not report its trial's metric.
            Exception: What `fit` raises. All trials are gone then.
        """
        try:
            return [each for pack in self._packs for each in pack.train_epoch()]
        except BaseException:
            for pack in self._packs:
                if isinstance(pack, FitPack):
                    pack.close()
            self._packs = []
            raise

    def take_ended(self) -> list[tuple[Trial, TrainingResult]]:
        """Take out the trials that have ended; return them with their results."""
        ended: list[tuple[Trial, TrainingResult]] = []
        for pack in self._packs:
            ended += pack.take_ended()
        # Without a trial, a pack of lanes is still what knows how many trials are wanted.
        lanes = [pack for pack in self._packs if isinstance(pack, StructurePack)]
        self._packs = [pack for pack in self._packs if pack.trials or pack in lanes[-1:]]
        return ended

    def checkpoint(self, trial: Trial) -> Checkpoint:
        """Copy a trial's state, to resume it from there alone or in another pack."""
        for pack in self._packs:
            if isinstance(pack, FitPack) and isinstance(trial, FitTrial) and trial in pack.trials:
                return pack.checkpoint(trial)
            if isinstance(pack, StructurePack) and trial in pack.trials:
                return pack.checkpoint(trial)
        raise SettingError("Expected a trial of this pack. Received: another.")

    def _pack_of(self, task: FitTask) -> FitPack | StructurePack:
        network = self._read(task)
        if network is not None:
            for pack in self._packs:
                if isinstance(pack, StructurePack) and pack.takes(network, task):
                    pack.expect(network)
                    return pack
        pack = (
            FitPack(self._build, self._data, self._own)
            if network is None
            else StructurePack(self._build, self._data, self._programs, network)
        )
        self._packs.append(pack)
        return pack

    def _read(self, task: FitTask) -> tuple[keras.Model, Structure] | None:
        """Build a trial's network and read its structure; None if `fit` is to train it.

        In a thread of its own, where Keras names its parts as in the first network of a process.
        """
        if self._own is not None:
            self._ways[task] = "fit", self._own.way
            return None

        def build() -> tuple[keras.Model, Structure] | None:
            keras.utils.set_random_seed(task.seed)
            model = build_checked(self._build, task)
            batch = rows(self._data.train, slice(task.hyperparameters.batch_size))
            way, reason, structure = _examine(model, batch)
            self._ways[task] = way, reason
            return None if structure is None else (model, structure)

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(build).result()


class StructurePack(LanePack):
    """Trains networks of one structure side by side.

    Args:
        build: The user's function.
        data: What to train and validate on.
        programs: The programs of this process.
        first: The network of the first trial, and what was read of it.
    """

    def __init__(
        self,
        build: Build,
        data: Dataset,
        programs: ProgramCache,
        first: tuple[keras.Model, Structure],
    ) -> None:
        super().__init__(data, programs)
        self._build = build
        self._next = first

    def takes(self, network: tuple[keras.Model, Structure], task: FitTask) -> bool:
        """Tell whether a trial can train beside the present ones."""
        return self._structure == self._key(network[1], task)

    def expect(self, network: tuple[keras.Model, Structure]) -> None:
        """Take the network of the trial that is added next."""
        self._next = network

    def _begin(self, task: FitTask) -> tuple[PackedTrial, LaneState]:
        started, compiled_before = time.perf_counter(), compile_clock.seconds
        model, structure = self._next
        network = BuiltNetwork(model, structure)
        if self._structure is None:
            size = min(task.hyperparameters.batch_size, self._data.n_train)
            self._open_program(
                self._key(structure, task),
                lambda: template_program(Template(model, structure, size)),
            )
        count = sum(int(each.size) for each in network.weights)
        rate = network.first_rate or 0.0
        trial = PackedTrial(task, self._data, count, started, compiled_before, rate)
        return trial, self._resumed(trial, self._program.network.first_state(network))

    def _key(self, structure: Structure, task: FitTask) -> tuple[Any, ...]:
        arrays = named((self._data.train, self._data.validation))
        shapes = tuple((name, each.shape, str(each.dtype)) for name, each in arrays.items())
        return structure.key, task.hyperparameters.batch_size, shapes

    def _validate(self, chosen: Sequence[int]) -> dict[int, dict[str, float]]:
        from objectives.training.jax_fit_lanes import JaxFitLanes

        found = self._lanes.metrics()
        assert isinstance(self._lanes, JaxFitLanes)
        found |= {f"val_{name}": values for name, values in self._lanes.validate().items()}
        metrics = {i: {name: float(found[name][i]) for name in found} for i in chosen}
        for i in chosen:
            trial = self._slots[i]
            assert trial is not None
            if trial.task.metric not in found:
                raise unknown_name("a metric that the network reports", trial.task.metric, found)
        return metrics

    def _result(self, trial: PackedTrial, kept: list[Array]) -> TrainingResult:
        build, example = self._build, rows(self._data.train, slice(1))[0]
        return self._result_of(
            trial, kept, lambda weights: rebuilt(build, trial.task, example, weights)
        )


def _examine(network: keras.Model, batch: Batch) -> tuple[Way, str, Structure | None]:
    """Return how a network is trained, why, and its structure unless `fit` trains it."""
    if keras.backend.backend() != "jax":
        return "fit", "only JAX trains the networks of a function in programs", None
    from objectives.training.jax_lanes import trains_step_by_step

    create_all_variables(network, batch)
    try:
        structure = read(network)
    except UnreadableStructureError as error:
        return "fit", str(error), None
    if trains_step_by_step(network):
        return "program", "convolutions on a CPU gain nothing side by side", structure
    return "lanes", "all of its parts are Keras's, and can be compared", structure
