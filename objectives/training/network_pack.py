"""A pack of networks that a user builds, each trained in the fastest way that is sure to be right.

Networks that are functional or sequential, and whose parts can all be compared, are trained on JAX
in a program of their structure, side by side: the program computes what `fit` does. All others are
trained by `fit` itself, and so is one with code of a user's of which its program computes something
else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import keras
import numpy as np

from objectives.data.arrays import named, rows
from objectives.data.datasets import Dataset
from objectives.errors import SettingError
from objectives.own.tuner_fit import TunerFit
from objectives.training.checkpoint import Checkpoint
from objectives.training.class_weights import class_weights
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
from objectives.training.program import Program, template_program
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult
from objectives.training.structure import Structure, UnreadableStructureError, read
from objectives.training.template import BuiltNetwork, Template
from objectives.types import Array, Batch

if TYPE_CHECKING:
    from objectives.training.own_code_check import Tried

Way = Literal["fit", "program", "lanes"]
_ONLY_JAX = "only JAX trains the networks of a function in programs"
Trial = FitTrial | PackedTrial


@dataclass(frozen=True, eq=False)
class Readable:
    """A network that a program can train.

    Attributes:
        model: The network.
        built: What was read of it.
        tried: What it computes of a batch, if it has code of a user's.
    """

    model: keras.Model
    built: BuiltNetwork
    tried: Tried | None


def way_of(network: keras.Model, batch: Batch, *, is_stream: bool = False) -> tuple[Way, str]:
    """Tell how a network is trained, and why.

    Args:
        network: A compiled network; the variables that it lacks are made.
        batch: Some examples.
        is_stream: Whether the data come batch by batch.

    Returns:
        "lanes" side by side in a program of its structure; "program" one after the other in such a
        one; "fit" by Keras's own. Then the reason, a clause.
    """
    way, reason, _ = _examine(network, batch, is_stream=is_stream)
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
            UnknownNameError: A network does not report a metric that its trial asks for.
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
        network = None if self._is_for_fit(task) else self._read(task)
        found = None if network is None else self._structure_pack(network, task)
        pack = found or FitPack(self._build, self._data, self._own)
        if pack not in self._packs:
            self._packs.append(pack)
        return pack

    def _is_for_fit(self, task: FitTask) -> bool:
        """Tell whether `fit` trains a trial, whatever its network is, which is then built once."""
        if keras.backend.backend() == "jax":
            return False
        self._ways[task] = "fit", _ONLY_JAX
        return True

    def _structure_pack(self, network: Readable, task: FitTask) -> StructurePack | None:
        """Return the pack of a network's structure; None if its program computes another."""
        packs = [pack for pack in self._packs if isinstance(pack, StructurePack)]
        pack = next((pack for pack in packs if pack.takes(network, task)), None)
        if pack is None:
            pack = StructurePack(self._build, self._data, self._programs, network, task)
        reason = pack.expect(network, task)
        if reason is not None:
            self._ways[task] = "fit", reason
        return pack if reason is None else None

    def _read(self, task: FitTask) -> Readable | None:
        """Build a trial's network and read its structure; None if `fit` is to train it.

        In a thread of its own, where Keras names its parts as in the first network of a process.
        """
        if self._own is not None:
            self._ways[task] = "fit", self._own.way
            return None

        def build() -> Readable | None:
            keras.utils.set_random_seed(task.seed)
            model = build_checked(self._build, task)
            batch = _batch(self._data, task)
            is_stream = self._data.streams is not None
            way, reason, readable = _examine(model, batch, is_stream=is_stream)
            self._ways[task] = way, reason
            return readable

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(build).result()


