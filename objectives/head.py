"""What a network's output means: how it is trained and judged against the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    import keras

Array = np.ndarray[Any, Any]
Direction = Literal["maximize", "minimize"]


class Head(Protocol):
    """The label codec of a network: its loss, what it predicts, and the metrics of that.

    Tensors belong to the Keras backend; nothing in `loss` and `predict` depends on other pictures.
    """

    def loss(self, y: Any, outputs: Any) -> Any:
        """Return the loss of each picture, (n,).

        Args:
            y: Labels, (n,), integers.
            outputs: The network's output, (n, units), before a softmax if it has one.
        """

    def scores(self, outputs: Any) -> Any:
        """Return what `loss` and `predict` take, of the output of a stock network."""

    def predict(self, outputs: Any) -> Any:
        """Return the label that the network finds likeliest for each picture, (n,)."""

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return Keras metrics of what is averaged while training, beside the loss.

        They must not read the numbers that the head was made with: Keras computes them where
        variables have no values on JAX.
        """

    def summarize(self, y: Array, predicted: Array) -> dict[str, float]:
        """Return the metrics of some pictures beside their loss, without `val_` or `test_`.

        Args:
            y: Labels, (n,).
            predicted: What `predict` made of the outputs, (n,).
        """

    def stock_compile(self) -> Mapping[str, Any] | None:
        """Return the loss and the metrics to save a network with; None where Keras has none."""
