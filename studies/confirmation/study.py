"""Make the study that trains the best settings anew, find it again, and give it more seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import optuna

from storage import Budget, enqueue, storage_of, study_id, study_names
from studies.attributes import ADDED_SEEDS_KEY, CONFIRMS_KEY, CREATED_KEY, DEFINITION_KEY
from studies.confirmation.settings import (
    Chosen,
    Division,
    artifacts_of,
    choose,
    definition_for,
    inherited,
)
from studies.create import create_study
from studies.definition.study import StudyDefinition
from studies.designs.added_seeds import AddedSeeds, added_seeds
from studies.designs.points import initial_points
from studies.errors import TakenNameError
from studies.lookup import as_argument, definition_of, open_study
from studies.results.confirmed.link import Link, link_of

Prepare = Callable[[StudyDefinition], StudyDefinition]


@dataclass(frozen=True)
class Plan:
    """How a study of confirmation trains its settings.

    Attributes:
        n_seeds: How many seeds a setting has at first.
        looks: With how many seeds, or divisions, the settings are compared, in order.
        until_clear: Whether these looks are fixed, and seeds are added until all is clear.
        division: The new division of the data that it trains on; None for that of the search.
    """

    n_seeds: int
    looks: Sequence[int]
    until_clear: bool = False
    division: Division | None = None


def make(
    searched: optuna.Study, name: str, chosen: Chosen, plan: Plan, prepare: Prepare
) -> optuna.Study:
    """Make the study that trains settings of another one.

    Args:
        searched: The searched study.
        name: The name of the new study.
        chosen: The settings.
        plan: With how many seeds, and on which division of the data.
        prepare: Looks at the code that the study names, before anything is written.

    Raises:
        DefinitionError: The seeds of the searched study are of the fresh range, or a line breaks a
            rule.
    """
    division = plan.division
    settings = chosen.settings
    definition = prepare(definition_for(searched, settings, name, plan.n_seeds, division))
    link = Link(
        study=searched.study_name,
        created_at=searched.user_attrs[CREATED_KEY],
        trials=chosen.trials,
        values=chosen.values,
        n_searched=chosen.n_searched,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        looks=plan.looks,
        until_clear=plan.until_clear,
        division=None if division is None else division.number,
        divisions=None if division is None else division.of,
    )
    attributes = inherited(searched, is_divided=division is not None)
    return create_study(
        definition,
        storage_of(searched),
        artifacts=artifacts_of(searched),
        attributes={**attributes, CONFIRMS_KEY: link.to_json()},
    )


def find(name: str, searched: optuna.Study, top: int | None) -> optuna.Study | None:
    """Return the study of this name that confirms another one; None if there is none yet.

    Args:
        name: Its name.
        searched: The searched study.
        top: How many settings it is to confirm; None for as many as it does.

    Raises:
        TakenNameError: It confirms another study, or others than the best settings of now.
    """
    storage = storage_of(searched)
    if name not in study_names(storage):
        return None
    study = open_study(name, storage)
    link = link_of(study)
    if link is None and DEFINITION_KEY not in study.user_attrs:
        return None  # its creation was interrupted
    if link is None or link.created_at != searched.user_attrs[CREATED_KEY]:
        what = "one of its own" if link is None else f"one that confirms another {link.study}"
        raise TakenNameError(
            f"Expected a free name, or that of a study which confirms {searched.study_name}. "
            f"Received: {name!r}, {what}. Choose another with --name."
        )
    if DEFINITION_KEY not in study.user_attrs:
        return None
    _check_settings(study, link, searched, top)
    return study


def _check_settings(
    study: optuna.Study, link: Link, searched: optuna.Study, top: int | None
) -> None:
    """Refuse to mix the settings of a confirmation with others that are the best by now."""
    now = choose(searched, top or len(link.trials))
    if list(map(dict, now.settings)) == study.user_attrs[DEFINITION_KEY]["search"]["enqueue"]:
        return
    name = study.study_name
    raise TakenNameError(
        f"Expected the settings that {name} confirms, those of trials {_listed(link.trials)}, the "
        f"best of {link.n_searched} complete trials. Received: those of trials "
        f"{_listed(now.trials)}, the best of {now.n_searched}. Confirm these under another name "
        f"with --name, or go on with the others: hpo confirm {as_argument(name)}"
    )


def grow(study: optuna.Study, n_seeds: int, settings: Sequence[int]) -> None:
    """Queue further seeds of some settings, up to a number; what has run is not changed.

    It may be done twice.

    Args:
        study: The study of confirmation.
        n_seeds: How many seeds each of these settings is to have.
        settings: Their places in `search.enqueue`.
    """
    definition, added = definition_of(study), added_seeds(study.user_attrs)
    for first in sorted({seeds_of(definition, added, setting) for setting in settings}):
        own = [each for each in settings if seeds_of(definition, added, each) == first]
        if first < n_seeds:
            added.append(AddedSeeds(own, first, n_seeds - first))
    # Before the trials, so that a study that is interrupted here gets them the next time.
    study.set_user_attr(ADDED_SEEDS_KEY, [asdict(each) for each in added])
    queue_all(study)


def queue_all(study: optuna.Study) -> None:
    """Queue the seeds of a study of confirmation that are not queued yet."""
    points = initial_points(definition_of(study), added_seeds(study.user_attrs))
    budget = Budget(len(points), None, adaptive=False)
    enqueue(storage_of(study), study_id(study), points, budget)


def seeds_of(definition: StudyDefinition, added: Sequence[AddedSeeds], setting: int) -> int:
    """Return how many seeds a setting has."""
    more = sum(each.n for each in added if setting in each.settings)
    return definition.search.replicates + more


def set_looks(study: optuna.Study, link: Link, looks: Sequence[int]) -> Link:
    """Record with how many seeds a study's settings are compared."""
    changed = replace(link, looks=list(looks))
    study.set_user_attr(CONFIRMS_KEY, changed.to_json())
    return changed


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
