"""The errors that callers of `studies` catch: one tree, and each a built-in error as well."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from small_studies import searching

import objectives.errors
import storage.errors
import studies
from storage import TrialStorage
from studies import errors
from studies.definition.study import parse_definition
from studies.error_translation import TRANSLATIONS, translate, translated_errors

DEFINITION = parse_definition(searching())
BUILT_IN = (ValueError, KeyError, FileNotFoundError, ConnectionError, RuntimeError)
SECRET = "postgresql+psycopg://me:secret@127.0.0.1:1/x?connect_timeout=1"


@pytest.fixture
def study(sqlite_storage: TrialStorage, tmp_path: Path) -> Any:
    """Make a study with trials that wait."""
    return studies.create_study(DEFINITION, sqlite_storage, artifacts=tmp_path)


def gone(study: Any) -> Any:
    studies.delete_study(study.study_name, storage.storage_of(study))
    return study


def url_of(study: Any) -> str:
    return str(storage.storage_of(study).engine.url)


# What is wrong: the function, the call, the error, its built-in kind, the cause.
Wrong = tuple[str, Callable[[Any, Path], Any], type[Exception], type[Exception], type | None]
WRONG: dict[str, Wrong] = {
    "no study of the catalogue": (
        "load_definition",
        lambda study, folder: studies.load_definition("digit-mlp"),
        errors.DefinitionNotFoundError,
        FileNotFoundError,
        None,
    ),
    "a wrong line": (
        "load_definition",
        lambda study, folder: studies.load_definition("digits-mlp", {"dropuot": 0.1}),
        errors.DefinitionError,
        ValueError,
        None,
    ),
    "no URL": (
        "create_study",
        lambda study, folder: studies.create_study(DEFINITION, "hpo.db"),
        errors.DatabaseUrlError,
        ValueError,
        storage.errors.InvalidUrlError,
    ),
    "no server": (
        "create_study",
        lambda study, folder: studies.create_study(DEFINITION, SECRET),
        errors.DatabaseConnectionError,
        ConnectionError,
        storage.errors.DatabaseUnreachableError,
    ),
    "a taken name": (
        "create_study",
        lambda study, folder: studies.create_study(
            parse_definition(searching(seed=1)), storage.storage_of(study)
        ),
        errors.TakenNameError,
        ValueError,
        None,
    ),
    "no study": (
        "load_study",
        lambda study, folder: studies.load_study("t", storage.storage_of(study)),
        errors.StudyNotFoundError,
        KeyError,
        None,
    ),
    "no study to delete": (
        "delete_study",
        lambda study, folder: studies.delete_study("t", storage.storage_of(study)),
        errors.StudyNotFoundError,
        KeyError,
        None,
    ),
    "no study to run": (
        "run",
        lambda study, folder: studies.run("digit-mlp", f"sqlite:///{folder}/x.db"),
        errors.DefinitionNotFoundError,
        FileNotFoundError,
        None,
    ),
    "no folder of the database": (
        "run",
        lambda study, folder: studies.run("digits-mlp", f"sqlite:///{folder}/none/x.db"),
        errors.DatabaseUrlError,
        ValueError,
        storage.errors.InvalidUrlError,
    ),
    "a deleted study": (
        "best_trials",
        lambda study, folder: studies.best_trials(gone(study)),
        errors.StudyNotFoundError,
        KeyError,
        None,
    ),
    "no format": (
        "export_trials",
        lambda study, folder: studies.export_trials(study, folder / "x.doc"),
        errors.FileFormatError,
        ValueError,
        None,
    ),
    "no folder": (
        "export_trials",
        lambda study, folder: studies.export_trials(study, folder / "none" / "x.csv"),
        errors.FolderError,
        FileNotFoundError,
        None,
    ),
    "no rows": (
        "predict",
        lambda study, folder: studies.predict(study, folder / "rows.doc"),
        errors.FileFormatError,
        ValueError,
        None,
    ),
    "no complete trial": (
        "load_model",
        lambda study, folder: studies.load_model(study),
        errors.NoCompleteTrialError,
        ValueError,
        None,
    ),
    "no complete trial that tells of a level": (
        "effects",
        lambda study, folder: studies.effects(study),
        errors.NoCompleteTrialError,
        ValueError,
        None,
    ),
    "no trial": (
        "load_model",
        lambda study, folder: studies.load_model(study, 99),
        errors.TrialNotFoundError,
        KeyError,
        None,
    ),
    "no trial to queue again": (
        "retry_trials",
        lambda study, folder: studies.retry_trials(study, [99]),
        errors.TrialNotFoundError,
        KeyError,
        None,
    ),
    "a trial that has not failed": (
        "retry_trials",
        lambda study, folder: studies.retry_trials(study, [study.ask().number]),
        errors.TrialNotFailedError,
        ValueError,
        None,
    ),
    "a trial that has not ended": (
        "rerun",
        lambda study, folder: studies.rerun(study, study.ask().number),
        errors.NotRepeatableError,
        ValueError,
        None,
    ),
    "no trial to show": (
        "show",
        lambda study, folder: studies.show(study, 99),
        errors.TrialNotFoundError,
        KeyError,
        None,
    ),
    "no trial of this service": (
        "checkpoint_folder",
        lambda study, folder: studies.checkpoint_folder(optuna.create_study().ask()),
        errors.StudyNotFoundError,
        KeyError,
        None,
    ),
    "no trial of this service to keep a file of": (
        "keep_file",
        lambda study, folder: studies.keep_file(optuna.create_study().ask(), folder / "x"),
        errors.StudyNotFoundError,
        KeyError,
        None,
    ),
    "a study to confirm of which no trial is complete": (
        "confirm",
        lambda study, folder: studies.confirm(study.study_name, url_of(study)),
        errors.NoCompleteTrialError,
        ValueError,
        None,
    ),
    "a study to transfer of which no trial is complete": (
        "transfer",
        lambda study, folder: studies.transfer(study.study_name, url_of(study), dataset="mnist"),
        errors.NoCompleteTrialError,
        ValueError,
        None,
    ),
    "one study to compare": (
        "compare",
        lambda study, folder: studies.compare([study]),
        errors.AnswerError,
        ValueError,
        None,
    ),
    "no complete trial to tell effects of": (
        "effects",
        lambda study, folder: studies.effects(study),
        errors.NoCompleteTrialError,
        ValueError,
        None,
    ),
    "no complete trial to look forward from": (
        "outlook",
        lambda study, folder: studies.outlook(study),
        errors.NoCompleteTrialError,
        ValueError,
        None,
    ),
    "no trial to make again": (
        "rerun",
        lambda study, folder: studies.rerun(study, 99),
        errors.TrialNotFoundError,
        KeyError,
        None,
    ),
    "no network": (
        "load_model",
        lambda study, folder: studies.load_model(study, study.ask().number),
        errors.NetworkNotKeptError,
        FileNotFoundError,
        storage.errors.ArtifactNotKeptError,
    ),
}


@pytest.mark.parametrize("what", list(WRONG))
def test_a_wrong_input_of_a_public_function_is_an_error_of_this_service(
    what: str, study: Any, tmp_path: Path
) -> None:
    _, call, expected, kind, cause = WRONG[what]
    with pytest.raises(expected) as caught:
        call(study, tmp_path)
    assert isinstance(caught.value, studies.HpoError)
    assert isinstance(caught.value, kind)
    assert type(caught.value.__cause__) is (cause or type(None))
    if cause is not None:
        assert str(caught.value) == str(caught.value.__cause__)
    assert not str(caught.value).startswith(("'", '"')), "a KeyError shows its text in quotes"


def test_every_public_function_is_called_with_a_wrong_input() -> None:
    functions = {name for name in studies.__all__ if inspect.isfunction(getattr(studies, name))}
    assert {wrong[0] for wrong in WRONG.values()} == functions


def test_no_error_on_the_way_holds_the_password() -> None:
    with pytest.raises(errors.DatabaseError) as caught:
        studies.create_study(DEFINITION, SECRET)

    def chain(error: BaseException | None) -> Iterator[BaseException]:
        while error is not None:
            yield error
            error = error.__cause__ or error.__context__

    found = list(chain(caught.value))
    assert [type(error).__name__ for error in found] == [
        "DatabaseConnectionError",
        "DatabaseUnreachableError",
    ]
    assert all("secret" not in repr(error) for error in found)


def subclasses(base: type[Exception]) -> Iterator[type[Exception]]:
    for each in base.__subclasses__():
        yield each
        yield from subclasses(each)


@pytest.mark.parametrize("base", [storage.errors.StorageError, objectives.errors.ObjectiveError])
def test_every_error_of_the_other_packages_has_a_translation_of_the_same_kind(
    base: type[Exception],
) -> None:
    found = list(subclasses(base))
    assert len(found) >= 6
    assert set(found) <= {theirs for theirs, _ in TRANSLATIONS}
    for theirs in found:
        ours = translate(theirs("what was wrong"))
        for kind in BUILT_IN:
            assert issubclass(ours, kind) == issubclass(theirs, kind), (theirs, ours, kind)


def test_a_translated_error_keeps_message_and_cause_and_others_pass() -> None:
    @translated_errors()
    def fail(error: Exception) -> None:
        """Fail."""
        raise error

    lost = objectives.errors.DataNotFoundError("no such data")
    with pytest.raises(studies.DataNotFoundError, match=r"^no such data$") as caught:
        fail(lost)
    assert caught.value.__cause__ is lost
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())
    with pytest.raises(studies.HpoError) as bare:
        fail(objectives.errors.ObjectiveError("of no kind"))
    assert type(bare.value) is studies.HpoError
    assert fail.__doc__ == "Fail."


def test_every_error_is_a_built_in_one_too() -> None:
    bases = {studies.HpoError, studies.DatabaseError}
    for name in studies.__all__:
        error = getattr(studies, name)
        if name.endswith("Error") and error not in bases:
            assert issubclass(error, studies.HpoError)
            assert issubclass(error, BUILT_IN), name
