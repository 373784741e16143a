"""Compiled programs: one for each structure, that trial after trial and pack after pack runs in."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from objectives.data.datasets import Dataset
from objectives.head import Head
from objectives.hyperparameters import Hyperparameters
from objectives.training import tunable_model as twin
from objectives.training import tunable_optimizer as optimizers
from objectives.training.lanes import DeviceArrays, Lanes, LaneState, Steps
from objectives.training.pack_size import PackSize


class Program:
    """A network and an optimizer, compiled once, that trial after trial is loaded into.

    Args:
        network: A stock network of the structure, with all parts that a trial of it may have.
        optimizer: A stock optimizer of the structure, unbuilt.
        batch_size: Pictures a gradient step.
        activations: Those that the trials differ in; see `twin.create`.
        head: Makes the head, of the numbers that it reads.
        head_numbers: The names of these numbers, which are variables here.

    Attributes:
        head: The head.
    """

    def __init__(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        batch_size: int,
        activations: Sequence[str],
        head: Callable[[Mapping[str, Any]], Head],
        head_numbers: Sequence[str],
    ) -> None:
        self.model = twin.create(network, activations, head_numbers)
        self._numbers = twin.numbers(self.model, head_numbers)
        self.head = head(self._numbers)
        self.batch_size = batch_size
        optimizer.build(self.model.trainable_variables)
        optimizers.make_tunable(optimizer)
        self.model.compile(
            optimizer=optimizer,
            loss=_Loss(self.head),
            metrics=self.head.metrics(),
        )
        # Keras makes a metric's variables when it first sees data; a traced step may make none.
        # A layer sees none of it: nothing is computed, and nothing compiled for that.
        labels = keras.Input((), dtype="int32")
        metrics = keras.layers.Lambda(lambda seen: self.model.compute_metrics(None, *seen))
        metrics([labels, self.model.output])
        self.weight_variables = twin.weight_variables(self.model, network)
        self._first = {id(v): keras.ops.convert_to_numpy(v) for v in self.variables}
        self.steps = _steps(self)
        self.pack_size = PackSize(self.steps.max_lanes)

    @property
    def groups(self) -> tuple[list[keras.Variable], ...]:
        """Trainable, non-trainable, optimizer and metric variables, as Keras's step takes them."""
        model = self.model
        return (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables, in the order of a lane's state."""
        return [variable for group in self.groups for variable in group]

    def first_state(
        self, network: keras.Model, hyperparameters: Hyperparameters, seed: int
    ) -> LaneState:
        """Return the state that a trial starts from.

        Args:
            network: The trial's stock network; its variables need no values.
            hyperparameters: The trial's setting.
            seed: Seed of the first weights and the dropout.
        """
        values = self._first | twin.first_values(self.model, network, seed)
        values |= optimizers.first_values(self.model.optimizer, hyperparameters)
        for name, variable in self._numbers.items():
            values[id(variable)] = getattr(hyperparameters, name)
        variables = [*self.variables, *self.weight_variables]
        return [np.broadcast_to(values[id(v)], v.shape).astype(v.dtype) for v in variables]

    def lane(self, data: DeviceArrays) -> Lanes:
        """Make one lane on a data set, to be brought to a state with `put`.

        On TensorFlow it is the only one of the program at a time.
        """
        return self.steps.lane(data)


class _Loss(keras.losses.Loss):  # type: ignore[misc]
    """The mean of a head's loss over a batch."""

    def __init__(self, head: Head) -> None:
        super().__init__(name="loss")
        self._head = head

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._head.loss(y_true, y_pred)


class ProgramCache:
    """The programs used last, and the data set on the device.

    Args:
        size: How many programs are kept; the one unused for longest goes first.
    """

    def __init__(self, size: int = 8) -> None:
        self.built = 0
        self._size = size
        self._programs: OrderedDict[Hashable, Program] = OrderedDict()
        self._data: Dataset | None = None
        self._arrays: DeviceArrays = ()

    def get(self, structure: Hashable, build: Callable[[], Program]) -> Program:
        """Return the program of a structure, built now if it is not there."""
        if structure not in self._programs:
            self._programs[structure] = build()
            self.built += 1
        self._programs.move_to_end(structure)
        while len(self._programs) > self._size:
            self._programs.popitem(last=False)
        return self._programs[structure]

    def place(self, data: Dataset) -> DeviceArrays:
        """Return a data set's arrays on the device, copied there once while it stays the same."""
        if self._data is not data:
            arrays = (data.x_train, data.y_train, data.x_validation, data.y_validation)
            self._arrays = tuple(keras.ops.convert_to_tensor(array) for array in arrays)
            self._data = data
        return self._arrays


def _steps(program: Program) -> Steps:
    if keras.backend.backend() == "jax":
        from objectives.training.jax_lanes import JaxSteps

        return JaxSteps(program)
    from objectives.training.tensorflow_lanes import TensorflowSteps

    return TensorflowSteps(program)
