"""The child that a network of a study is evaluated or trained in, outside of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from objectives.code.source_code import SourceCode
from studies.attributes import CODE_KEY, CODE_SHA256_KEY, DEFINITION_KEY, ENCODING_KEY
from studies.definition.code import CodeRecord, locate
from studies.errors import CodeError
from studies.executor.protocol import ExecutorKind
from studies.executor.request import DatasetSpec
from studies.worker.open_studies import network_kind

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from studies.definition.study import StudyDefinition


@dataclass(frozen=True)
class Child:
    """What a child is started with, and asked for.

    Attributes:
        kind: What it is started for.
        objective: The objective, as it finds it.
        dataset: The data.
    """

    kind: ExecutorKind
    objective: str
    dataset: DatasetSpec


def child_of(study: optuna.Study, definition: StudyDefinition, trial: FrozenTrial) -> Child:
    """Return what a child needs for the network of a trial.

    Raises:
        CodeError: The code that the trial was trained with is not here.
    """
    objective, codes = definition.objective, []
    if definition.is_own_network:
        code = code_of(study, trial)
        objective, codes = code.name, [code]
        cpu_backend = CodeRecord(**study.user_attrs[CODE_KEY]).cpu_backend
    else:
        cpu_backend = definition.network.cpu_backend
    if definition.is_loaded_by_code:
        codes.append(locate(str(definition.dataset)))
    kind = network_kind(definition.backend, codes, cpu_backend)
    options, encoding = definition.data.model_dump(), study.user_attrs.get(ENCODING_KEY)
    return Child(kind, objective, DatasetSpec(str(definition.dataset), options, encoding))


def code_of(study: optuna.Study, trial: FrozenTrial) -> SourceCode:
    """Find the code that has built the network of a trial; none of it is executed.

    Raises:
        CodeError: There is none here, or it has changed since.
    """
    code = locate(str(study.user_attrs[DEFINITION_KEY]["objective"]))
    trained = trial.user_attrs.get(CODE_SHA256_KEY)
    if code.sha256 != trained:
        raise CodeError(
            f"Expected the code that trial {trial.number} was trained with, of SHA-256 "
            f"{str(trained)[:12]}. Received: {code.file} of SHA-256 {code.sha256[:12]}. Bring that "
            "code back, as from your version control."
        )
    return code
