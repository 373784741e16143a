"""A tunable network with its optimizer, loss and metrics: what a backend compiles steps of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from objectives.head import Head
from objectives.hyperparameters import Hyperparameters
from objectives.training import tunable_model, tunable_optimizer
from objectives.training.keras_internals import create_metric_variables, variable_groups
from objectives.training.lanes import LaneState


class CompiledNetwork:
    """A tunable network, compiled by Keras with a tunable optimizer.

    It knows no backend's lanes: `objectives.training.program` adds these.

    Args:
        network: A stock network of the structure, with all parts that its trials may have.
        optimizer: A stock optimizer of the structure, unbuilt.
        batch_size: Pictures in a gradient step.
        activations: The activations in which trials differ; see `tunable_model.create`.
        head: Makes the head from the numbers that it reads.
        head_numbers: The names of these numbers, which are variables here.

    Attributes:
        model: The tunable network.
        head: The head.
        batch_size: As given.
        weight_variables: The variables that a trained stock network has too.
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
        self.model = tunable_model.create(network, activations, head_numbers)
        self._numbers = tunable_model.numbers(self.model, head_numbers)
        self.head = head(self._numbers)
        self.batch_size = batch_size
        optimizer.build(self.model.trainable_variables)
        tunable_optimizer.make_tunable(optimizer)
        self.model.compile(
            optimizer=optimizer,
            loss=_Loss(self.head),
            metrics=self.head.metrics(),
        )
        create_metric_variables(self.model)
        self.weight_variables = tunable_model.weight_variables(self.model, network)
        self._first = {id(v): keras.ops.convert_to_numpy(v) for v in self.variables}

    @property
    def groups(self) -> tuple[list[keras.Variable], ...]:
        """Trainable, non-trainable, optimizer and metric variables, as Keras's step takes them."""
        return variable_groups(self.model)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables, in the order of a lane's state."""
        return [variable for group in self.groups for variable in group]

    def first_state(
        self, network: keras.Model, hyperparameters: Hyperparameters, seed: int
    ) -> LaneState:
        """Return the state in which a trial starts.

        Args:
            network: The trial's stock network; its variables need no values.
            hyperparameters: The trial's setting.
            seed: The seed of the first weights and the dropout.
        """
        values = self._first | tunable_model.first_values(self.model, network, seed)
        values |= tunable_optimizer.first_values(self.model.optimizer, hyperparameters)
        for name, variable in self._numbers.items():
            values[id(variable)] = getattr(hyperparameters, name)
        variables = [*self.variables, *self.weight_variables]
        return [np.broadcast_to(values[id(v)], v.shape).astype(v.dtype) for v in variables]


class _Loss(keras.losses.Loss):  # type: ignore[misc]
    """The mean of a head's loss over a batch."""

    def __init__(self, head: Head) -> None:
        super().__init__(name="loss")
        self._head = head

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._head.loss(y_true, y_pred)
