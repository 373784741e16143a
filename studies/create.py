"""Make the Optuna study of a definition: idempotent, with everything recorded that repeats it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning

from objectives.errors import unknown_name
from storage import (
    Budget,
    TrialStorage,
    artifact_store,
    create_storage,
    enqueue,
    get_budget,
    remove_study,
)
from studies.definition.files import catalog, load_definition, read_table, with_overrides
from studies.definition.search import SearchOptions
from studies.definition.study import StudyDefinition, difference, parse_definition
from studies.designs import points as designs
from studies.worker.checkpoints import remove_checkpoints

DEFINITION_KEY = "definition"  # user attributes of the study
ARTIFACTS_KEY = "artifacts"
VERSIONS_KEY = "versions"
CREATED_KEY = "created_at"  # tells a study from one of the same name that was deleted
LIBRARIES = ("hpo", "keras", "tensorflow", "jax", "optuna", "numpy", "pillow")
ARTIFACTS = "hpo-artifacts"  # the default folder's name


class TakenNameError(ValueError):
    """Another study has this name."""


def create_study(
    definition: StudyDefinition,
    storage: str | TrialStorage,
    *,
    artifacts: str | Path | None = None,
) -> optuna.Study:
    """Make the study of `definition`, or go on with it.

    Making the same study twice changes nothing, but for the budget: a larger `n_trials` adds the
    difference.

    Args:
        definition: What to make.
        storage: An open storage, or its URL.
        artifacts: The folder for trained networks; beside a SQLite file by default, in the
            current folder for a server.

    Raises:
        TakenNameError: A study of this name has another definition.
        ConnectionError: The database does not answer.
    """
    opened = create_storage(storage) if isinstance(storage, str) else storage
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
        queue = designs.queue_of(definition)
        enqueue(opened, study._study_id, queue, _budget(definition, len(queue)))
        # Last: workers take a study that has its definition.
        study.set_user_attr(DEFINITION_KEY, definition.model_dump(mode="json"))
    return study


def load_study(name: str, storage: str | TrialStorage) -> tuple[optuna.Study, StudyDefinition]:
    """Return a study and its definition.

    Raises:
        KeyError: There is no such study, or it was not made by this service.
        DefinitionError: The definition does not hold on this machine, as when a data set is not
            there.
    """
    opened = create_storage(storage) if isinstance(storage, str) else storage
    study = open_study(name, opened)
    return study, definition_of(study)


def open_study(name: str, storage: TrialStorage) -> optuna.Study:
    """Return a study without looking at its definition: to read results needs no data set.

    Raises:
        KeyError: There is no such study.
    """
    try:
        return optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        names = optuna.get_all_study_names(storage)
        raise KeyError(str(unknown_name("a study in the storage", name, names))) from None


def find_study(source: str, storage: TrialStorage) -> str:
    """Return the name of the study in the storage that `source` means.

    Args:
        source: A name in the storage, or the path of the TOML file that it was made from.
        storage: The storage.

    Raises:
        KeyError: There is no such study in the storage.
    """
    names = optuna.get_all_study_names(storage)
    name = source
    if source not in names and source.endswith(".toml") and Path(source).is_file():
        name = load_definition(source).name
    if name not in names:
        hint = f"Make it first: hpo create {source}" if name in catalog() else ""
        raise KeyError(str(unknown_name("a study in the storage", name, names, remedy=hint)))
    return name


def find_or_create_study(
    source: str,
    storage: TrialStorage,
    *,
    overrides: Mapping[str, Any],
    artifacts: str | Path | None = None,
    quick: bool = False,
) -> optuna.Study:
    """Return the study that `source` means, made now where it is not there.

    Args:
        source: A name in the storage, else one of the catalogue, else the path of a TOML file.
        storage: The storage.
        overrides: Keys of the definition to replace, as for `load_definition`.
        artifacts: The folder for trained networks.
        quick: Whether to take the small form of one of the catalogue or of a file.

    Raises:
        FileNotFoundError: There is no such study anywhere.
        DefinitionError: A line of the definition breaks a rule.
        TakenNameError: Another study has this name.
    """
    stored = None
    if not quick and source in optuna.get_all_study_names(storage):
        stored = open_study(source, storage).user_attrs.get(DEFINITION_KEY)
    table = read_table(source, quick=quick) if stored is None else stored
    definition = parse_definition(with_overrides(table, overrides))
    return create_study(definition, storage, artifacts=artifacts)


def definition_of(study: optuna.Study) -> StudyDefinition:
    """Return the definition that is stored with a study.

    Raises:
        KeyError: The study was not made by this service.
    """
    stored = study.user_attrs.get(DEFINITION_KEY)
    if stored is None:
        raise KeyError(f"Study {study.study_name!r} has no definition of this service.")
    return parse_definition(stored)


def delete_study(name: str, storage: TrialStorage) -> None:
    """Delete a study and the networks that were kept of it.

    Raises:
        KeyError: There is no such study.
    """
    study = open_study(name, storage)
    attributes = study.user_attrs
    folder = Path(attributes.get(ARTIFACTS_KEY, ""))
    is_here = ARTIFACTS_KEY in attributes and folder.is_dir()
    remove_study(storage, study._study_id, artifact_store(folder) if is_here else None)
    if is_here:
        remove_checkpoints(folder, attributes[CREATED_KEY])


def installed_versions() -> dict[str, str]:
    """Return the versions of this service and of the libraries that results depend on."""
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue  # a GPU machine may have one backend only
    return found


def _check_same(study: optuna.Study, definition: StudyDefinition) -> None:
    if DEFINITION_KEY not in study.user_attrs:
        if ARTIFACTS_KEY not in study.user_attrs and study.get_trials(deepcopy=False):
            raise TakenNameError(
                f"Expected a free name. Received: {definition.name!r}, a study that was not made "
                "by this service. Choose another with --name."
            )
        return  # whoever began to make it was interrupted
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
    """Return the budget of a definition; a design is spent when its points are."""
    search = definition.search
    if search.design is not None:
        return Budget(n_queued, search.timeout, adaptive=False)
    return Budget(search.n_trials, search.timeout, adaptive=True)


def _extend(storage: TrialStorage, study: optuna.Study, search: SearchOptions) -> None:
    """Add what a larger budget adds to a study that is there."""
    # The stored definition says in which order the points come.
    definition = definition_of(study)
    old = get_budget(storage, study._study_id)
    if old.n_trials is None and search.n_trials is not None:
        raise ValueError(
            f"Expected a study that ends after a number of trials. Received: n_trials="
            f"{search.n_trials} for {study.study_name!r}, which has none. Make another with --name."
        )
    if old.n_trials is not None and (search.n_trials is not None or search.design is not None):
        wanted = search.n_trials or sys.maxsize
        definition = definition.with_budget(max(wanted, old.n_trials))
    queue = designs.queue_of(definition)
    timeout = old.timeout
    if search.timeout != definition.search.timeout:
        timeout = search.timeout
    new = replace(_budget(definition, len(queue)), timeout=timeout)
    enqueue(storage, study._study_id, queue, new)


def _default_artifacts(url: sqlalchemy.URL) -> Path:
    beside = Path(str(url.database)).absolute().parent if url.drivername == "sqlite" else Path.cwd()
    return beside / ARTIFACTS
