"""The settings to confirm, and the definition of the study that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import TrialState

import objectives
from objectives.data.encoding import from_json
from storage import BestPoint, best_points, storage_of
from storage.study_attributes import SEED_KEY as SEED
from studies.attributes import (
    ARTIFACTS_KEY,
    CONFIRMS_KEY,
    DATA_KEY,
    DEFAULTS_KEY,
    ENCODING_KEY,
    PREDICTED_KEY,
    RERUN_STUDY_KEY,
    TRANSFERRED_KEY,
)
from studies.create import as_stored
from studies.definition.fresh_seeds import FRESH_SEEDS, check_searched_seeds
from studies.definition.study import StudyDefinition
from studies.errors import DefinitionError, NoCompleteTrialError, SettingError
from studies.fleet.own_code import check_code
from studies.lookup import as_argument, check_made_here, definition_of, how_to_complete

TOP = 3


@dataclass(frozen=True)
class Chosen:
    """The best settings of a study.

    Attributes:
        settings: The parameters of each, without a seed, the best first.
        trials: The number of its trial; of several seeds that of the best one.
        values: What the search ranks it by.
        n_searched: How many trials of the search are complete.
    """

    settings: Sequence[Mapping[str, Any]]
    trials: Sequence[int]
    values: Sequence[float]
    n_searched: int


def check_is_search(study: optuna.Study, command: str, *, or_confirms: bool = False) -> None:
    """Check that a study is none that trains settings of another one anew.

    Args:
        study: The study.
        command: What is asked for.
        or_confirms: Whether it may confirm another one.

    Raises:
        StudyNotFoundError: It is another program's.
        SettingError: It does train settings of another one.
    """
    check_made_here(study)
    keys = [
        RERUN_STUDY_KEY,
        TRANSFERRED_KEY,
        PREDICTED_KEY,
        *([] if or_confirms else [CONFIRMS_KEY]),
    ]
    for key in keys:
        link = study.user_attrs.get(key)
        if link is not None:
            raise SettingError(
                f"Expected a searched study. Received: {study.study_name}, which has trained "
                f"settings of {link['study']} anew. Name that: hpo {command} "
                f"{as_argument(link['study'])}"
            )


def choose(study: optuna.Study, top: int | None) -> Chosen:
    """Return the `top` best settings of a study, each of them once; by default up to 3.

    Raises:
        NoCompleteTrialError: No trial is complete.
        SettingError: The study has fewer settings with a complete trial.
    """
    states = (TrialState.COMPLETE,)
    n_searched = len(study.get_trials(deepcopy=False, states=states))
    if not n_searched:
        raise NoCompleteTrialError(
            f"Expected a study with a complete trial. Received: {study.study_name}, of which none "
            f"is. {how_to_complete(study)}"
        )
    found = distinct_points(study, TOP if top is None else top)
    if top is not None and len(found) < top:
        raise SettingError(
            f"Expected at most {len(found)}, the settings of {study.study_name} that have a "
            f"complete trial. Received: top={top}. Without --top it takes these."
        )
    return Chosen(
        [_setting(point) for point in found],
        [point.trial.number for point in found],
        [point.value for point in found],
        n_searched,
    )


@dataclass(frozen=True)
class Division:
    """A new division of the data into training and validation.

    Attributes:
        number: Which one, from 1.
        of: How many there are.
    """

    number: int
    of: int


def definition_for(
    study: optuna.Study,
    settings: Sequence[Mapping[str, Any]],
    name: str,
    n_seeds: int,
    division: Division | None = None,
) -> StudyDefinition:
    """Return the definition of a study that trains these settings of another one anew.

    It differs from that of the searched study in its name and in `[search]`, and where the seed is
    a hyperparameter there, in that it is none here.

    Args:
        study: The searched study.
        settings: The parameters of each setting.
        name: The name of the new study.
        n_seeds: How many seeds each setting gets.
        division: The division of the data to train on, where that is a new one. Each has seeds of
            its own.

    Raises:
        DefinitionError: The searched study has seeds of the range that the fresh ones are from,
            varies its seed together with other hyperparameters, or its code has changed.
    """
    searched = with_what_is_stored(study, is_divided=division is not None)
    check_code(searched)  # by its own name, under which changed code can be accepted
    check_searched_seeds(searched, always=True)
    if SEED not in searched.space and searched.factors.values_of(SEED):
        raise DefinitionError(
            "space",
            "Expected a seed that no factor sets together with other hyperparameters: the settings "
            f"get fresh ones. Received: such a factor in {study.study_name}.",
        )
    search: dict[str, Any] = {
        "design": "settings",
        "enqueue": [dict(setting) for setting in settings],
        "seed": FRESH_SEEDS + (0 if division is None else (division.number - 1) * n_seeds),
        "replicates": n_seeds,
    }
    data = searched.data.model_dump(exclude_unset=True)
    if division is not None:
        data["seed"] = FRESH_SEEDS + division.number - 1
    if searched.search.trial_timeout is not None:
        search["trial_timeout"] = searched.search.trial_timeout
    return searched.with_lines(
        name=name,
        search=search,
        data=data,
        fixed={key: value for key, value in searched.fixed.items() if key != SEED},
        space={key: value for key, value in searched.space.items() if key != SEED},
    )


def with_what_is_stored(study: optuna.Study, *, is_divided: bool = False) -> StudyDefinition:
    """Return the definition of a study with what it has of its code and of its data.

    Args:
        study: The study.
        is_divided: Whether the data are to be divided anew: the columns of a table are fitted to
            the training part, so that this has to be looked at again.
    """
    plain = definition_of(study)
    if is_divided and not plain.is_own_network:
        return plain
    definition = as_stored(plain, storage_of(study))
    encoding = study.user_attrs.get(ENCODING_KEY)
    if encoding is None or definition.is_examined:
        return definition
    return definition.with_encoding(from_json(encoding))


def inherited(study: optuna.Study, *, is_divided: bool = False) -> dict[str, Any]:
    """Return the attributes that a study of confirmation has from the searched one.

    They keep its defaults of hyperparameters, which may have been others when it was made, and make
    a worker refuse other data.

    Args:
        study: The searched study.
        is_divided: Whether the data are divided anew; then the digest of a table is another.
    """
    attributes = study.user_attrs
    keys = (DEFAULTS_KEY,) if is_divided else (DATA_KEY, DEFAULTS_KEY)
    found = {key: attributes[key] for key in keys if key in attributes}
    name = definition_of(study).objective
    if DEFAULTS_KEY not in found and name in objectives.names():
        found[DEFAULTS_KEY] = objectives.get(name).defaults_before
    return found


def artifacts_of(study: optuna.Study) -> str:
    """Return the folder of a study's networks."""
    return str(study.user_attrs[ARTIFACTS_KEY])


def distinct_points(study: optuna.Study, top: int) -> list[BestPoint]:
    """Return the best points that differ in more than their seed, fewer where there are fewer."""
    n_read = top
    while True:
        points = best_points(study, n_read)
        found: dict[frozenset[tuple[str, Any]], BestPoint] = {}
        for point in points:
            found.setdefault(frozenset(_setting(point).items()), point)
        if len(found) >= top or len(points) < n_read:
            return list(found.values())[:top]
        n_read *= 4


def _setting(point: BestPoint) -> dict[str, Any]:
    return {name: value for name, value in point.trial.params.items() if name != SEED}
