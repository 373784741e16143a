"""Look at the user's code that a study names, before the study is made, where it is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Any

from objectives.code.names import file_of
from objectives.code.source_code import SourceCode, distribution
from objectives.data.encoding import from_json
from objectives.data.sources import source_of
from objectives.errors import DataError, DataNotFoundError, unknown_name
from studies.definition.check_network import check_judged
from studies.definition.code import CodeRecord, locate
from studies.definition.search import keyed
from studies.definition.study import StudyDefinition
from studies.definition.watched import check_watched
from studies.errors import DefinitionError, ExecutorDiedError, TrialError
from studies.executor.client import Executor
from studies.executor.inspection import ExamineData, InspectNetwork, NetworkInspected
from studies.executor.protocol import ExecutorKind
from studies.executor.report import qualified_name
from studies.executor.request import DatasetSpec
from studies.lookup import as_argument
from studies.space.factor import Factor
from studies.worker.open_studies import check_allowed, function_kind, network_kind

EXAMPLES = 100  # settings of a space that are built

Waiting = Callable[[str], AbstractContextManager[object]]


def prepare(
    definition: StudyDefinition,
    allow_modules: Sequence[str],
    tell: Callable[[str], None] = lambda line: None,
    *,
    accepts_code: bool = False,
    waiting: Waiting = nullcontext,
) -> StudyDefinition:
    """Let a child import the functions of a study, build some networks, and look at the data.

    Args:
        definition: The definition.
        allow_modules: Packages and files whose functions the study may name as its objective.
        tell: Called with a line that a person should read.
        accepts_code: Whether code that has changed since the study was made is looked at anew.
        waiting: Given what takes long, returns a context in which it happens.

    Returns:
        The definition; of an own network with its space, its backend and what is known of its code;
        of data that a function returns with their encoding.

    Raises:
        WorkerError: The function is of none of these packages.
        DefinitionError: There is no such function, or it cannot be imported, or its networks are
            not what they should be.
    """
    check_allowed(definition, allow_modules)
    _announce(definition, tell)
    if definition.is_function:
        _find(definition)
    if not definition.is_own_network:
        return _with_data(definition) if definition.is_loaded_by_code else definition
    code = located("objective", definition.objective)
    is_changed = definition.code is not None and definition.code.sha256 != code.sha256
    if definition.code is None or (is_changed and accepts_code):
        return _inspect(definition, code, tell, waiting)
    check_code(definition)
    return definition


def check_code(definition: StudyDefinition) -> None:
    """Check that the code of a study's networks is still what the study was made with.

    Raises:
        DefinitionError: It has changed.
    """
    if definition.code is None:
        return
    code = located("objective", definition.objective)
    if definition.code.sha256 != code.sha256:
        raise DefinitionError(
            "objective",
            f"Expected the code that study {definition.name!r} was made with. Received: "
            f"{code.file}, which differs, or imports what does. Make another study with --name. If "
            "the code builds the same networks: hpo create --accept-code "
            f"{as_argument(definition.name)}",
        )


def _announce(definition: StudyDefinition, tell: Callable[[str], None]) -> None:
    """Tell what a person should know before the data of a new study are read."""
    dataset = definition.dataset
    if dataset is not None and not definition.is_examined:
        line = keyed("dataset", lambda: source_of(dataset).announcement(definition.data))
        if line is not None:
            tell(line)


def located(key: str, function: str) -> SourceCode:
    """Find the code of a function on this machine; none of it is executed.

    Raises:
        DefinitionError: There is none, or it has a mistake in its syntax.
    """
    try:
        return locate(function)
    except ValueError as error:
        raise DefinitionError(key, str(error)) from None


def _with_data(definition: StudyDefinition) -> StudyDefinition:
    """Let a child call the function that returns the data of a built-in network."""
    if definition.is_examined:
        return definition
    assert definition.dataset is not None
    code = located("dataset", definition.dataset)
    kind = network_kind(definition.backend, [code], definition.network.cpu_backend)
    spec = DatasetSpec(definition.dataset, definition.data.model_dump())
    with _asked("dataset", kind) as executor:
        found = executor.examine_data(ExamineData(spec))
    check_judged(definition.metric, found.n_judged)
    return definition.with_encoding(from_json(found.encoding), tuple(found.shape))


def _find(definition: StudyDefinition) -> None:
    with _asked("objective", function_kind(definition)) as executor:
        executor.find_function(definition.objective)


@contextmanager
def _asked(key: str, kind: ExecutorKind) -> Iterator[Executor]:
    """Start a child; what it refuses is a mistake in the line of `key`, or in the data.

    Raises:
        DefinitionError: It refuses something, or has died.
    """
    executor = Executor(kind, should_abort=lambda: False, logs_output=True)
    try:
        yield executor
    except TrialError as error:
        is_of_data = error.name in (qualified_name(DataError), qualified_name(DataNotFoundError))
        raise DefinitionError("dataset" if is_of_data else key, str(error)) from None
    except ExecutorDiedError as error:
        raise DefinitionError(key, str(error)) from None
    finally:
        executor.close()


def _inspect(
    definition: StudyDefinition, code: SourceCode, tell: Callable[[str], None], waiting: Waiting
) -> StudyDefinition:
    """Complete a definition by what its function builds."""
    found = inspect(definition, code, waiting)
    if definition.metric not in found.metrics:
        raise DefinitionError(
            "metric",
            str(unknown_name("a metric of the network", definition.metric, found.metrics)),
        )
    check_judged(definition.metric, found.n_judged)
    check_watched(definition.factors, definition.metric, found.metrics)
    for note in found.notes:
        tell(note)
    if found.overridden:
        tell(f"[space] gives other bounds than the code, and wins: {', '.join(found.overridden)}.")
    module = definition.objective.rpartition(":")[0]
    record = CodeRecord(
        sha256=code.sha256,
        package=None if file_of(definition.objective) else distribution(module),
        cpu_backend="tensorflow" if found.convolves_pictures else "jax",
        trained_by=found.trained_by,
        reason=found.reason,
        structural=found.structural,
    )
    backend, encoding = backend_of(definition, code), from_json(found.encoding)
    completed = definition.with_code(definition.space or found.space, backend, record)
    is_known = encoding == completed.encoding  # then all lines need not be checked once more
    return completed if is_known else completed.with_encoding(encoding)


def backend_of(definition: StudyDefinition, code: SourceCode) -> str:
    """Return the Keras backend of an own network: the study's, else what its code imports."""
    return code.backend or "auto" if definition.backend == "auto" else definition.backend


