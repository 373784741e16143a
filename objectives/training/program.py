"""A compiled program: a structure's network with the steps that the Keras backend compiles."""

from typing import Any

import keras

from objectives.training.compiled_network import CompiledNetwork
from objectives.training.lanes import DeviceArrays, Lanes, Steps
from objectives.training.pack_size import PackSize
from objectives.training.template import Template
from objectives.types import Array


class Program:
    """What is compiled once for a structure, and serves trial after trial and pack after pack.

    Args:
        network: The network of the structure.
        steps: What is compiled for it.

    Attributes:
        network: The network.
        steps: The backend's training and evaluation steps.
        pack_size: How many lanes are fastest, as far as measured.
        is_pure: Whether its network was the same after it was traced.
    """

    is_pure = True

    def __init__(self, network: Any, steps: Steps) -> None:
        self.network = network
        self.steps = steps
        self.pack_size = PackSize(steps.max_lanes, steps.doubles_after)

    def lane(self, data: DeviceArrays) -> Lanes:
        """Make one lane on a data set, whose state must then be set with `put`."""
        return self.steps.lane(data)


def compiled_program(network: CompiledNetwork) -> Program:
    """Make the program of a built-in network, on this process's backend."""
    return Program(network, _steps(network))


def template_program(network: Template, data: DeviceArrays, weights: Array | None) -> Program:
    """Make the program of a network of a user's, on JAX, for a data set and weights of classes."""
    from objectives.training.jax_fit_lanes import JaxFitSteps

    return Program(network, JaxFitSteps(network, data, weights))


def _steps(network: CompiledNetwork) -> Steps:
    if keras.backend.backend() == "jax":
        from objectives.training.jax_lanes import JaxSteps

        return JaxSteps(network)
    from objectives.training.tensorflow_lanes import TensorflowSteps

    return TensorflowSteps(network)
