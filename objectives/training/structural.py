"""Find which parameters of a user's function decide about the structure of its networks.

Trials that agree in these are trained by one program, so that a pack is given such ones. A mistake
costs time only: a pack reads the structure of each network, and trains it in a program of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

from objectives.training.keras_internals import create_all_variables
from objectives.training.quick_compile import compiled_quickly
from objectives.training.structure import read
from objectives.training_hyperparameters import TrainingHyperparameters
from objectives.types import Batch

MAX_SECONDS = 20.0
STRUCTURAL = "batch_size"  # of what training reads

Setting = Mapping[str, Any]
Build = Callable[[Setting], keras.Model]


def structural_factors(
    build: Build,
    variants: Mapping[str, Sequence[Setting]],
    settings: Sequence[Setting],
    batch: Batch,
) -> list[str]:
    """Return the factors some of whose levels make networks of other structures.

    Args:
        build: Returns the compiled network of a setting, which has all parameters.
        variants: Factor -> what each of its levels sets.
        settings: Settings in which the factors occur.
        batch: Some examples.

    Returns:
        Those that are not sure to leave the structure as it is, be it for want of time.
    """
    deadline = time.monotonic() + MAX_SECONDS
    known: dict[str, str] = {}

    def key(setting: Setting) -> str:
        name = repr(sorted(setting.items()))
        if name not in known:
            known[name] = _structure(build, setting, batch)
        return known[name]

    def is_structural(levels: Sequence[Setting]) -> bool:
        names = {name for level in levels for name in level}
        if STRUCTURAL in names:
            return True
        if names <= TrainingHyperparameters.model_fields.keys():
            return False
        base = next((each for each in settings if names & each.keys()), None)
        if base is None or time.monotonic() > deadline:
            return True
        try:
            first, *others = ({**base, **level} for level in levels)
            of_first = key(first)
            return any(key(other) != of_first for other in others)  # the rest is not built
        except Exception:  # a level needs other parameters, or its structure cannot be read
            return True

    return [factor for factor, levels in variants.items() if is_structural(levels)]


def _structure(build: Build, setting: Setting, batch: Batch) -> str:
    """Return what the structure of a network is known by.

    In a thread of its own, where Keras names its parts as in the first network of a process.
    """

    def key() -> str:
        keras.utils.set_random_seed(0)
        with compiled_quickly():
            network = build(setting)
        create_all_variables(network, batch)
        return read(network).key

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(key).result()
