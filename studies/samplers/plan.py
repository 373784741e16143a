"""What tells the next round of a study, where its sampler goes by rounds."""

from __future__ import annotations

from functools import partial

from storage import Plan
from studies.definition.sampler_options import DEFAULT_SAMPLER, read_sampler
from studies.definition.study import StudyDefinition
from studies.samplers.coordinate import next_factor
from studies.samplers.rounds import Perturbing, next_round


def plan_of(definition: StudyDefinition) -> Plan | None:
    """Return what tells the next round of a study; None where it has no rounds."""
    search = definition.search
    if not search.in_rounds:
        return None
    space, maximize = definition.factors, definition.direction == "maximize"
    if search.varies_in_turn:
        order, default = list(definition.space), search.default
        return partial(next_factor, space=space, order=order, default=default, maximize=maximize)
    _, options = read_sampler(search.sampler or DEFAULT_SAMPLER)
    options.setdefault("n_kept", (options["n_settings"] + 1) // 2)
    how = Perturbing(**options)
    return partial(next_round, space=space, how=how, seed=search.seed, maximize=maximize)
