"""How the point of a trial came about: by a design, a known setting, a round or a sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import first_attempt
from storage.study_attributes import FIXED_PARAMS_KEY, POINT_KEY, SEED_KEY, SLOT_KEY
from studies.attributes import ARRAY_KEY, RERUN_KEY, RERUN_STUDY_KEY
from studies.designs.orthogonal import orthogonal
from studies.designs.points import initial_points

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from studies.definition.study import StudyDefinition


def chosen_by(study: optuna.Study, definition: StudyDefinition, trial: FrozenTrial) -> str:
    """Return in words how the point of a trial was chosen."""
    search, attributes = definition.search, trial.system_attrs
    if RERUN_KEY in trial.user_attrs:
        of = study.user_attrs.get(RERUN_STUDY_KEY, {}).get("study", "another study")
        return f"trial {trial.user_attrs[RERUN_KEY]} of {of}, made again"
    if SLOT_KEY in attributes:
        turn, place = attributes[SLOT_KEY]
        return f"{search.sampler_name}, place {place} of round {turn}"
    known = _known_setting(definition, trial)
    if known is not None:
        return f"known setting {known + 1} of {len(search.enqueue)} in [[search.enqueue]]"
    if search.design is not None:
        return _of_design(study, definition, trial)
    if FIXED_PARAMS_KEY in attributes and POINT_KEY not in attributes:
        return f"queued with {', '.join(attributes[FIXED_PARAMS_KEY]) or 'no parameters'}"
    return f"the sampler {search.sampler_name}, seed {search.seed}"


def _known_setting(definition: StudyDefinition, trial: FrozenTrial) -> int | None:
    """Return which of the known settings a trial has; the sampler chose what that leaves open."""
    known = definition.factors.factors
    n_points = len(definition.search.enqueue) * definition.search.replicates
    if first_attempt(trial) >= n_points:
        return None
    for i, setting in enumerate(definition.search.enqueue):
        wanted = {
            name: known[name].choice_of(value, "") if name in known else value
            for name, value in setting.items()
        }
        if all(trial.params[name] == wanted[name] for name in wanted if name in trial.params):
            return i
    return None


def _of_design(study: optuna.Study, definition: StudyDefinition, trial: FrozenTrial) -> str:
    search = definition.search
    if search.design == "orthogonal":
        design = orthogonal(definition.factors, search.dummy_levels)
        array = study.user_attrs.get(ARRAY_KEY, {}).get("array") or design.array or "the grid"
        rows = [i for i, each in enumerate(design.points, 1) if each == trial.params]
        if rows:
            return f"row {' or '.join(map(str, rows))} of {len(design.points)} of {array}"
    points = initial_points(definition)
    seed = trial.user_attrs.get(SEED_KEY)
    for i, point in enumerate(points, 1):
        if dict(point.params) == trial.params and point.user_attrs.get(SEED_KEY) == seed:
            return f"point {i} of {len(points)} of the {search.design} design"
    return f"added to the {search.design} design"
