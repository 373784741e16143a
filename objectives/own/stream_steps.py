"""How many batches an epoch has, where data come batch by batch."""

from __future__ import annotations

from typing import Any

from objectives.data.streams import Streams, length
from objectives.errors import SettingError
from objectives.training_hyperparameters import TrainingHyperparameters

NAMES = {"steps_per_epoch": "train", "validation_steps": "validation"}
"""The lines that say it, and the parts that they are of."""

NOT_PARTED: tuple[int | None, int | None] = (None, None)


def stream_steps(
    hyperparameters: TrainingHyperparameters, streams: Streams | None
) -> tuple[int | None, int | None]:
    """Return `steps_per_epoch` and `validation_steps`, None for a whole pass.

    Raises:
        SettingError: Data without an end have none; those that end have fewer, or are not parted
            into epochs without a rest; or there are none that come batch by batch.
    """
    train, validation = (_steps(name, hyperparameters, streams) for name in NAMES)
    return train, validation


def _steps(
    name: str, hyperparameters: TrainingHyperparameters, streams: Streams | None
) -> int | None:
    steps: int | None = getattr(hyperparameters, name, None)
    if streams is None:
        if steps is not None:
            raise SettingError(
                f"Expected {name} for data that come batch by batch alone. Received: "
                f"{name}={steps}, and arrays, of which an epoch has all. Leave it out; steps says "
                "how many gradient steps there are in all."
            )
        return None
    stream: Any = getattr(streams, NAMES[name])
    n = length(stream)
    if n is None and steps is None:
        raise SettingError(
            f"Expected {name}, the batches of an epoch, for data that do not end, or whose end is "
            f"not known, as {NAMES[name]}. Received: none. Set it in [fixed], or return "
            "dataset.take(100)."
        )
    if n is None or steps is None:
        return steps
    if name == "steps_per_epoch" and n % steps:
        raise SettingError(
            f"Expected {name} that parts the {n} batches of {NAMES[name]} without a rest. "
            f"Received: {name}={steps}. Leave it out, or return dataset.repeat()."
        )
    if steps > n:
        raise SettingError(
            f"Expected {name} of at most the {n} batches of {NAMES[name]}. "
            f"Received: {name}={steps}. Leave it out for all of them."
        )
    return steps
