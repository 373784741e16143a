"""How the points of a study were chosen, and whether they come in random order."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import optuna

from studies.attributes import DEFINITION_KEY
from studies.definition.sampler_options import DEFAULT_SAMPLER
from studies.errors import HpoError
from studies.lookup import definition_of

Order = Literal["random", "adaptive", "listed", "unknown"]


def how_searched(study: optuna.Study) -> str:
    """Return how a study's points are chosen: `grid design`, `tpe sampler`; `unknown` of others."""
    stored = study.user_attrs.get(DEFINITION_KEY)
    if stored is None:
        return "unknown"
    if is_design(study):
        return f"{stored['search']['design']} design"
    return f"{_sampler_of(stored['search'])} sampler"


def is_design(study: optuna.Study) -> bool:
    """Tell whether a study has a design, whose points are known before it begins."""
    return bool(study.user_attrs.get(DEFINITION_KEY, {}).get("search", {}).get("design"))


def order_of(study: optuna.Study) -> Order:
    """Return in which order the points of a study come.

    Returns:
        `random` where any order is as likely as another; `adaptive` where each depends on the
        values before it; `listed` for a plan that is not random: designs, but for the random one,
        and quasi-random points, which fill the gaps of those before; `unknown` for a study of
        another program.
    """
    stored = study.user_attrs.get(DEFINITION_KEY)
    if stored is None:
        return "unknown"
    if is_design(study):
        return "random" if stored["search"]["design"] == "random" else "listed"
    orders: dict[str, Order] = {"random": "random", "qmc": "listed"}
    return orders.get(_sampler_of(stored["search"]), "adaptive")


def shares_structure(study: optuna.Study, *, in_order: bool) -> bool:
    """Tell whether trials of a pack were chosen to have one structure of networks.

    A sampler draws it once for them all. Of a design they are those that are claimed before others
    of the list.

    Args:
        study: The study.
        in_order: Whether its points have begun in the order of its list.
    """
    if is_design(study) and in_order:
        return False
    with suppress(HpoError, ValueError, OSError):  # as where its data are not on this machine
        return bool(definition_of(study).structural_factors)
    return False


def _sampler_of(search: Mapping[str, Any]) -> str:
    spec = search.get("sampler") or DEFAULT_SAMPLER
    return str(spec if isinstance(spec, str) else spec["name"])
