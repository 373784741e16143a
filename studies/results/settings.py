"""The whole setting of a trial: each hyperparameter, and where its value comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from objectives.hyperparameters import OPTIMIZER_SETTINGS
from studies.definition.fixed import FROM, own_lines

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from studies.definition.study import StudyDefinition

SEARCHED, FIXED, DEFAULT = "searched", "fixed", "default"
EARLIER = "default when the study was made"
OF_KERAS = "Keras's default"  # of the version that the trial was made with
OR_OF_CODE = "default, if the code has no other"  # a function may choose its batch size itself
Row = tuple[str, Any, str]


def whole_setting(definition: StudyDefinition, trial: FrozenTrial) -> list[Row]:
    """Return name, value and origin of all hyperparameters of a trial: the searched ones first.

    Args:
        definition: The study's definition.
        trial: The trial.
    """
    known = definition.factors.factors
    params = {name: value for name, value in trial.params.items() if name in known}
    whole = _resolved(definition, params)
    searched = {
        k: v for name, v in params.items() for k, v in known[name].hyperparameters(v).items()
    }
    rows: list[Row] = [(name, value, SEARCHED) for name, value in searched.items()]
    # What a function has asked for by itself, without a line of [space].
    rows += [(n, v, SEARCHED) for n, v in trial.params.items() if n not in known]
    rest = [row for row in _others(definition) if row[0] not in searched]
    for name, default, origin in rest:
        value = whole.get(name, default)
        is_left = value is None and name in _left_to_keras(whole)
        rows.append((name, value, OF_KERAS if is_left else origin))
    return rows


def _left_to_keras(whole: dict[str, Any]) -> set[str]:
    """Return what Keras decides about an optimizer where a built-in objective does not."""
    used = OPTIMIZER_SETTINGS.get(whole.get("optimizer", ""), ())
    return {"learning_rate", *used} if used else set()


def _resolved(definition: StudyDefinition, params: dict[str, Any]) -> dict[str, Any]:
    """Return all hyperparameters as training reads them; those of another decide some."""
    if definition.is_function:
        return {}
    try:
        point = definition.factors.at(params)
        return definition.hyperparameters(**definition.setting_at(point)).model_dump()
    except (KeyError, ValueError):  # a trial that failed by this, or before it had parameters
        return {}


def _others(definition: StudyDefinition) -> Iterator[Row]:
    """Yield what no trial changes."""
    factors = definition.factors
    own, given = own_lines(definition.fixed), definition.fixed.get(FROM)
    origin = f"best of {given['study']}" if isinstance(given, dict) else FIXED
    for name, value in factors.fixed.items():
        yield name, value, FIXED if name in own else origin
    if definition.is_function:
        return
    for name, value in factors.defaults.items():
        if name not in factors.fixed:
            plain = OR_OF_CODE if definition.is_own_network else DEFAULT
            yield name, value, EARLIER if name in factors.earlier else plain
