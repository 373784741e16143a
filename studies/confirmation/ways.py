"""How settings are trained anew: by worker processes of this machine, or as a command does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna

from studies.confirmation.study import Prepare
from studies.definition.study import StudyDefinition
from studies.fleet.local import fetch_data, work_here
from studies.fleet.own_code import prepare
from studies.fleet.trials_bar import trials_bar
from studies.lookup import definition_of

Work = Callable[[optuna.Study], bool]


@dataclass(frozen=True)
class Ways:
    """How a confirmation is carried out.

    Attributes:
        work: Works on a study, and tells whether it is done; False after a signal.
        prepare: Looks at the code that a new study names.
        tell: Called with a line for each network that is trained for the test part.
    """

    work: Work
    prepare: Prepare
    tell: Callable[[str], None] = lambda line: None


def ways_here(storage: str, workers: int | None, allow_modules: Sequence[str]) -> Ways:
    """Return how a caller in Python trains: workers of this machine, with a bar in a notebook.

    Args:
        storage: The URL of the storage.
        workers: Number of worker processes; None for one a GPU, or one where there is none.
        allow_modules: Packages and files whose functions may be executed.
    """
    allowed = tuple(f"--allow-module={module}" for module in allow_modules)

    def work(study: optuna.Study) -> bool:
        fetch_data(definition_of(study))
        with trials_bar(study) as advance:
            return work_here(study, storage, workers, options=allowed, on_tick=advance)

    def look_at(definition: StudyDefinition) -> StudyDefinition:
        return prepare(definition, allow_modules)

    return Ways(work, look_at)
