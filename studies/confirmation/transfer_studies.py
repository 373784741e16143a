"""The two studies of a transfer: a search on the other data, and the settings trained there.

The first is the definition of the search with another data set: the same sampler or design, the
same seed and the same budget. When it has ended, the second trains with fresh seeds, the same for
all: the best settings of the search, its median one, and the best one of the search on the other
data. Either has a link to the search, of which no sampler, budget or ranking sees them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna

from storage import BestPoint, get_budget, storage_of, study_id, study_names
from storage.study_attributes import SEED_KEY as SEED
from studies.attributes import (
    CREATED_KEY,
    DATA_KEY,
    DEFINITION_KEY,
    TRANSFERRED_KEY,
    TRANSFERS_KEY,
)
from studies.confirmation.settings import (
    artifacts_of,
    check_is_search,
    definition_for,
    distinct_points,
    inherited,
)
from studies.confirmation.study import Prepare
from studies.create import create_study
from studies.definition.files import with_path
from studies.definition.study import StudyDefinition
from studies.designs.points import initial_points
from studies.errors import NoCompleteTrialError, SettingError, TakenNameError
from studies.lookup import as_argument, definition_of, how_to_complete, open_study
from studies.results.confirmed.transfer import ALL
from studies.results.confirmed.transfer_link import (
    SearchLink,
    TransferLink,
    search_link,
    to_attribute,
    transfer_link,
)

TOP = 8
LEAST_SETTINGS = 2


def check_source(searched: optuna.Study) -> list[BestPoint]:
    """Return the settings of a search that are complete, the best first.

    Raises:
        SettingError: It is a function's, which has no data set.
        NoCompleteTrialError: Fewer than two settings are complete, so that there is no gain.
    """
    check_is_search(searched, "transfer")
    definition = definition_of(searched)
    if definition.is_function:
        raise SettingError(
            "Expected a study of networks that train on a data set. Received: "
            f"{searched.study_name}, of the function {definition.objective}, which has none."
        )
    points = distinct_points(searched, ALL)
    if len(points) < LEAST_SETTINGS:
        raise NoCompleteTrialError(
            f"Expected a study with {LEAST_SETTINGS} complete settings or more. Received: "
            f"{searched.study_name}, which has {len(points)}. {how_to_complete(searched)}"
        )
    return points


def check_top(points: list[BestPoint], top: int | None, name: str) -> int:
    """Return how many settings to transfer.

    Raises:
        SettingError: The search has fewer.
    """
    if top is not None and not 1 <= top <= len(points):
        raise SettingError(
            f"Expected top from 1 to {len(points)}, the complete settings of {name}. Received: "
            f"top={top}."
        )
    return min(TOP, len(points)) if top is None else top


def search_there(searched: optuna.Study, dataset: str, name: str, prepare: Prepare) -> optuna.Study:
    """Return the search on other data, made where it is not there yet.

    Args:
        searched: The search.
        dataset: The other data set: a name, or a path relative to the current folder.
        name: The name of the new study.
        prepare: Looks at the code that it names, before anything is written.

    Raises:
        SettingError: The data set is that of the search.
        DefinitionError: There is no such data set, or the networks do not fit it.
        TakenNameError: Another study has the name.
    """
    definition = definition_of(searched)
    written = str(with_path({"dataset": dataset}, Path("study.toml"))["dataset"])
    if written == definition.dataset:
        raise SettingError(
            f"Expected another data set than that of {searched.study_name}. Received: "
            f"dataset={dataset!r}. To train its settings anew: hpo confirm "
            f"{as_argument(searched.study_name)}"
        )
    link = SearchLink(searched.study_name, searched.user_attrs[CREATED_KEY], written)
    found = _existing(searched, name)
    if found is not None:
        if search_link(found) != link:
            raise _taken(name, f"searches {written} as {searched.study_name} has searched its own")
        return found
    new = definition.with_lines(name=name, dataset=written, search=_search(searched, definition))
    attributes = {key: value for key, value in inherited(searched).items() if key != DATA_KEY}
    return create_study(
        prepare(new),
        storage_of(searched),
        artifacts=artifacts_of(searched),
        attributes={**attributes, TRANSFERS_KEY: to_attribute(link)},
    )


def settings_there(
    searched: optuna.Study, there: optuna.Study, top: int, n_seeds: int, prepare: Prepare
) -> optuna.Study:
    """Make the study that trains the settings on the other data, with fresh seeds.

    Args:
        searched: The search.
        there: The one on the other data, at its end.
        top: How many of the best settings are transferred.
        n_seeds: How many seeds each has.
        prepare: Looks at the code that it names, before anything is written.

    Raises:
        NoCompleteTrialError: No trial of the search on the other data is complete.
    """
    points, found = distinct_points(searched, ALL), distinct_points(there, ALL)
    if not found:
        raise NoCompleteTrialError(
            f"Expected a complete trial of {there.study_name}, the search on the other data. "
            "Received: none. See why they failed: hpo status "
            f"{as_argument(there.study_name)}"
        )
    settings = [setting_of(point) for point in points[:top]]
    median = points[len(points) // 2]
    link = TransferLink(
        study=searched.study_name,
        created_at=searched.user_attrs[CREATED_KEY],
        dataset=str(definition_of(searched).dataset),
        there=there.study_name,
        trials=[point.trial.number for point in points[:top]],
        values=[point.value for point in points[:top]],
        median_trial=median.trial.number,
        median_value=median.value,
        median_place=_place(settings, setting_of(median)),
        there_trial=found[0].trial.number,
        there_value=found[0].value,
        there_place=_place(settings, setting_of(found[0])),
        n_searched=len(points),
        n_searched_there=len(found),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    definition = definition_for(there, settings, settings_name(there.study_name), n_seeds)
    return create_study(
        prepare(definition),
        storage_of(there),
        artifacts=artifacts_of(there),
        attributes={**inherited(there), TRANSFERRED_KEY: to_attribute(link)},
    )


def find_settings(searched: optuna.Study, there_name: str) -> optuna.Study | None:
    """Return the study that trains the settings on the other data; None if there is none yet.

    Raises:
        TakenNameError: Another study has its name.
    """
    name = settings_name(there_name)
    found = _existing(searched, name)
    link = None if found is None else transfer_link(found)
    if found is not None and (link is None or link.created_at != searched.user_attrs[CREATED_KEY]):
        raise _taken(name, f"trains settings of {searched.study_name}")
    return found


def settings_name(there_name: str) -> str:
    """Return the name of the study that trains the settings beside a search on other data."""
    return f"{there_name}-settings"


def setting_of(point: BestPoint) -> dict[str, Any]:
    """Return the parameters of a point, without a seed."""
    return {name: value for name, value in point.trial.params.items() if name != SEED}


def _search(searched: optuna.Study, definition: StudyDefinition) -> dict[str, Any]:
    """Return the lines of `[search]` with the budget that the study has by now."""
    lines = definition.search.model_dump(exclude_unset=True)
    budget = get_budget(storage_of(searched), study_id(searched))
    is_all = definition.search.design and budget.n_trials == len(initial_points(definition))
    if not is_all:
        lines["n_trials"] = budget.n_trials
    if budget.timeout is not None:
        lines["timeout"] = budget.timeout
    return lines


def _place(settings: list[dict[str, Any]], setting: Mapping[str, Any]) -> int:
    """Return the place of a setting, added to those that it is none of."""
    if setting not in settings:
        settings.append(dict(setting))
    return settings.index(dict(setting))


def _existing(searched: optuna.Study, name: str) -> optuna.Study | None:
    """Return the study of this name, unless its creation was interrupted: that is completed."""
    storage = storage_of(searched)
    if name not in study_names(storage):
        return None
    found = open_study(name, storage)
    links = (TRANSFERS_KEY, TRANSFERRED_KEY)
    is_begun = DEFINITION_KEY not in found.user_attrs
    return None if is_begun and any(key in found.user_attrs for key in links) else found


def _taken(name: str, what: str) -> TakenNameError:
    return TakenNameError(
        f"Expected a free name, or that of a study which {what}. Received: {name!r}, another one. "
        "Choose another with --name."
    )
