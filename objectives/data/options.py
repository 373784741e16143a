"""The options of a data set, as a study's table `[data]` gives them."""

from typing import Any, Literal

import pydantic

COMMON = frozenset(
    {"train_size", "validation_fraction", "seed", "scale", "folds", "permute_pixels"}
)
"""The options of every data set; the others belong to sources that name them."""


class DataOptions(pydantic.BaseModel, frozen=True, extra="forbid", strict=True):
    """How the training part of a data set is used.

    Attributes:
        train_size: The number of pictures for training; None is all but the validation part.
        validation_fraction: The share of pictures for validation, split off first. Clocks are
            split 80/10/10 instead, minute by minute.
        seed: The seed of the split, of rendered clocks, and of `permute_pixels`. It is the study's
            and not the trial's: all trials share one split.
        scale: What pixels are divided by, inside the networks; None is 1, 255 or 65535, by the type
            and maximum of the training part, found when the study is made; see
            `objectives.data.encoding.divisor`.
        size: Height and width in pixels, of rendered clocks (None is 75) and of pictures in a
            folder, which are resized (None is their own, if all have the same).
        n_images: The number of rendered clocks, the test part included; None is 18,000.
        permute_pixels: Of pictures: whether the pixels of all, test part included, are brought into
            one random order. It shows how much a network owes to neighbours.
        folds: Cross-validation: each trial is trained once for each of so many parts, on the
            others, and its value is the mean. None validates on one part.
        channels: Of pictures in a folder: 1 is gray, 3 is color; None is color unless all are gray.
        test_fraction: The share that is split off for the test part, where the data set has none of
            its own; None is no test part.
        target: Of a table: the column to predict, or a list of columns of numbers.
        drop: Of a table: columns that networks do not see.
        group: Of a table: a column whose equal rows stay in one part.
        time: Of a table: a column of numbers or dates; the latest rows are held out.
        split: Of a table: a column that says the part of each row, train, validation or test.
        weight: Of a table: a column of numbers from 0, what each row counts in the loss.
        rotation: The largest angle in degrees by which rendered dials are turned; None is 180, any
            way round.
        arguments: What a function that returns the data is called with, by name; every line of
            the table that is no option of all data sets is one.
    """

    train_size: int | None = pydantic.Field(default=None, ge=1)
    validation_fraction: float = pydantic.Field(default=0.1, gt=0, lt=1)
    seed: int = pydantic.Field(default=0, ge=0, lt=2**32)
    scale: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)
    size: int | None = pydantic.Field(default=None, ge=16, le=1024)
    n_images: int | None = pydantic.Field(default=None, ge=10, le=1_000_000)
    rotation: float | None = pydantic.Field(default=None, ge=0, le=180)
    permute_pixels: bool = False
    folds: int | None = pydantic.Field(default=None, ge=2, le=20)
    channels: Literal[1, 3] | None = None
    test_fraction: float | None = pydantic.Field(default=None, gt=0, lt=1)
    target: str | list[str] | None = None
    drop: list[str] | None = None
    group: str | None = None
    time: str | None = None
    split: str | None = None
    weight: str | None = None
    arguments: dict[str, Any] = {}


DEFAULT = DataOptions()
