"""The studies that a worker has open: those named to it, or all that it can work on."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from objectives import registered
from objectives.code.names import file_of, module_to_allow
from objectives.code.source_code import SourceCode
from storage import Plan, QueueState, study_id
from studies.attributes import ARTIFACTS_KEY, CODE_KEY, CREATED_KEY, ENCODING_KEY
from studies.definition.code import CodeRecord, in_code_folder, locate
from studies.definition.study import StudyDefinition
from studies.errors import WorkerError
from studies.executor.client import Executor
from studies.executor.protocol import (
    ExecutorKind,
)
from studies.executor.request import DatasetSpec
from studies.lookup import as_argument
from studies.samplers.plan import plan_of
from studies.samplers.reading import parts_to_read
from studies.worker.checkpoints import checkpoint_file, checkpointed, remove_part
from studies.worker.database_retry import RetryingDatabase
from studies.worker.log import WorkerLog
from studies.worker.study_notes import StudyNote, place_of, write_note

LEFT_OUT = 300.0  # seconds: a fault such as a failed download may have passed by then


@dataclass(eq=False)
class OpenStudy:
    """A study that a worker has open.

    Attributes:
        study: The study.
        definition: Its definition.
        id: Its id in the storage.
        created_at: When it was made, which tells it from another of its name.
        artifacts: The folder of its artifacts.
        encoding: How its data are encoded; None in a study made before this was stored.
        data_sha256: The SHA-256 of its data, once the child has loaded them.
        max_pack_size: How many trials fit into memory at once, once that is known.
        code: The code on this machine that builds its networks; None for networks of the service.
        data_code: The code on this machine that loads its data; None where no code does.
        cpu_backend: The Keras backend that trains them on a CPU, for such code.
        told: The warnings about it that this worker has logged, each once.
    """

    study: optuna.Study
    definition: StudyDefinition
    id: int
    created_at: str
    artifacts: Path
    encoding: dict[str, Any] | None = None
    data_sha256: str | None = None
    max_pack_size: int | None = None
    code: SourceCode | None = None
    data_code: SourceCode | None = None
    cpu_backend: str = "jax"
    told: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.study.study_name

    @property
    def plan(self) -> Plan | None:
        """What tells its next round; None where it has no rounds."""
        return plan_of(self.definition)

    @property
    def dataset(self) -> DatasetSpec | None:
        """The data to train on; None for a user's function, which has its own."""
        if self.definition.dataset is None:
            return None
        options = self.definition.data.model_dump()
        name = self.definition.dataset if self.data_code is None else self.data_code.name
        return DatasetSpec(name, options, self.encoding)

    def executor_kind(self, pack_size: int | None) -> ExecutorKind:
        """Return the kind of child that trains this study."""
        if self.definition.is_function:
            return function_kind(self.definition)
        codes = [code for code in (self.code, self.data_code) if code is not None]
        backend = self.definition.network.cpu_backend if self.code is None else self.cpu_backend
        return network_kind(self.definition.backend, codes, backend, pack_size)

    @property
    def objective(self) -> str:
        """The objective, as the child finds it on this machine."""
        return self.definition.objective if self.code is None else self.code.name

    def pack_size(self, executor: Executor) -> int:
        """Return how many trials to train at once."""
        if self.definition.is_function:
            return 1
        search = self.definition.search
        seeds = 1 if search.one_by_one else search.n_seeds  # each takes a place
        limits = (
            max(1, executor.pack_size // seeds),
            self.max_pack_size,
            self.definition.most_alike,
        )
        return min(limit for limit in limits if limit is not None)

    def checkpoint(self, trial: FrozenTrial) -> Path:
        """Return the checkpoint file of a trial and of its retries, whether or not it exists."""
        return checkpoint_file(self.artifacts, self.created_at, trial)


def function_kind(definition: StudyDefinition) -> ExecutorKind:
    """Return the kind of child that executes the function of a study."""
    wanted = definition.backend
    return ExecutorKind(None, keras_backend=None if wanted == "auto" else wanted)


def network_kind(
    backend: str, codes: Sequence[SourceCode], cpu_backend: str, pack_size: int | None = None
) -> ExecutorKind:
    """Return the kind of child that trains networks, and imports this code of the user's."""
    return ExecutorKind(
        backend,
        cpu_backend,
        pack_size,
        code=" ".join(code.sha256 for code in codes),
        code_folders=tuple(str(code.root) for code in codes),
        admitted=registered.admitted(),
    )


def check_allowed(
    definition: StudyDefinition, allow_modules: Sequence[str], code_folder: Path | None = None
) -> None:
    """Refuse code that a definition names, unless the person who works on it trusts the code.

    Args:
        definition: The definition.
        allow_modules: Packages and files whose functions may be executed.
        code_folder: See `locate`.

    Raises:
        WorkerError: A function that it names is of none of these.
    """
    for name in definition.functions:
        function = in_code_folder(name, code_folder)
        if not any(_is_of(function, each) for each in allow_modules):
            module = module_to_allow(function)
            what = "an objective" if name == definition.objective else "data"
            raise WorkerError(
                f"Expected {what} of an allowed package or file, since its code is executed. "
                f"Received: {function}. If you trust it: --allow-module "
                f"{shlex.quote(module)}, in Python allow_modules=[{module!r}]; on the command "
                "line the study's .toml file will do, in place of its name."
            )


def _is_of(function: str, allowed: str) -> bool:
    file = file_of(function)
    if file is not None:
        return Path(allowed).suffix == ".py" and Path(allowed).resolve() == file.resolve()
    module = function.rpartition(":")[0]
    return module == allowed or module.startswith(f"{allowed}.")


def _data_code(definition: StudyDefinition, folder: Path | None) -> SourceCode | None:
    """Find the code that loads a study's data, if code does; raises as `locate`.

    Its hash is not compared: that of the data is, when they are loaded.
    """
    return locate(str(definition.dataset), folder) if definition.is_loaded_by_code else None


@dataclass(frozen=True)
class _Dropped:
    """A study that is left out: when it was made, if that is known, and until when."""

    created_at: str | None
    until: float


class OpenStudies:
    """Opens studies, and leaves out those that this worker cannot work on.

    Args:
        database: The storage.
        log: The worker's log.
        named: The studies to work on, in order; all studies when empty.
        allow_modules: Packages and files whose functions studies may name as objectives.
        code_folder: A folder with such files; None for the places that the studies name.
    """

    def __init__(
        self,
        database: RetryingDatabase,
        log: WorkerLog,
        named: Sequence[str],
        allow_modules: Sequence[str],
        code_folder: Path | None = None,
    ) -> None:
        self._database = database
        self._log = log
        self._named = list(named)
        self._allow_modules = allow_modules
        self._code_folder = code_folder
        self._open: dict[str, OpenStudy] = {}
        self._states: dict[str, QueueState] = {}  # of all studies, when `names` was last called
        self._idle: dict[str, QueueState] = {}  # in which nothing could be claimed
        self._dropped: dict[str, _Dropped] = {}
        self._last_reason = ""

    @property
    def wanted(self) -> str:
        """The studies to work on, in words."""
        return ", ".join(self._named) or "any study"

    def names(self) -> list[str]:
        """Return the studies that may have trials, in order, as they are in the storage now.

        It sends one statement, however many studies there are. A study that has ended is left out
        until it changes.
        """
        self._states = self._database.queue_states()
        for name in (self._open.keys() | self._idle.keys()) - self._states.keys():
            self._forget(name)  # a worker may see thousands come and go
        return [name for name in self._candidates() if not self._is_idle(name)]

    def is_claimable(self, name: str) -> bool:
        """Tell whether a claim would find a trial in a study that `names` has returned.

        One in which nothing can be claimed yet, since a round waits for trials that others run, is
        returned by `names` again.

        Raises:
            KeyError: There is no such study.
            ValueError: A study that the worker was asked for cannot be worked on here.
            WorkerError: Its objective is a function that this worker may not execute.
        """
        if name in self._named:
            self.open(name)  # its faults are told even before it has a trial
        state = self._states[name]
        if self._database.is_claimable(state.study_id):
            return True
        if not self._database.awaits_slots(state.study_id):
            self._idle[name] = state
        return False

    def open(self, name: str) -> OpenStudy:
        """Open a study that `names` has returned, unless it is open already.

        Raises:
            KeyError: There is no such study.
            ValueError: Its definition does not hold on this machine.
            WorkerError: Its objective is a function that this worker may not execute.
        """
        known = self._open.get(name)
        if known is None or known.created_at != self._mark(name):
            study, definition = self._database.load_study(name)
            check_allowed(definition, self._allow_modules, self._code_folder)
            attributes = self._database.get_attributes(study)
            record = CodeRecord(**attributes[CODE_KEY]) if definition.is_own_network else None
            code = None if record is None else self._code(name, definition, record)
            if record is not None:
                definition = definition.with_code(definition.space, definition.backend, record)
            parts = parts_to_read(definition.search)
            self._database.storage.read_less(study_id(study), parts)
            self._open[name] = OpenStudy(
                study,
                definition,
                study_id(study),
                attributes[CREATED_KEY],
                Path(attributes[ARTIFACTS_KEY]),
                attributes.get(ENCODING_KEY),
                code=code,
                data_code=_data_code(definition, self._code_folder),
                cpu_backend="jax" if record is None else record.cpu_backend,
            )
            self._remove_leftovers(self._open[name])
            place = place_of(self._database.storage)
            note = StudyNote(name, self._open[name].created_at, place)
            write_note(self._open[name].artifacts, note)
        return self._open[name]

    def _code(self, name: str, definition: StudyDefinition, record: CodeRecord) -> SourceCode:
        """Find the code of a study's networks here, and compare it with what was recorded.

        Raises:
            CodeError: There is none.
            WorkerError: It is another.
        """
        code = locate(definition.objective, self._code_folder)
        if code.sha256 != record.sha256:
            raise WorkerError(
                f"Expected the code that the study was made with, of SHA-256 {record.sha256[:12]}. "
                f"Received: {code.file} of SHA-256 {code.sha256[:12]}, which differs or imports "
                "what does. Values of other networks could not be compared: make another study "
                f"with --name. If it builds the same: hpo create --accept-code {as_argument(name)}"
            )
        return code

    def drop(self, name: str, reason: str) -> None:
        """Leave a study out, for some minutes or until it is made anew.

        Raises:
            WorkerError: None of those named is left.
        """
        self._open.pop(name, None)
        self._dropped[name] = _Dropped(self._mark(name), time.monotonic() + LEFT_OUT)
        if self._named and all(map(self._is_dropped, self._named)):
            raise WorkerError(f"study {name!r}: {reason}")
        self._log.warning("study %r is left out: %s", name, reason, study=name)
        self._last_reason = f"study {name!r}: {reason}"

    def check_any_left(self) -> None:
        """Check that at least one study could be worked on here.

        Raises:
            WorkerError: Each was left out; the message has the reason of the last one.
        """
        if self._dropped and not self._open and not self._candidates():
            raise WorkerError(self._last_reason)

    def forget(self, name: str, *, is_expected: bool) -> None:
        """Forget a study that was deleted; one of the same name may be made again.

        Raises:
            WorkerError: It is the only one named, and that was not expected.
        """
        self._forget(name)
        if name in self._states:  # it has lost its budget only, or is gone since then
            self._idle[name] = self._states[name]
        if self._named == [name] and not is_expected:
            raise WorkerError(f"study {name!r} was deleted")

    def ids(self) -> dict[int, str]:
        """Return the studies to work on, as `names` has found them: id -> name."""
        return {self._states[n].study_id: n for n in self._candidates() if n in self._states}

    def has_more(self) -> bool:
        """Tell whether trials may come: others run some that may be lost, or some just came."""
        return any(
            state.runs or not self._is_idle(name)
            for name in self._candidates()
            if (state := self._states.get(name)) is not None
        )

    def _candidates(self) -> list[str]:
        return [n for n in self._named or self._states if not self._is_dropped(n, self._mark(n))]

    def _mark(self, name: str) -> str | None:
        """Return when a study was made, as `names` has found it."""
        state = self._states.get(name)
        return None if state is None else state.mark

    def _is_idle(self, name: str) -> bool:
        """Tell whether nothing has changed in a study since nothing could be claimed there."""
        state = self._states.get(name)
        return state is not None and self._idle.get(name) == state

    def _is_dropped(self, name: str, created_at: str | None = None) -> bool:
        dropped = self._dropped.get(name)
        if dropped is None or time.monotonic() > dropped.until:
            return False
        return None in (created_at, dropped.created_at) or created_at == dropped.created_at

    def _forget(self, name: str) -> None:
        self._idle.pop(name, None)
        study = self._open.pop(name, None)
        if study is not None:
            self._database.storage.forget(study.id)

    def _remove_leftovers(self, study: OpenStudy) -> None:
        """Remove the checkpoints of ended trials, whose worker was killed before it did so."""
        found = checkpointed(study.artifacts, study.created_at)  # before the trials are read
        going_on = self._database.unfinished_lineages(study.id) if found else set()
        for number in found.keys() - going_on:
            for part in found[number]:
                remove_part(part)
