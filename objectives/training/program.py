"""A compiled program: a structure's network with the steps that the Keras backend compiles."""

import keras

from objectives.training.compiled_network import CompiledNetwork
from objectives.training.lanes import DeviceArrays, Lanes, Steps
from objectives.training.pack_size import PackSize


class Program:
    """What is compiled once for a structure, and serves trial after trial and pack after pack.

    Args:
        network: The network of the structure.

    Attributes:
        network: The same.
        steps: The backend's training and evaluation steps.
        pack_size: How many lanes are fastest, as far as measured.
    """

    def __init__(self, network: CompiledNetwork) -> None:
        self.network = network
        self.steps = _steps(network)
        self.pack_size = PackSize(self.steps.max_lanes)

    def lane(self, data: DeviceArrays) -> Lanes:
        """Make one lane on a data set, whose state must then be set with `put`.

        On TensorFlow a program has one lane at a time.
        """
        return self.steps.lane(data)


def _steps(network: CompiledNetwork) -> Steps:
    if keras.backend.backend() == "jax":
        from objectives.training.jax_lanes import JaxSteps

        return JaxSteps(network)
    from objectives.training.tensorflow_lanes import TensorflowSteps

    return TensorflowSteps(network)
