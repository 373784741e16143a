"""Create the Optuna study of a definition, once, with all that is needed to repeat it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning

from storage import (
    Budget,
    TrialStorage,
    create_storage,
    enqueue,
    get_budget,
    study_id,
)
from studies.attributes import ARTIFACTS_KEY, CREATED_KEY, DEFINITION_KEY, VERSIONS_KEY
from studies.definition.files import read_table, with_overrides
from studies.definition.sampler_options import lacks_max_resource
from studies.definition.search import SearchOptions
from studies.definition.study import StudyDefinition, difference, parse_definition
from studies.designs.points import initial_points
from studies.errors import DefinitionError, TakenNameError
from studies.lookup import definition_of, open_study
from studies.versions import installed_versions

ARTIFACTS = "hpo-artifacts"  # the default folder's name


def create_study(
    definition: StudyDefinition,
    storage: str | TrialStorage,
    *,
    artifacts: str | Path | None = None,
) -> optuna.Study:
    """Create the study of `definition`, or continue it.

    Creating the same study twice changes only its budget: a larger `n_trials` adds the difference.

    Args:
        definition: The study's definition.
        storage: An open storage, or its URL.
        artifacts: The folder for trained networks. By default it is beside a SQLite file, or in the
            current folder for a server.

    Raises:
        TakenNameError: A study of this name has another definition.
        DefinitionError: A number of trials is given for a study that has no such limit, or a new
            study's Hyperband has no `max_resource` where it cannot be known.
        DatabaseError: The database cannot be opened.
    """
    opened = create_storage(storage) if isinstance(storage, str) else storage
    if definition.name not in optuna.get_all_study_names(opened):
        _check_new(definition)
    try:
        study = optuna.create_study(
            storage=opened, study_name=definition.name, direction=definition.direction
        )
    except DuplicatedStudyError:
        study = open_study(definition.name, opened)
        _check_same(study, definition)
    if DEFINITION_KEY in study.user_attrs:
        _extend(opened, study, definition.search)
    else:
        _record(study, definition, Path(artifacts or _default_artifacts(opened.engine.url)))
        queue = initial_points(definition)
        enqueue(opened, study_id(study), queue, _budget(definition, len(queue)))
        # Last, since workers take every study that has a definition.
        study.set_user_attr(DEFINITION_KEY, definition.model_dump(mode="json"))
    return study


def _check_new(definition: StudyDefinition) -> None:
    """Check what a new study must say, and one of an earlier version may lack."""
    if definition.max_epochs is None and lacks_max_resource(definition.search.pruner):
        # Optuna would take the steps of the first trial that ends, and until then compare none;
        # the rungs of those that began before are filled with values of later steps.
        raise DefinitionError(
            "search.pruner",
            "Expected max_resource, the most steps that a trial reports, for hyperband: the epochs "
            "of a function, or of training by steps, are not known. Received: none. "
            'Write pruner = { name = "hyperband", max_resource = 30 }, with your number.',
        )


def _check_same(study: optuna.Study, definition: StudyDefinition) -> None:
    if DEFINITION_KEY not in study.user_attrs:
        if ARTIFACTS_KEY not in study.user_attrs and study.get_trials(deepcopy=False):
            raise TakenNameError(
                f"Expected a free name. Received: {definition.name!r}, a study that was not made "
                "by this service. Choose another with --name."
            )
        return  # its creation was interrupted, and is now completed
    lines = difference(definition_of(study), definition)
    if lines:
        raise TakenNameError(
            f"Expected the definition that study {definition.name!r} has. "
            f"Received: one that differs in {'; '.join(lines)}. Choose another name with --name."
        )


def _record(study: optuna.Study, definition: StudyDefinition, artifacts: Path) -> None:
    study.set_user_attr(ARTIFACTS_KEY, str(artifacts.absolute()))
    study.set_user_attr(VERSIONS_KEY, installed_versions())
    study.set_user_attr(CREATED_KEY, datetime.now(UTC).isoformat())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([definition.metric])


def _budget(definition: StudyDefinition, n_queued: int) -> Budget:
    """Return the budget of a definition; that of a design is its number of points."""
    search = definition.search
    if search.design is not None:
        return Budget(n_queued, search.timeout, adaptive=False)
    return Budget(search.n_trials, search.timeout, adaptive=True)


def _extend(storage: TrialStorage, study: optuna.Study, search: SearchOptions) -> None:
    """Queue the further trials of a larger budget, and record it."""
    # The stored definition: its known settings come in the order in which they were queued.
    definition = definition_of(study)
    old = get_budget(storage, study_id(study))
    if old.n_trials is None and search.n_trials is not None:
        raise DefinitionError(
            "search.n_trials",
            "Expected a study that ends after a number of trials. Received: n_trials="
            f"{search.n_trials} for {study.study_name!r}, which has none. "
            "Make another with --name.",
        )
    if old.n_trials is not None and (search.n_trials is not None or search.design is not None):
        wanted = search.n_trials or sys.maxsize
        definition = definition.with_budget(max(wanted, old.n_trials))
    queue = initial_points(definition)
    timeout = old.timeout
    if search.timeout != definition.search.timeout:
        timeout = search.timeout
    new = replace(_budget(definition, len(queue)), timeout=timeout)
    enqueue(storage, study_id(study), queue, new)


def _default_artifacts(url: sqlalchemy.URL) -> Path:
    beside = Path(str(url.database)).absolute().parent if url.drivername == "sqlite" else Path.cwd()
    return beside / ARTIFACTS


def find_or_create_study(
    source: str,
    storage: TrialStorage,
    *,
    overrides: Mapping[str, Any],
    artifacts: str | Path | None = None,
    quick: bool = False,
) -> optuna.Study:
    """Return the study that `source` means; create it if it does not exist.

    Args:
        source: A name in the storage, else a name in the catalogue, else the path of a TOML file.
        storage: The storage.
        overrides: Keys of the definition to replace, as for `load_definition`.
        artifacts: The folder for trained networks.
        quick: Whether to take the small form of a study of the catalogue or of a file.

    Raises:
        DefinitionNotFoundError: There is no such study and no such file.
        DefinitionError: A line of the definition breaks a rule.
        TakenNameError: Another study has this name.
    """
    stored = None
    if not quick and source in optuna.get_all_study_names(storage):
        stored = open_study(source, storage).user_attrs.get(DEFINITION_KEY)
    table = read_table(source, quick=quick) if stored is None else stored
    definition = parse_definition(with_overrides(table, overrides))
    return create_study(definition, storage, artifacts=artifacts)
