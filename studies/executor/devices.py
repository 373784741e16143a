"""What a child computes with: its library and its device."""

from __future__ import annotations

import sys

LIBRARIES = ("jax", "tensorflow", "torch")  # also the names of Keras's backends


def device_of(backend: str) -> str:
    """Return the device that a library computes on, as the library names it."""
    if backend == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    if backend == "torch":
        import torch

        return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else "cpu"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return str(details.get("device_name", "cpu"))


def loaded_library() -> str | None:
    """Return the library that a user's function computes with; None if it has loaded none.

    Keras's backend, where the function has loaded Keras, and else the first that it has loaded.
    """
    if "keras" in sys.modules:
        import keras

        return str(keras.backend.backend())
    return next((name for name in LIBRARIES if name in sys.modules), None)
