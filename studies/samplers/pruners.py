"""Make the pruner that a definition names."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from optuna import pruners
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner

from studies.definition.sampler_options import NamedOptions, read_pruner

CLASSES: dict[str, Callable[..., BasePruner]] = {
    "none": pruners.NopPruner,
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "successive_halving": pruners.SuccessiveHalvingPruner,
    "hyperband": pruners.HyperbandPruner,
    "threshold": pruners.ThresholdPruner,
    "patient": pruners.PatientPruner,
    "wilcoxon": pruners.WilcoxonPruner,
}


def build_pruner(spec: NamedOptions, max_resource: int | None) -> BasePruner:
    """Make a pruner.

    Args:
        spec: A name, or a table with `name` and options.
        max_resource: The most epochs of a trial, for Hyperband; None if they are unknown.

    Raises:
        ValueError: The name or an option is unknown, or a value breaks a rule.
    """
    name, options = read_pruner(spec)
    if name == "hyperband" and max_resource is not None:
        options.setdefault("max_resource", max_resource)
    if name == "patient":
        wrapped = options.pop("wrapped")
        # Optuna's PatientPruner prunes by itself if it wraps None. If it wrapped a NopPruner, it
        # would never prune.
        options["wrapped_pruner"] = (
            None if wrapped == "none" else build_pruner(wrapped, max_resource)
        )
    with warnings.catch_warnings():
        # The study names it: its author knows that Optuna may still change its interface.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return CLASSES[name](**options)
