"""The worker's handle on its executor child: start it, ask it to train, notice when it dies."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from objectives.cache import cache_folder
from studies.errors import (
    ExecutorDiedError,
    ExecutorStoppedError,
    ExecutorTimeoutError,
    TrialError,
)
from studies.executor.codec import SentAnswer, decode_answer, encode_request
from studies.executor.inspection import (
    DataExamined,
    ExamineData,
    FindFunction,
    InspectNetwork,
    NetworkInspected,
)
from studies.executor.output import OutputLogger
from studies.executor.protocol import (
    AddTrials,
    CallFunction,
    DrawFigures,
    EvaluateHoldout,
    ExecutorKind,
    FiguresDrawn,
    HoldoutEvaluated,
    LoadData,
    SaveCheckpoint,
    SaveNetwork,
    StopTrials,
    TakeEnded,
    TrainEpoch,
    TrialEpoch,
    TrialResult,
    TrialsAdded,
)
from studies.executor.report import ErrorReport
from studies.executor.request import DatasetSpec, Request

POLL = 0.2  # seconds between two checks whether the worker was told to stop
A = TypeVar("A")


def is_out_of_memory(error: TrialError | ExecutorDiedError) -> bool:
    """Tell whether a failure of the child was, by all appearance, for want of memory."""
    if isinstance(error, ExecutorDiedError):
        return error.signal is signal.SIGKILL  # the system kills the largest process
    signs = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "MemoryError", "out of memory")
    return any(sign in f"{error.class_name}: {error}" for sign in signs)


def as_trial_error(report: ErrorReport) -> TrialError:
    """Return a reported error as an exception to raise."""
    return TrialError(
        report.name,
        report.message,
        report.traceback,
        raised_by_storage=report.raised_by_storage,
        attributes=report.attributes,
    )


class Executor:
    """A running child. It ends when it is closed, and when this process ends in any way.

    Processes that it has started end with it.

    Args:
        kind: What to start.
        should_abort: Asked while waiting; True makes the wait raise `ExecutorStoppedError`.
        logs_output: Whether the child's prints are logged line by line; otherwise they go to this
            process's standard error.

    Attributes:
        backend: The Keras backend; for a user's function the library that it computes with, once
            that is known, and None if it has none.
        device: What it trains on, as the backend names it; empty where that is not known yet.
        programs_built: How many programs it has compiled.
        growth: The bytes of main memory that it takes beyond what its first trials took.
        pack_size: How many trials it trains fastest at once, as far as it knows.
        function_record: What it has told last of a user's function, to record with a trial for
            which it gives no answer.

    Raises:
        TrialError: The child could not start, as when its backend is not installed.
        ExecutorDiedError: The child ended while it started.
    """

    def __init__(
        self, kind: ExecutorKind, should_abort: Callable[[], bool], *, logs_output: bool = False
    ) -> None:
        self.kind = kind
        self.programs_built = 0
        self.growth = 0
        self.function_record: dict[str, Any] = {}
        self._first_memory: int | None = None
        self._should_abort = should_abort
        self._process, self._output = _start(logs_output=logs_output)
        self._asked = 0  # requests
        self._answers: queue.SimpleQueue[SentAnswer | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="answers of the executor", daemon=True).start()
        try:
            ready = self._ask(kind)
        except BaseException:
            self.close()
            raise
        self.backend = ready.backend
        self.device = ready.device
        self.pack_size = ready.pack_size

    @property
    def is_alive(self) -> bool:
        """Whether the child still serves."""
        return self._process.poll() is None

    def load_data(self, dataset: DatasetSpec, *, for_test: bool = False) -> str:
        """Load a data set in the child, downloading it where need be; return its SHA-256.

        Args:
            dataset: The data set.
            for_test: Whether it must have a test part, of which nothing is read.

        Raises:
            TrialError: There is no such data set, or it does not fit its options.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop at once.
        """
        return self._ask(LoadData(dataset, for_test)).sha256

    def add(self, request: AddTrials, within: float | None = None) -> TrialsAdded:
        """Train trials of one structure beside those that train already.

        Args:
            request: The trials.
            within: The seconds that it may take; None for no limit.

        Raises:
            TrialError: All of them together cannot begin, as for want of memory.
            ExecutorTimeoutError: It took longer; the child was ended.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop at once.
        """
        answer = self._ask(request, within)
        self.pack_size = answer.pack_size
        return answer

    def train_epoch(self, within: float | None = None) -> list[TrialEpoch]:
        """Train every trial for one epoch.

        Args:
            within: The seconds that it may take; None for no limit.

        Raises:
            ExecutorTimeoutError: It took longer; the child was ended.
            TrialError: Training raised an exception.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop at once.
        """
        answer = self._ask(TrainEpoch(), within)
        self.pack_size = answer.pack_size
        return answer.trials

    def stop(self, ids: Collection[int]) -> None:
        """End trials after the epoch that they have completed; raises as `train_epoch`."""
        if ids:
            self._ask(StopTrials(list(ids)))

    def take_ended(self) -> list[TrialResult]:
        """Take out the trials that have ended; raises as `train_epoch`."""
        answer = self._ask(TakeEnded())
        self.programs_built = answer.programs_built
        if self._first_memory is None:
            self._first_memory = answer.memory
        self.growth = answer.memory - self._first_memory
        return answer.results

    def save(self, trial_id: int, file: Path) -> list[Path]:
        """Write the network of a trial taken out last; return its files; raises as `train_epoch`.

        Args:
            trial_id: The trial.
            file: The `.keras` file to write; others of its name where Keras could not read it.
        """
        return self._ask(SaveNetwork(trial_id, file)).files

    def inspect(self, request: InspectNetwork) -> NetworkInspected:
        """Look at what a user's function builds; raises as `train_epoch`."""
        return self._ask(request)

    def examine_data(self, request: ExamineData) -> DataExamined:
        """Look at the data that a user's function returns; raises as `train_epoch`."""
        return self._ask(request)

    def draw(self, request: DrawFigures) -> FiguresDrawn:
        """Draw the predictions of the network saved last; raises as `train_epoch`."""
        return self._ask(request)

    def checkpoint(self, trial_id: int, file: Path) -> None:
        """Write the state of a trial that trains to `file`; raises as `train_epoch`."""
        self._ask(SaveCheckpoint(trial_id, file))

    def evaluate_holdout(self, request: EvaluateHoldout) -> HoldoutEvaluated:
        """Evaluate a kept network on the test part of its data; raises as `train_epoch`."""
        return self._ask(request)

    def find_function(self, function: str) -> None:
        """Import the module of a user's function and look for the function, without a call of it.

        Raises:
            TrialError: There is no such function, or its module cannot be imported.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop.
        """
        found = self._ask(FindFunction(function)).attributes
        if found:  # one that builds networks has none: their backend and device are known
            self._note_record(found)

    def call_function(self, request: CallFunction, within: float | None = None) -> TrialResult:
        """Call a user's function.

        Args:
            request: The function and the trial.
            within: The seconds that it may take; None for no limit.

        Raises:
            ExecutorTimeoutError: It took longer; the child was ended.
            TrialError: The function raised an exception.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop.
        """
        try:
            result = self._ask(request, within)
        except TrialError as error:
            if error.attributes:
                self._note_record(error.attributes)
            raise
        self._note_record(result.attributes)
        return result

    def _note_record(self, attributes: Mapping[str, Any]) -> None:
        """Take over what repeats a trial of a function, and what it computes with."""
        self.function_record = dict(attributes)
        self.backend = attributes.get("backend")
        self.device = attributes.get("device", "")

    def close(self) -> None:
        """End the child and the processes that it has started; log the rest of its output."""
        self._kill()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a request that it did not live to read
            self._process.stdin.close()
        self._output.finish()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # the whole group has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _ask(self, request: Request[A], within: float | None = None) -> A:
        deadline = None if within is None else time.monotonic() + within
        self._send(request)
        sent = self._next_answer(deadline)
        answer = sent.answer
        if sent.number == self._asked and isinstance(answer, ErrorReport):
            raise as_trial_error(answer)
        if sent.number != self._asked or not isinstance(answer, request.answer_type()):
            self._process.kill()  # it has lost count of the requests
            raise self._died()
        return answer

    def _send(self, request: Request[A]) -> None:
        assert self._process.stdin is not None
        self._asked += 1
        try:
            self._process.stdin.write(encode_request(request, self._asked) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _next_answer(self, deadline: float | None) -> SentAnswer:
        has_ended = False
        while True:
            left = POLL if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                answer = self._answers.get(timeout=min(POLL, left))
            except queue.Empty:
                if self._should_abort():
                    raise ExecutorStoppedError("told to stop") from None
                if has_ended:  # and something else holds the pipe open
                    raise self._died() from None
                if left == 0.0:
                    self._kill()
                    raise ExecutorTimeoutError("the child did not answer in time") from None
                has_ended = not self.is_alive  # its last answer may be on its way
                continue
            if answer is None:
                raise self._died()
            return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        # Closed by this thread only: forks of a user's function may hold the pipe open after the
        # child's end, and another thread that closed it would wait until they end too.
        with self._process.stdout as lines:
            try:
                for line in lines:
                    sent = decode_answer(line)
                    if sent.pid == self._process.pid:  # and not a fork of a user's function
                        self._answers.put(sent)
            except (ValueError, TypeError):
                self._process.kill()  # it died in the middle of a line, or writes something else
            finally:
                self._answers.put(None)

    def _died(self) -> ExecutorDiedError:
        code = self._process.wait()
        if code >= 0:
            # The first request starts it; what ends it later is in users' code, or in a library.
            how = f", as by os._exit({code})" if self._asked > 1 else ""
            return ExecutorDiedError(
                f"the training process ended with exit code {code}{how}", exit_code=code
            )
        number = signal.Signals(-code)
        hint = ", perhaps for want of memory" if number is signal.SIGKILL else ""
        return ExecutorDiedError(
            f"the training process was ended by {number.name}{hint}", signal=number
        )


def _start(*, logs_output: bool) -> tuple[subprocess.Popen[str], OutputLogger]:
    """Start a child, and the thread that shows what it prints."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            # -P: a folder named `storage` where the worker was started must not hide ours.
            # -u: of a function that is killed, the last line that it has printed is wanted most.
            [sys.executable, "-P", "-u", "-m", "studies.executor.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=writing,
            encoding="utf-8",
            env={**child_settings(), **os.environ},
            process_group=0,  # with all that a user's function starts: they end together
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, OutputLogger(os.fdopen(reading, "rb"), logs=logs_output)


def child_settings() -> dict[str, str]:
    """Return settings of the libraries in the child, each unless the environment says otherwise."""
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",  # TensorFlow: errors only
        "PYTHONUNBUFFERED": "1",  # as -u, for programs of Python that a user's function starts
        # JAX would take 3/4 of a GPU that others may share.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # What one worker has compiled, the next one reads. Half of the wait for a first trial is
        # for the many small programs that fill its first weights.
        "JAX_COMPILATION_CACHE_DIR": str(cache_folder("jax")),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),  # bytes; the longest unused go first
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
