"""Find a study in the storage and open it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from objectives.errors import unknown_name
from storage import TrialStorage, create_storage
from studies.attributes import DEFINITION_KEY
from studies.errors import StudyNotFoundError

if TYPE_CHECKING:
    from studies.definition.study import StudyDefinition


def load_study(name: str, storage: str | TrialStorage) -> tuple[optuna.Study, StudyDefinition]:
    """Return a study and its definition.

    Raises:
        StudyNotFoundError: There is no such study, or it was not made by this service.
        DefinitionError: The definition is not valid on this machine, for instance because a data
            set is missing.
        DatabaseError: The database cannot be opened.
    """
    opened = create_storage(storage) if isinstance(storage, str) else storage
    study = open_study(name, opened)
    return study, definition_of(study)


def open_study(name: str, storage: TrialStorage) -> optuna.Study:
    """Return a study without validating its definition: reading results needs no data set.

    Raises:
        StudyNotFoundError: There is no such study.
    """
    try:
        return optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        names = optuna.get_all_study_names(storage)
        raise StudyNotFoundError(str(unknown_name("a study in the storage", name, names))) from None


def find_study(source: str, storage: TrialStorage) -> str:
    """Return the name of the study in the storage that `source` means.

    Args:
        source: A name in the storage, or the path of the study's TOML file.
        storage: The storage.

    Raises:
        StudyNotFoundError: There is no such study in the storage.
    """
    names = optuna.get_all_study_names(storage)
    if source in names:
        return source
    from studies.definition.files import catalog, load_definition  # not to read what is there

    name = source
    if source.endswith(".toml") and Path(source).is_file():
        name = load_definition(source).name
    if name not in names:
        hint = f"Make it first: hpo create {source}" if name in catalog() else ""
        raise StudyNotFoundError(
            str(unknown_name("a study in the storage", name, names, remedy=hint))
        )
    return name


def definition_of(study: optuna.Study) -> StudyDefinition:
    """Return the definition stored with a study.

    Raises:
        StudyNotFoundError: The study was not made by this service.
    """
    from studies.definition.study import parse_definition

    stored = study.user_attrs.get(DEFINITION_KEY)
    if stored is None:
        raise StudyNotFoundError(f"Study {study.study_name!r} has no definition of this service.")
    return parse_definition(stored)
