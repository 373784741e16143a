"""Check what a definition says of its objective: its name, its data and its metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import objectives
from objectives import DataOptions, Objective, registered
from objectives.data import sources
from objectives.data.data_source import DataSource
from objectives.data.encoding import Encoding
from objectives.errors import unknown_name
from objectives.networks.class_metrics import TOP, TOP_ACCURACY
from studies.definition.search import keyed
from studies.errors import DefinitionError


def check_function(data: DataOptions, fixed: Mapping[str, Any]) -> None:
    """Check that a function that returns a number is given nothing that a network is.

    Raises:
        DefinitionError: It is.
    """
    if data != DataOptions():
        raise DefinitionError(
            "data",
            "Expected none for a function that returns a number, which has its own data. "
            "Received: some. With a dataset it returns a network.",
        )
    for name in fixed:  # the first of them
        of_search = " The search's own seed is search.seed." if name == "seed" else ""
        raise DefinitionError(
            f"fixed.{name}",
            "Expected nothing fixed for a function that returns a number: it is given what [space] "
            f"has alone. Received: {name}.{of_search}",
        )


def check_as_stored(data: DataOptions) -> None:
    """Check that nothing is to be done to the data of a network that gets them as stored.

    Raises:
        DefinitionError: Something is.
    """
    rule = "Expected none for a network of your own, which gets the data as stored. Received: "
    if data.scale is not None:
        raise DefinitionError(
            "data.scale",
            f"{rule}scale={data.scale:g}. Divide in the network: keras.layers.Rescaling(1 / "
            f"{data.scale:g}).",
        )
    if data.permute_pixels:
        raise DefinitionError(
            "data.permute_pixels",
            f"{rule}permute_pixels=true. Permute them in the network, or in a function that "
            "returns the data.",
        )


def check_name(objective: str) -> None:
    """Check that an objective is registered.

    Raises:
        DefinitionError: It is not.
    """
    if objective not in objectives.names():
        own = "A function of your own is written module:function or file.py:function."
        remedy = registered.remedy(objective) or own
        unknown = unknown_name("an objective", objective, objectives.names(), remedy=remedy)
        raise DefinitionError("objective", str(unknown))


def check_dataset(dataset: str | None, options: DataOptions) -> None:
    """Check that there are such data.

    Raises:
        DefinitionError: There are none.
    """
    if dataset is None:
        raise DefinitionError(
            "dataset",
            f"Expected one of {', '.join(sources.names())}, or a path. Received: none.",
        )
    keyed("dataset", lambda: sources.check(dataset, options))


def check_labels(dataset: str, options: DataOptions, network: Objective) -> DataSource:
    """Return the source of the data, if a network can be trained on them.

    Raises:
        DefinitionError: It has other labels, or too few pictures.
    """
    source = sources.source_of(dataset)
    if source.labels != network.labels:
        raise DefinitionError(
            "dataset",
            f"Expected labels that are each a {network.labels}, for {network.name}. "
            f"Received: {dataset!r}, whose labels are each a {source.labels}.",
        )
    most = source.training_size(options)
    if most is not None and (options.train_size or 0) > most:
        raise DefinitionError(
            "data.train_size",
            f"Expected at most the {most} pictures that the validation part leaves. "
            f"Received: train_size={options.train_size}.",
        )
    return source


def check_metric(metric: str, direction: str, network: Objective) -> None:
    """Check that a network has a metric, and that its direction is right.

    Raises:
        DefinitionError: It has not, or it is not.
    """
    expected = check_metric_name(metric, network)
    if direction != expected:
        raise DefinitionError(
            "direction",
            f"Expected {expected!r} for {metric}. Received: direction={direction!r}.",
        )


def check_metric_name(metric: str, network: Objective) -> str:
    """Check that a network has a metric, and return in which direction it is better.

    Raises:
        DefinitionError: It has not.
    """
    known = {**network.number_metrics, **network.metrics}
    if metric not in known:
        raise DefinitionError("metric", str(unknown_name("a metric", metric, known)))
    return known[metric]


def check_judged(metric: str, n_labels: int | None) -> None:
    """Check that a metric is defined for the labels that it is to be computed of.

    Args:
        metric: Its name.
        n_labels: How many different labels the validation part has; None where that is not known.

    Raises:
        DefinitionError: It is not: an area under a curve and R squared need two labels.
    """
    needs_two = "auc" in metric.lower() or metric.lower().startswith("val_r2")
    if n_labels == 1 and needs_two:
        raise DefinitionError(
            "metric",
            f"Expected at least two different labels in the validation part, for {metric}. "
            "Received: one, by which it is not defined. Hold other examples out, by [data], or "
            "choose another metric.",
        )


def check_encoding(
    metric: str, network: Objective, encoding: Encoding, n_judged: int | None
) -> None:
    """Check that a network learns what the data have, and is judged by a metric of that.

    Args:
        metric: The metric of the study.
        network: The network.
        encoding: What was found of the data.
        n_judged: See `check_judged`.

    Raises:
        DefinitionError: It does not, or is not.
    """
    check_judged(metric, n_judged)
    n_classes = TOP + 1 if encoding.labels is None else len(encoding.labels)
    if metric == f"val_{TOP_ACCURACY}" and n_classes <= TOP:
        raise DefinitionError(
            "metric",
            f"Expected more than {TOP} classes for {metric}, which is 1 for any network of fewer. "
            f"Received: {n_classes}.",
        )
    if encoding.table is None:
        return
    if not network.number_metrics:
        raise DefinitionError(
            "objective",
            f"Expected mlp, or a network of your own, for a table. Received: {network.name}, which "
            "takes pictures.",
        )
    known = network.metrics if encoding.target is None else network.number_metrics
    if metric not in known:
        what = "classes" if encoding.target is None else "numbers"
        unknown = unknown_name(
            f"a metric of {what}, as the target has", metric, known, remedy=_other_kind(encoding)
        )
        raise DefinitionError("metric", str(unknown))


def _other_kind(encoding: Encoding) -> str:
    """Return how to have a column of whole numbers taken for the other kind of target."""
    if encoding.labels is None:
        return "Few whole numbers are classes. Write 3, not 3.0, to have them so."
    if all(isinstance(label, str) for label in encoding.labels):
        return ""
    return "Few whole numbers are classes. Write 3.0, not 3, to have them as numbers."
