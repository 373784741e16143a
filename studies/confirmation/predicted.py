"""Make the study that trains the combination which the effects of a design predict as the best."""

from __future__ import annotations

from typing import Any

import optuna

from storage import storage_of, study_names
from studies.attributes import CREATED_KEY, DEFINITION_KEY, PREDICTED_KEY
from studies.confirmation.settings import artifacts_of, definition_for, inherited
from studies.confirmation.study import Prepare
from studies.create import create_study
from studies.errors import AnswerError, TakenNameError
from studies.lookup import as_argument, open_study
from studies.results.effects.effects import Effects
from studies.results.effects.predicted import Predicted


def make_predicted(study: optuna.Study, found: Effects, prepare: Prepare) -> optuna.Study:
    """Make the study STUDY-predicted: the best level of each factor, with seeds of its own.

    A study of its own, so that the analysis of the design never takes these trials for its points.
    It may be done twice.

    Args:
        study: The study of the design.
        found: Its effects.
        prepare: Looks at the code that the study names, before anything is written.

    Raises:
        AnswerError: It is a search, it has not ended, or nothing is predicted.
        TakenNameError: Another study has the name, or one of another prediction.
    """
    predicted = _checked(found)
    name, storage = f"{study.study_name}-predicted", storage_of(study)
    setting, record = dict(predicted.setting), _record(study, predicted)
    if name in study_names(storage):
        there = open_study(name, storage)
        if DEFINITION_KEY in there.user_attrs:  # else its creation was interrupted
            return _same(there, study, setting)
    definition = prepare(definition_for(study, [setting], name, predicted.n_seeds))
    attributes = {**inherited(study), PREDICTED_KEY: record}
    return create_study(definition, storage, artifacts=artifacts_of(study), attributes=attributes)


def _checked(found: Effects) -> Predicted:
    name = as_argument(found.study)
    if found.anova is None:
        raise AnswerError(
            "Expected a design, whose effects predict a combination. Received: "
            f"{found.study}, a search. Train its best settings anew: hpo confirm {name}"
        )
    if found.n_open:
        raise AnswerError(
            f"Expected a design that has ended. Received: {found.study}, of which "
            f"{found.n_open} of {found.n_trials} trials have not. Work on it first: hpo run {name}"
        )
    if found.predicted is None:
        raise AnswerError(
            f"Expected a factor of which two levels have a value. Received: none of {found.study}. "
            f"See what failed: hpo status {name}"
        )
    return found.predicted


def _same(there: optuna.Study, study: optuna.Study, setting: dict[str, Any]) -> optuna.Study:
    """Return the study that is there already, if it trains this combination."""
    record = there.user_attrs.get(PREDICTED_KEY)
    settings = there.user_attrs[DEFINITION_KEY]["search"]["enqueue"]
    is_of_it = record is not None and record["created_at"] == study.user_attrs.get(CREATED_KEY)
    if is_of_it and settings == [setting]:
        return there
    what = "a study of something else"
    if is_of_it:
        what = "that of another combination, which was the best one predicted before"
    name = as_argument(there.study_name)
    raise TakenNameError(
        f"Expected a free name, or the study of this combination. Received: "
        f"{there.study_name!r}, {what}. Delete it first: hpo delete {name}"
    )


def _record(study: optuna.Study, found: Predicted) -> dict[str, Any]:
    """Return what the study keeps of the prediction, so that it is judged by what it was then."""
    return {
        "study": study.study_name,
        "created_at": study.user_attrs.get(CREATED_KEY),
        "value": found.value,
        "variance": found.variance,
        "freedom": found.freedom,
        "leverage": found.leverage,
    }
