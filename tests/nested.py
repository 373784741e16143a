"""Run tests once more in a pytest of their own: on the other backend, or in float64."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext

from forked_processes import LEAN, usual_start
from xla import FASTEST_XLA

FULL = "full"
KIND = os.environ.get("HPO_NESTED")  # of this pytest; None if no test has started it
IS_NESTED = KIND is not None
IS_LEAN = KIND == LEAN and os.environ.get("KERAS_BACKEND") == "jax"


def start_tests(
    *files: str,
    select: str = "",
    backend: str = "jax",
    kind: str = LEAN,
    floatx: str = "float32",
    flags: str = FASTEST_XLA,
) -> subprocess.Popen[str]:
    """Start tests, which inherit the cache of compiled programs.

    Args:
        files: Their files.
        select: Which of these, as for pytest's `-k`.
        backend: That of Keras.
        kind: LEAN for tests that need of Keras what a child that trains does; on JAX they begin
            with what a fork has imported. FULL for those that need all that Keras can import.
        floatx: The precision in which Keras computes.
        flags: XLA's. Nearly all of the time is compilation, which XLA can do with less care.
    """
    environment = {
        "HPO_NESTED": kind,
        "HPO_FLOATX": floatx,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": flags,
    }
    plugins = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    with nullcontext() if (kind, backend) == (LEAN, "jax") else usual_start():
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "pytest", "-q", "-n0", *plugins, "-k", select, *files],
            env=os.environ | environment,
            text=True,
            stdout=subprocess.PIPE,
        )


def said_by(*tests: subprocess.Popen[str]) -> list[str]:
    """Wait until tests have passed, and return what each pytest has said."""
    words = [each.communicate(timeout=1100)[0] for each in tests]
    assert [each.returncode for each in tests] == [0] * len(tests), "\n".join(words)
    return words


def set_precision() -> None:
    """Let Keras compute in the precision that is asked for, before anything is computed."""
    if os.environ["HPO_FLOATX"] == "float64":
        import jax
        import keras

        jax.config.update("jax_enable_x64", True)
        keras.config.set_floatx("float64")
