"""Find a study in the storage and open it."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from objectives.errors import unknown_name
from storage import (
    TrialStorage,
    create_storage,
    is_claimable,
    is_running,
    storage_of,
    study_id,
    study_names,
)
from storage.study_attributes import RETRIED_AS_KEY, RETRY_HISTORY_KEY
from studies.attributes import DEFAULTS_KEY, DEFINITION_KEY
from studies.errors import StudyNotFoundError, TrialNotFoundError

if TYPE_CHECKING:
    from studies.definition.study import StudyDefinition

LONGEST_FILE_NAME = 255  # bytes


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
        names = study_names(storage)
        raise StudyNotFoundError(str(unknown_name("a study in the storage", name, names))) from None


def check_made_here(study: optuna.Study) -> None:
    """Check that a study is of this service.

    Raises:
        StudyNotFoundError: It is another program's.
    """
    if DEFINITION_KEY not in study.user_attrs:
        raise StudyNotFoundError(
            "Expected a study that this service has made. "
            f"Received: {study.study_name}, another program's."
        )


def how_to_complete(study: optuna.Study) -> str:
    """Return what to do about a study that has too few complete trials: a sentence."""
    storage, own_id, name = storage_of(study), study_id(study), as_argument(study.study_name)
    if is_claimable(storage, own_id) or is_running(storage, own_id):
        return f"Work on it first: hpo run {name}"
    return f"See how its trials have ended: hpo status {name}"


def find_study(source: str, storage: TrialStorage, *, is_wanted: bool = True) -> str:
    """Return the name of the study in the storage that `source` means.

    Args:
        source: A name in the storage, or the path of the study's TOML file.
        storage: The storage.
        is_wanted: Whether to say how to make a study of the catalogue that is not there.

    Raises:
        StudyNotFoundError: There is no such study in the storage.
    """
    names = study_names(storage)
    if source in names:
        return source
    from studies.catalog.shipped import catalog
    from studies.definition.files import load_definition  # not to read what is there

    name = source
    if source.endswith(".toml") and Path(source).is_file():
        name = load_definition(source).name
    if name not in names:
        can_be_made = is_wanted and name in catalog()
        hint = f"Make it first: hpo create {as_argument(source)}" if can_be_made else ""
        raise StudyNotFoundError(
            str(unknown_name("a study in the storage", name, names, remedy=hint))
        )
    return name


def find_trial(study: optuna.Study, number: int) -> FrozenTrial:
    """Return a trial of a study; no other is read.

    Raises:
        TrialNotFoundError: There is no trial of this number.
    """
    storage = storage_of(study)
    try:
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id(study), number)
    except KeyError:
        raise TrialNotFoundError(
            f"Expected the number of a trial of {study.study_name}. Received: trial={number}. "
            f"See them: hpo export {as_argument(study.study_name)}"
        ) from None
    return storage.get_trial(trial_id)


def attempts_of(study: optuna.Study, trial: FrozenTrial) -> list[FrozenTrial]:
    """Return the other attempts of a trial's lineage, those before it and those after it."""
    attempts = [find_trial(study, n) for n in trial.system_attrs.get(RETRY_HISTORY_KEY, ())]
    following = trial.user_attrs.get(RETRIED_AS_KEY)
    while following is not None:
        attempts.append(find_trial(study, following))
        following = attempts[-1].user_attrs.get(RETRIED_AS_KEY)
    return attempts


def as_argument(name: str) -> str:
    """Return how a study's name is written as the last argument of a command in a shell."""
    quoted = shlex.quote(name)
    return f"-- {quoted}" if name.startswith("-") else quoted


def file_name(study_name: str, ending: str) -> str:
    """Return the name of a file about a study, with an ending, in the bytes that one may have."""
    plain = study_name.replace("/", "-").encode()
    room = LONGEST_FILE_NAME - len(ending.encode())
    if len(plain) > room:  # with a digest: long names may begin alike
        digest = hashlib.sha256(plain).hexdigest()[:8].encode()
        plain = plain[: room - len(digest) - 1] + b"-" + digest
    return plain.decode(errors="ignore") + ending


def definition_of(study: optuna.Study) -> StudyDefinition:
    """Return the definition stored with a study, under the name that the study has now.

    Raises:
        StudyNotFoundError: The study was not made by this service.
    """
    from studies.definition.study import parse_definition

    check_made_here(study)
    stored = study.user_attrs[DEFINITION_KEY]
    earlier = earlier_defaults(study)
    return parse_definition({**stored, "name": study.study_name}, earlier=earlier)


def earlier_defaults(study: optuna.Study) -> dict[str, Any]:
    """Return the defaults of hyperparameters that were others when a study was made.

    They stay the study's own, so that all of its trials mean the same.
    """
    import objectives
    from objectives.training_hyperparameters import defaults_of

    name = study.user_attrs[DEFINITION_KEY]["objective"]
    if name not in objectives.names():  # a function, or an objective that there is no longer
        return {}
    objective = objectives.get(name)
    stored = study.user_attrs.get(DEFAULTS_KEY, objective.defaults_before)
    now = defaults_of(objective.hyperparameters)
    check = objective.hyperparameters.check
    return {n: check(n, stored[n]) for n in stored if n in now and stored[n] != now[n]}
