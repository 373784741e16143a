"""The messages about users' code before a study is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studies.executor.request import DatasetSpec, Request


@dataclass(frozen=True)
class NetworkInspected:
    """What a user's function builds.

    Attributes:
        space: The lines of `[space]` that were found; empty where settings were given.
        metrics: The metrics that training reports, those of validation with `val_` before them.
        overridden: Parameters whose values the study gives other bounds than the function does.
        n_builds: How often the function was called.
        convolves_pictures: Whether there is a convolution over two or three dimensions.
        trained_by: The way in which it is trained.
        reason: Why in this one.
        structural: The factors that decide about the structure of the network.
        encoding: How it gets the data: which class each label is, where labels are text.
        training: Numbers of training that the code itself gives; None for those that vary.
        notes: Sentences for a person, of what was found beside it.
        n_judged: How many different labels the validation part has; None where that is not known.
    """

    space: dict[str, Any]
    metrics: list[str]
    overridden: list[str]
    n_builds: int
    convolves_pictures: bool
    trained_by: str
    reason: str
    structural: list[str]
    encoding: dict[str, Any]
    training: dict[str, int | None]
    notes: list[str]
    n_judged: int | None = None


@dataclass(frozen=True)
class InspectNetwork(Request[NetworkInspected]):
    """Build a user's networks, before a study is made, and check them on a few examples.

    Attributes:
        objective: The user's function.
        dataset: The data to train on.
        fixed: What no trial changes.
        settings: Settings that the study can have; none to find the space.
        lines: The lines of `[space]` that these follow.
        variants: Factor of these -> what each of its levels sets.
    """

    objective: str
    dataset: DatasetSpec
    fixed: dict[str, Any]
    settings: list[dict[str, Any]]
    lines: dict[str, Any]
    variants: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class FunctionFound:
    """A function that can be called.

    Attributes:
        attributes: User attributes to record with a trial that ends this process.
    """

    attributes: dict[str, Any]


@dataclass(frozen=True)
class FindFunction(Request[FunctionFound]):
    """Import the module of a user's function, `module:name`, and look for the function in it."""

    function: str


@dataclass(frozen=True)
class DataExamined:
    """What is known of the data that a user's function returns.

    Attributes:
        encoding: How pictures and labels become what networks take.
        shape: Height, width and channels.
        n_judged: How many different labels the validation part has; None where that is not known.
    """

    encoding: dict[str, Any]
    shape: list[int]
    n_judged: int | None = None


@dataclass(frozen=True)
class ExamineData(Request[DataExamined]):
    """Call the function that returns a data set, and check all that can be known of it."""

    dataset: DatasetSpec
