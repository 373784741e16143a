"""Look for a study's own function before the study is made, where its code is trusted."""

from __future__ import annotations

from collections.abc import Sequence

from studies.definition.study import StudyDefinition
from studies.errors import DefinitionError, ExecutorDiedError, TrialError
from studies.executor.client import Executor
from studies.worker.open_studies import check_allowed, function_kind


def check_function(definition: StudyDefinition, allow_modules: Sequence[str]) -> None:
    """Look for the function of a study, by a child that imports its module.

    Args:
        definition: The definition; nothing is done for one without a function.
        allow_modules: Packages whose functions the study may name as its objective.

    Raises:
        WorkerError: The function is of none of these packages.
        DefinitionError: There is no such function, or its module cannot be imported.
    """
    if not definition.is_function:
        return
    check_allowed(definition, allow_modules)
    executor = Executor(function_kind(definition), should_abort=lambda: False, logs_output=True)
    try:
        executor.find_function(definition.objective)
    except (TrialError, ExecutorDiedError) as error:
        raise DefinitionError("objective", str(error)) from None
    finally:
        executor.close()
