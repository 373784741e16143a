"""A network of a user's, as the template of a program: any network of its structure is a lane."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from objectives.training import tunable_optimizer
from objectives.training.keras_internals import RateVariable, set_rate, variable_groups
from objectives.training.lanes import LaneState
from objectives.training.structure import Structure
from objectives.types import Array


class BuiltNetwork:
    """What is read of a trial's network before it trains.

    Args:
        model: The compiled network, all of whose variables exist.
        structure: What was read of it.

    Attributes:
        structure: The same.
        values: The values of its variables.
        weights: The values of its weights, as `get_weights` returns them.
        first_rate: Its learning rate; None if its optimizer has a schedule.
    """

    def __init__(self, model: keras.Model, structure: Structure) -> None:
        self.structure = structure
        self.values = [_value(v) for group in variable_groups(model) for v in group]
        self.weights = [_value(v) for v in model.weights]
        rate = model.optimizer.learning_rate
        self.first_rate = float(rate) if isinstance(rate, keras.Variable) else None


class Template:
    """A network with variables in place of the numbers in which others of its structure differ.

    It stands where a `CompiledNetwork` stands for JAX's steps.

    Args:
        model: The first network of its structure; it is changed.
        structure: What was read of it.
        batch_size: Examples in a gradient step.
        has_convolution: Whether code of a user's computes a convolution in it.

    Attributes:
        model: The network.
        batch_size: As given.
        has_convolution: As given.
        weight_variables: The variables that a trained network is kept by.
    """

    def __init__(
        self,
        model: keras.Model,
        structure: Structure,
        batch_size: int,
        *,
        has_convolution: bool = False,
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.has_convolution = has_convolution
        self.weight_variables = list(model.weights)
        own = [variable for group in variable_groups(model) for variable in group]
        self._places = {id(variable): i for i, variable in enumerate(own)}
        for tunable in structure.tunables:
            if isinstance(tunable.holder, keras.layers.Dropout):
                rate = RateVariable(tunable.value, trainable=False, name="rate")
                set_rate(tunable.holder, rate)
            else:
                tunable_optimizer.make_tunable(tunable.holder, [tunable.name])
            made = getattr(tunable.holder, tunable.name)
            self._places[id(made)] = len(self._places)

    @property
    def groups(self) -> tuple[list[keras.Variable], ...]:
        """Trainable, non-trainable, optimizer and metric variables, as Keras's step takes them."""
        return variable_groups(self.model)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables, in the order of a lane's state."""
        return [variable for group in self.groups for variable in group]

    def first_state(self, network: BuiltNetwork) -> LaneState:
        """Return the state in which a trial of this structure starts."""
        numbers = [tunable.value for tunable in network.structure.tunables]
        values: Sequence[Array | float] = [*network.values, *numbers]
        own = [np.asarray(values[self._places[id(v)]], v.dtype) for v in self.variables]
        return [*own, *network.weights]


def _value(variable: keras.Variable) -> Array:
    return np.array(keras.ops.convert_to_numpy(variable))
