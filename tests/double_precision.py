"""Let Keras compute in float64 throughout, so that two ways to the same result can be compared."""

from typing import Any

import keras
import pytest


def compute_in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Keras compute tanh and normalize in float64 too, which it does in float32 otherwise."""
    plain = keras.src.backend.result_type

    def result_type(*dtypes: Any) -> str:
        return "float64" if "float64" in dtypes else str(plain(*dtypes))

    for module in (keras.src.backend, keras.src.backend.common.dtypes):
        monkeypatch.setattr(module, "result_type", result_type)
