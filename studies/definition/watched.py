"""Check the metrics that stop a trial early, or show a plateau, where a study names them."""

from __future__ import annotations

from collections.abc import Collection

from objectives.errors import unknown_name
from objectives.own.directions import direction_of
from objectives.training_hyperparameters import METRIC_SETTINGS
from studies.errors import DefinitionError
from studies.space.space import Space


def check_watched(space: Space, own_metric: str, metrics: Collection[str]) -> None:
    """Check all metrics that a trial may be told to watch.

    Args:
        space: What the study sets.
        own_metric: The study's metric, whose direction it tells.
        metrics: Those that the network reports.

    Raises:
        DefinitionError: One is not among them, or is not known to be better higher or lower.
    """
    for name in METRIC_SETTINGS:
        key = f"{'fixed' if name in space.fixed else 'space'}.{name}"
        for metric in map(str, filter(None, space.possible_values(name))):
            if metric not in metrics:
                known = unknown_name("a metric of the network", metric, metrics)
                raise DefinitionError(key, str(known))
            if metric != own_metric and direction_of(metric) is None:
                raise DefinitionError(
                    key,
                    "Expected the study's metric, or one whose name tells whether it is better "
                    f"higher or lower, such as val_loss. Received: {name}={metric!r}.",
                )
