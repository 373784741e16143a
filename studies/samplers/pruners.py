"""Make the pruner that a definition names."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from optuna import pruners
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner

from studies.definition.sampler_options import NamedOptions, read_pruner
from studies.samplers.lineages import LineageHalvingPruner
from studies.samplers.optuna_internals import HyperbandAdapter, internals_problem

logger = logging.getLogger(__name__)


def _hyperband(**options: Any) -> BasePruner:
    """Make Hyperband among lineages; Optuna's own where it has changed what ours relies on."""
    problem = internals_problem("hyperband")
    if problem is None:
        return HyperbandAdapter(**options)
    _warn_once(problem)
    return pruners.HyperbandPruner(**options)


@cache
def _warn_once(problem: str) -> None:
    logger.warning("Optuna's own Hyperband serves, to which a retry is another trial: %s", problem)


CLASSES: dict[str, Callable[..., BasePruner]] = {
    "none": pruners.NopPruner,
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "successive_halving": LineageHalvingPruner,
    "hyperband": _hyperband,
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
