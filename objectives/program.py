"""Compiled programs: one for each structure, that trial after trial and pack after pack runs in."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import keras
import numpy as np

from objectives import optimizers, twin
from objectives.datasets import Dataset
from objectives.lanes import DeviceArrays, Lanes, LaneState, Steps


class Program:
    """A network and an optimizer, compiled once, that trial after trial is loaded into.

    Args:
        network: A stock network of the structure, with all parts that a trial of it may have.
        optimizer: A stock optimizer of the structure, unbuilt.
        batch_size: Pictures a gradient step.
        activations: Those that the trials differ in; see `twin.create`.
    """

    def __init__(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        batch_size: int,
        activations: Sequence[str],
    ) -> None:
        self.model = twin.create(network, activations)
        self.batch_size = batch_size
        optimizer.build(self.model.trainable_variables)
        optimizers.make_tunable(optimizer)
        self.model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        # Keras makes a metric's variables when it first sees data; a traced step may make none.
        probabilities = np.ones((1, *network.output_shape[1:]), keras.backend.floatx())
        self.model.compute_metrics(None, np.zeros((1,), np.int32), probabilities)
        self.weight_variables = twin.weight_variables(self.model, network)
        self.steps = _steps(self)

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

    def first_state(self, network: keras.Model, optimizer: keras.optimizers.Optimizer) -> LaneState:
        """Return the state that a trial starts from.

        Args:
            network: A stock network with the trial's first weights.
            optimizer: The trial's stock optimizer, built.
        """
        twin.refill(self.model, network)
        optimizers.refill(self.model.optimizer, optimizer)
        self.model.reset_metrics()
        variables = [*self.variables, *self.weight_variables]
        return [keras.ops.convert_to_numpy(variable) for variable in variables]

    def lane(self, data: DeviceArrays) -> Lanes:
        """Make one lane on a data set, to be brought to a state with `put`.

        On TensorFlow it is the only one of the program at a time.
        """
        return self.steps.lane(data)


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
        from objectives.jax_lanes import JaxSteps

        return JaxSteps(program)
    from objectives.tensorflow_lanes import TensorflowSteps

    return TensorflowSteps(program)
