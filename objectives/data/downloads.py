"""Published data sets, which Keras downloads into its cache and reads from there."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from filelock import FileLock

from objectives.errors import DataNotFoundError
from objectives.types import Array

_PROGRAM = "from objectives.data.downloads import main; main()"


def read(name: str) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Read the training part and the test part, after a download if need be. Loads Keras.

    Raises:
        DataNotFoundError: It is not in Keras's cache, and cannot be downloaded.
    """
    # Safe to import: the name is one of the registry's, not whatever a study says.
    dataset = importlib.import_module(f"keras.datasets.{name}")
    file = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The executor child's standard output is a pipe to the worker; Keras prints a progress bar.
        with FileLock(file.parent / f"{name}.lock"), contextlib.redirect_stdout(sys.stderr):
            train, test = dataset.load_data()
    except Exception as error:  # Keras raises a bare Exception when a download fails.
        raise _not_found(name, str(error)) from error
    return train, test


@cache
def fetch(name: str) -> None:
    """Bring a data set into Keras's cache by a process of its own, as this one loads no Keras.

    Once a process: the file's digest is checked each time, which reads all of it.

    Raises:
        DataNotFoundError: It cannot be downloaded.
    """
    # Of Keras's backends NumPy is the one that every installation has, and the first to be loaded.
    environment = os.environ | {"KERAS_BACKEND": "numpy"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, name],
        env=environment,
        stdout=subprocess.PIPE,  # standard error shows the progress
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = done.stdout.strip() or f"exit code {done.returncode}, for the reason above"
        raise _not_found(name, reason)


def main() -> None:
    """Fetch the data set that the command line names; print why it cannot be had."""
    try:
        read(sys.argv[1])
    except DataNotFoundError as error:
        print(error.__cause__)
        sys.exit(1)


def _not_found(name: str, reason: str) -> DataNotFoundError:
    return DataNotFoundError(
        f"Expected the data set {name}, but there is no file and no download: {reason}. "
        f"Put {name}.npz, with the arrays x_train, y_train, x_test and y_test, "
        "into the folder that the environment variable HPO_DATA names."
    )