class StructurePack(LanePack):
    """Trains networks of one structure side by side.

    Args:
        build: The user's function.
        data: What to train and validate on.
        programs: The programs of this process.
        first: A network of the structure.
        task: The trial that it is of.
    """

    def __init__(
        self,
        build: Build,
        data: Dataset,
        programs: ProgramCache,
        first: Readable,
        task: FitTask,
    ) -> None:
        super().__init__(data, programs)
        self._build = build
        # Now, before another network is built, which may change what the code of this one reads.
        self._open_program(
            self._key(first.built.structure, task), lambda: _program(first, task, data, programs)
        )

    def takes(self, network: Readable, task: FitTask) -> bool:
        """Tell whether a trial can train beside the present ones."""
        return self._structure == self._key(network.built.structure, task)

    def expect(self, network: Readable, task: FitTask) -> str | None:
        """Take the network of the trial that is added next.

        Returns:
            None; or why the program must not train it, a clause.
        """
        self._next = network.built
        if network.tried is None:
            return None
        from objectives.training.jax_fit_lanes import JaxFitSteps
        from objectives.training.own_code_check import agree

        if not self._program.is_pure:
            return "its code keeps something from call to call"
        state = self._program.network.first_state(self._next)
        steps = self._program.steps
        assert isinstance(steps, JaxFitSteps)
        if not agree(
            network.tried.numbers, steps.loss_and_gradients(state, _batch(self._data, task))
        ):
            return "its code computes something else each time, or in its program"
        return None

    def _begin(self, task: FitTask) -> tuple[PackedTrial, LaneState]:
        started, compiled_before = time.perf_counter(), compile_clock.seconds
        network = self._next
        count = sum(int(each.size) for each in network.weights)
        rate = network.first_rate or 0.0
        trial = PackedTrial(task, self._data, count, started, compiled_before, rate)
        return trial, self._resumed(trial, self._program.network.first_state(network))

    def _key(self, structure: Structure, task: FitTask) -> tuple[Any, ...]:
        arrays = named((self._data.train, self._data.validation))
        shapes = tuple((name, each.shape, str(each.dtype)) for name, each in arrays.items())
        is_weighted = task.hyperparameters.class_weight is not None
        return structure.key, task.hyperparameters.batch_size, is_weighted, shapes

    def _validate(self, chosen: Sequence[int]) -> dict[int, dict[str, float]]:
        from objectives.training.jax_fit_lanes import JaxFitLanes

        found = self._lanes.metrics()
        assert isinstance(self._lanes, JaxFitLanes)
        found |= {f"val_{name}": values for name, values in self._lanes.validate().items()}
        return {i: {name: np.asarray(found[name][i]).item() for name in found} for i in chosen}

    def _result(self, trial: PackedTrial, kept: list[Array]) -> TrainingResult:
        build, example = self._build, rows(self._data.train, slice(1))[0]
        return self._result_of(
            trial, kept, lambda weights: rebuilt(build, trial.task, example, weights)
        )


def _batch(data: Dataset, task: FitTask) -> Batch:
    """Return the examples on which a trial's network is tried."""
    batch: Batch = rows(data.train, slice(task.hyperparameters.batch_size))
    return batch


def _program(first: Readable, task: FitTask, data: Dataset, programs: ProgramCache) -> Program:
    """Make the program of a structure."""
    model, structure = first.model, first.built.structure
    size = min(task.hyperparameters.batch_size, data.n_train)
    has_convolution = first.tried is not None and first.tried.has_convolution
    template = Template(model, structure, size, has_convolution=has_convolution)
    before = read(model).key if structure.has_own_code else ""
    weights = class_weights(task.hyperparameters.weights_of_classes(), data)
    program = template_program(template, programs.place(data), weights)
    program.is_pure = not structure.has_own_code or read(model).key == before
    return program


def _examine(
    network: keras.Model, batch: Batch, *, is_stream: bool
) -> tuple[Way, str, Readable | None]:
    """Return how a network is trained, why, and what was read of it unless `fit` trains it."""
    if is_stream:
        return "fit", "its data come batch by batch", None
    if keras.backend.backend() != "jax":
        return "fit", _ONLY_JAX, None
    import jax

    from objectives.training.jax_lanes import trains_step_by_step
    from objectives.training.own_code_check import check_own_code

    create_all_variables(network, batch)
    tried = None
    try:
        structure = read(network)
        if structure.has_own_code:
            tried = check_own_code(network, structure, batch)
    except UnreadableStructureError as error:
        return "fit", str(error), None
    readable = Readable(network, BuiltNetwork(network, structure), tried)
    has_convolution = tried is not None and tried.has_convolution
    if trains_step_by_step(network) or (has_convolution and jax.default_backend() == "cpu"):
        return "program", "convolutions on a CPU gain nothing side by side", readable
    parts = "all of its parts are Keras's" if tried is None else "its code is read"
    return "lanes", f"{parts}, and can be compared", readable
