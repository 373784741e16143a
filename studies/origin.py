"""The setting that a study takes from the best trial of another one, looked up when it is made."""

from __future__ import annotations

from typing import Any

import objectives
from objectives.training_hyperparameters import TrainingHyperparameters
from storage import TrialStorage, best_trial, study_attributes
from studies.attributes import CREATED_KEY, DEFINITION_KEY
from studies.definition.fixed import FROM, predecessor
from studies.definition.study import StudyDefinition
from studies.errors import DefinitionError, StudyNotFoundError
from studies.lookup import as_argument, definition_of, find_study, open_study
from studies.space.parse_space import NONE

KEY = f"fixed.{FROM}"


def with_origin(definition: StudyDefinition, storage: TrialStorage) -> StudyDefinition:
    """Return a definition with the best setting of the study that its `[fixed]` names.

    A study that is made already keeps the setting that it was made with, whatever is best now.

    Raises:
        DefinitionError: There is no such study in the storage, no trial of it is complete, or its
            setting has hyperparameters that this study's objective lacks.
    """
    name = predecessor(definition.fixed)
    if name is None:
        return definition
    made = study_attributes(storage, DEFINITION_KEY, having=CREATED_KEY).get(definition.name)
    before = (made or {}).get("fixed", {}).get(FROM)
    if isinstance(before, dict) and before["study"] == name:
        return definition.with_lines(fixed={**definition.fixed, FROM: before})
    origin = _best(name, storage)
    _check_known(definition, origin)
    return definition.with_lines(fixed={**definition.fixed, FROM: origin})


def _best(name: str, storage: TrialStorage) -> dict[str, Any]:
    """Return study, trial and setting of the best trial of a study, as they are stored."""
    try:
        found = open_study(find_study(name, storage), storage)
    except StudyNotFoundError as error:
        raise DefinitionError(KEY, str(error)) from None
    best = best_trial(found)
    if best is None:
        raise DefinitionError(
            KEY,
            "Expected a study with a complete trial. Received: "
            f"{name}, of which none is. Work on it first: hpo run {as_argument(name)}",
        )
    definition = definition_of(found)
    setting = definition.setting_at(definition.factors.at(best.params))
    # TOML has no None, and a definition is stored as it would be written.
    written = {key: NONE if value is None else value for key, value in setting.items()}
    return {"study": name, "trial": best.number, "setting": written}


def _check_known(definition: StudyDefinition, origin: dict[str, Any]) -> None:
    """Check that the objective has what the other study's best trial sets."""
    if definition.objective not in objectives.names():
        return  # only a user's code knows; a name that is not known is told by the definition
    kind: type[TrainingHyperparameters] = definition.hyperparameters
    lacking = sorted(origin["setting"].keys() - kind.model_fields.keys())
    if lacking:
        raise DefinitionError(
            KEY,
            f"Expected the setting of a study whose hyperparameters {definition.objective} has. "
            f"Received: {origin['study']}, whose best trial sets {', '.join(lacking)} too. Write "
            "the others into [fixed]: see them in hpo best "
            f"{as_argument(origin['study'])}",
        )
