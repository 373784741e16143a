"""Data functions that tests write, loaded as a new process loads them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objectives import DataOptions
from objectives.data import datasets
from objectives.data.encoding import AS_STORED


@contextmanager
def forgotten(module: Path) -> Iterator[Path]:
    """Give the file of a module, which no later test finds as imported."""
    yield module
    sys.modules.pop(module.stem, None)


def load_written(module: Path, text: str) -> datasets.Dataset:
    """Write a file with a function `load`, and load its data as a new process does."""
    sys.modules.pop(module.stem, None)
    module.write_text(text)
    return datasets.load(f"{module}:load", DataOptions(), AS_STORED)
