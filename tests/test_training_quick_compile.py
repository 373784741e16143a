"""What runs once is compiled on JAX without being optimized."""

from __future__ import annotations

import jax
import keras
import pytest

from objectives.training.quick_compile import compiled_quickly

FLAG = "jax_disable_most_optimizations"


@pytest.mark.parametrize(("backend", "within"), [("jax", True), ("tensorflow", False)])
def test_it_is_so_on_jax_and_within_the_context_only(
    monkeypatch: pytest.MonkeyPatch, backend: str, within: bool
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    found = []

    def fail() -> None:
        with compiled_quickly():
            found.append(jax.config.read(FLAG))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert found == [within]
    assert jax.config.read(FLAG) is False
