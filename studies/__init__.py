"""What is run and in what order: studies, from their definition to their table of results.

The names below are imported when they are first used, so that `hpo --help` answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.create import create_study
    from studies.definition.files import load_definition
    from studies.definition.study import StudyDefinition
    from studies.delete import delete_study
    from studies.fleet.local import run
    from studies.lookup import load_study
    from studies.results.export import best_trials, export_trials
    from studies.results.models import load_model

_HOME = {
    "StudyDefinition": "studies.definition.study",
    "best_trials": "studies.results.export",
    "create_study": "studies.create",
    "delete_study": "studies.delete",
    "export_trials": "studies.results.export",
    "load_definition": "studies.definition.files",
    "load_model": "studies.results.models",
    "load_study": "studies.lookup",
    "run": "studies.fleet.local",
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
