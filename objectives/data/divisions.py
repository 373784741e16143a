"""Whether data can be divided anew into training and validation."""

from objectives.data.archives import Archive
from objectives.data.clocks import Clocks
from objectives.data.function import DataFunction
from objectives.data.options import DataOptions
from objectives.data.sources import source_of


def why_not_redrawn(name: str, options: DataOptions) -> str | None:
    """Return why another `seed` does not draw another validation part and nothing else.

    Args:
        name: The name or path of the data set.
        options: How it is split.

    Returns:
        What there is instead; None where it does.
    """
    source = source_of(name)
    if isinstance(source, DataFunction):
        return f"{name}, a function that divides its data itself"
    if isinstance(source, Clocks):
        return f"{name}, where one seed draws the test part too"
    if options.folds is not None:
        return f"folds={options.folds}, by which each trial has several divisions already"
    if options.test_fraction is not None:
        return "test_fraction, where one seed draws the test part too"
    for option in ("time", "split"):
        if getattr(options, option) is not None:
            return f"{option}={getattr(options, option)}, which says what validates"
    if isinstance(source, Archive) and source.has("validation", options):
        return f"{name}, which has a validation part of its own"
    return None


def validation_share(options: DataOptions) -> float:
    """Return how many examples validate for each that trains, where none is left out."""
    return options.validation_fraction / (1 - options.validation_fraction)
