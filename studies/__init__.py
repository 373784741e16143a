"""Studies: from a definition to its trials and their results. These are the public names.

Each is imported when it is first used, so that `hpo --help` answers at once.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.confirmation.confirm import confirm
    from studies.confirmation.transfer import transfer
    from studies.create import create_study
    from studies.definition.files import load_definition
    from studies.definition.study import StudyDefinition
    from studies.delete import delete_study
    from studies.errors import (
        AnswerError,
        CodeError,
        DatabaseConnectionError,
        DatabaseError,
        DatabaseNotFoundError,
        DatabaseSchemaError,
        DatabaseUrlError,
        DataError,
        DataNotFoundError,
        DefinitionError,
        DefinitionNotFoundError,
        ExecutorDiedError,
        ExecutorError,
        ExecutorStoppedError,
        ExecutorTimeoutError,
        FileFormatError,
        FolderError,
        HpoError,
        LaunchError,
        NetworkNotKeptError,
        NoCompleteTrialError,
        NotRepeatableError,
        RenderingError,
        SettingError,
        StudyNotFoundError,
        TakenNameError,
        TrialError,
        TrialNotFailedError,
        TrialNotFoundError,
        WorkerError,
    )
    from studies.fleet.local import run
    from studies.lookup import load_study
    from studies.results.compare import compare
    from studies.results.effects.effects import effects
    from studies.results.export import best_trials, export_trials
    from studies.results.models import load_model
    from studies.results.outlook import outlook
    from studies.results.predict import predict
    from studies.results.provenance import show
    from studies.results.reruns.rerun import rerun
    from studies.retry import retry_trials
    from studies.worker.function_files import checkpoint_folder, keep_file

_HOME = {
    "StudyDefinition": "studies.definition.study",
    "best_trials": "studies.results.export",
    "checkpoint_folder": "studies.worker.function_files",
    "compare": "studies.results.compare",
    "confirm": "studies.confirmation.confirm",
    "create_study": "studies.create",
    "delete_study": "studies.delete",
    "effects": "studies.results.effects.effects",
    "export_trials": "studies.results.export",
    "keep_file": "studies.worker.function_files",
    "load_definition": "studies.definition.files",
    "load_model": "studies.results.models",
    "load_study": "studies.lookup",
    "outlook": "studies.results.outlook",
    "predict": "studies.results.predict",
    "rerun": "studies.results.reruns.rerun",
    "retry_trials": "studies.retry",
    "run": "studies.fleet.local",
    "show": "studies.results.provenance",
    "transfer": "studies.confirmation.transfer",
}

__all__ = [
    "AnswerError",
    "CodeError",
    "DataError",
    "DataNotFoundError",
    "DatabaseConnectionError",
    "DatabaseError",
    "DatabaseNotFoundError",
    "DatabaseSchemaError",
    "DatabaseUrlError",
    "DefinitionError",
    "DefinitionNotFoundError",
    "ExecutorDiedError",
    "ExecutorError",
    "ExecutorStoppedError",
    "ExecutorTimeoutError",
    "FileFormatError",
    "FolderError",
    "HpoError",
    "LaunchError",
    "NetworkNotKeptError",
    "NoCompleteTrialError",
    "NotRepeatableError",
    "RenderingError",
    "SettingError",
    "StudyDefinition",
    "StudyNotFoundError",
    "TakenNameError",
    "TrialError",
    "TrialNotFailedError",
    "TrialNotFoundError",
    "WorkerError",
    "best_trials",
    "checkpoint_folder",
    "compare",
    "confirm",
    "create_study",
    "delete_study",
    "effects",
    "export_trials",
    "keep_file",
    "load_definition",
    "load_model",
    "load_study",
    "outlook",
    "predict",
    "rerun",
    "retry_trials",
    "run",
    "show",
    "transfer",
]


def _check_not_hidden() -> None:
    """Check that no other package hides one that this one stands on.

    Raises:
        ImportError: One does, such as a folder of this name where Python was started.
    """
    ours = Path(__file__).parents[1]
    for name in ("objectives", "storage"):
        found = find_spec(name)
        where = Path(str(found.origin)) if found else ours / name
        if found and where.parent != ours / name:
            raise ImportError(
                f"Expected this service's package {name}, in {ours / name}. Received: {where}, "
                "which hides it. Give that one another name, or start Python in another folder."
            )


_check_not_hidden()


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    home = "studies.errors" if name in __all__ and name not in _HOME else _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(home), name)
    if isinstance(found, FunctionType):
        from studies.error_translation import translated_errors

        found = translated_errors()(found)
    globals()[name] = found  # so that a name is one object, however often it is imported
    return found