def inspect(definition: StudyDefinition, code: SourceCode, waiting: Waiting) -> NetworkInspected:
    """Let a child build networks of a study's function, and look at them.

    Args:
        definition: The study.
        code: The code of the function.
        waiting: See `prepare`.

    Raises:
        DefinitionError: They are not what they should be.
    """
    function = definition.objective.rpartition("/")[2]
    aim = "check [space]" if definition.space else "find its space"
    with waiting(f"Building networks of {function} to {aim}"):
        return _inspect_now(definition, code)


def _inspect_now(definition: StudyDefinition, code: SourceCode) -> NetworkInspected:
    assert definition.dataset is not None
    assert definition.encoding is not None
    points = islice(definition.factors.examples(EXAMPLES), EXAMPLES) if definition.space else ()
    options, encoding = definition.data.model_dump(), definition.encoding.to_json()
    request = InspectNetwork(
        objective=code.name,
        dataset=DatasetSpec(definition.dataset, options, encoding),
        fixed=definition.setting_at({}),
        settings=[definition.setting_at(point) for point in points],
        lines=dict(definition.space),
        variants={name: _variants(factor) for name, factor in definition.factors.factors.items()},
    )
    codes = [code]
    if definition.is_loaded_by_code:
        codes.append(located("dataset", definition.dataset))
    with _asked("objective", network_kind(backend_of(definition, code), codes, "jax")) as executor:
        return executor.inspect(request)


def _variants(factor: Factor) -> list[dict[str, Any]]:
    """Return what some levels of a factor set: all of few, else the ends and what is between."""
    return [dict(factor.hyperparameters(level)) for level in factor.examples()]
