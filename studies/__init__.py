"""What is run and in what order: studies, from their definition to their table of results.

The names below are imported when they are first used, so that `hpo --help` answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.create import create_study, delete_study, load_study
    from studies.definition import StudyDefinition
    from studies.definition_files import load_definition
    from studies.export import best_trials, export_trials, load_model
    from studies.launch import run

_HOME = {
    "StudyDefinition": "studies.definition",
    "best_trials": "studies.export",
    "create_study": "studies.create",
    "delete_study": "studies.create",
    "export_trials": "studies.export",
    "load_definition": "studies.definition_files",
    "load_model": "studies.export",
    "load_study": "studies.create",
    "run": "studies.launch",
}

__all__ = [
    "StudyDefinition",
    "best_trials",
    "create_study",
    "delete_study",
    "export_trials",
    "load_definition",
    "load_model",
    "load_study",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
