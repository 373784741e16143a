"""The worker's handle on its executor child: start it, ask it to train, notice when it dies."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from objectives.cache import cache_folder

POLL = 0.2  # seconds between two looks at whether the worker was told to stop
Message = dict[str, Any]


class ExecutorDiedError(RuntimeError):
    """The child ended in the middle of a request: a crash, or killed for its memory."""


class ExecutorStoppedError(RuntimeError):
    """The worker was told to stop and could not wait for the child."""


class TrialError(RuntimeError):
    """The request raised an exception in the child.

    Attributes:
        kind: The class of the exception.
        traceback: Its traceback, as text.
    """

    def __init__(self, kind: str, message: str, traceback: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.traceback = traceback


@dataclass(frozen=True)
class ExecutorKind:
    """What a child is started for; trials of one kind share a child.

    Attributes:
        backend: The Keras backend or `auto`; None for a user's own function.
        cpu_backend: What `auto` means on a CPU.
        lanes: How many trials to train at once on JAX; None to find out what is fastest.
    """

    backend: str | None
    cpu_backend: str = "jax"
    lanes: int | None = None


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a failure of the child was, by all appearance, for want of memory."""
    if isinstance(error, TrialError):
        signs = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "MemoryError", "out of memory")
        return any(sign in f"{error.kind}: {error}" for sign in signs)
    return "SIGKILL" in str(error)


class Executor:
    """A running child. It ends when it is closed, and when this process ends in any way.

    What it has started ends with it.

    Args:
        kind: What to start.
        should_abort: Asked while waiting; True makes the wait raise `ExecutorStoppedError`.

    Attributes:
        backend: The Keras backend; None for a user's own function.
        device: What it trains on, as the backend names it.
        programs_built: How many programs it has compiled.
        wanted: How many trials it trains at once the fastest, as far as it knows.

    Raises:
        TrialError: The child could not start, as when its backend is not installed.
        ExecutorDiedError: The child ended while it started.
    """

    def __init__(self, kind: ExecutorKind, should_abort: Callable[[], bool]) -> None:
        self.kind = kind
        self.programs_built = 0
        self._should_abort = should_abort
        # -P: a folder named `storage` where the worker was started must not hide ours.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "studies.executor.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**_defaults(), **os.environ},
            process_group=0,  # with all that a user's function starts: they end together
        )
        self._events: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            ready = self._ask(asdict(kind))
        except BaseException:
            self.close()
            raise
        self.backend: str | None = ready["backend"]
        self.device: str = ready["device"]
        self.wanted: int = ready["wanted"]

    @property
    def is_alive(self) -> bool:
        """Whether the child still serves."""
        return self._process.poll() is None

    def prepare(self, dataset: str, options: Message) -> str:
        """Load a data set in the child, downloading it where need be; return its SHA-256.

        Raises:
            TrialError: It is not there, or not as the options ask.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop at once.
        """
        return str(self._ask({"call": "prepare", "dataset": dataset, "data": options})["sha256"])

    def add(self, request: Message) -> Message:
        """Have trials of one structure train beside those that train already.

        Args:
            request: objective, dataset, data, metric, maximize; and tasks, each with id,
                hyperparameters, seed, and checkpoint, a file or None.

        Returns:
            added: for each trial its id, and the history of the epochs that it has behind it.
            refused: for each that cannot begin its id, and the error's kind, message, traceback.

        Raises:
            TrialError: All of them together cannot begin, as for want of memory.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop at once.
        """
        answer = self._ask({"call": "add", **request})
        self.wanted = answer["wanted"]
        return answer

    def train_epoch(self) -> list[Message]:
        """Train every trial for one epoch.

        Returns:
            For each its id, the epochs completed, the metrics, and whether it has ended.

        Raises:
            TrialError: Training raised an exception.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop at once.
        """
        answer = self._ask({"call": "train_epoch"})
        self.wanted = answer["wanted"]
        return list(answer["lanes"])

    def stop(self, ids: Collection[int]) -> None:
        """End trials after the epoch that they have completed; raises as `train_epoch`."""
        if ids:
            self._ask({"call": "stop", "ids": list(ids)})

    def take_ended(self) -> list[Message]:
        """Take out the trials that have ended; raises as `train_epoch`.

        Returns:
            For each its id; value, None where training diverged; stopped; and the attributes to
            record.
        """
        answer = self._ask({"call": "take_ended"})
        self.programs_built = answer["programs_built"]
        return list(answer["results"])

    def save(self, trial_id: int, file: Path) -> None:
        """Write the network of a trial taken out last to `file`; raises as `train_epoch`."""
        self._ask({"call": "save", "id": trial_id, "file": str(file)})

    def draw(self, request: Message) -> Message:
        """Draw what the network saved last makes of pictures; raises as `train_epoch`.

        Args:
            request: objective, dataset, data; folder, for the figures.

        Returns:
            figures: the files; plots: name -> Plotly's JSON, for the study's page.
        """
        return self._ask({"call": "draw", **request})

    def checkpoint(self, trial_id: int, file: Path) -> None:
        """Write where a trial is to `file`; raises as `train_epoch`."""
        self._ask({"call": "checkpoint", "id": trial_id, "file": str(file)})

    def judge(self, request: Message) -> Message:
        """Judge a kept network on the test part of its data set; raises as `train_epoch`.

        Args:
            request: objective, hyperparameters, dataset, data; file, of the network; sha256, of
                the data that it was trained on.

        Returns:
            metrics; n, the number of pictures.
        """
        return self._ask({"call": "judge", **request})

    def call_function(self, request: Message) -> Message:
        """Call a user's function.

        Args:
            request: function, storage, study, created_at, trial_id.

        Returns:
            value and stopped, as for `take_ended`.

        Raises:
            TrialError: The function raised an exception.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop.
        """
        return self._ask({"call": "function", **request})

    def close(self) -> None:
        """End the child, and what it has started."""
        with contextlib.suppress(ProcessLookupError):  # nothing of it is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a request that it did not live to read
            self._process.stdin.close()

    def _ask(self, request: Message) -> Message:
        self._send(request)
        event = self._next_event()
        if event["event"] == "error":
            raise TrialError(event["kind"], event["message"], event["traceback"])
        return event

    def _send(self, message: Message) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _next_event(self) -> Message:
        has_ended = False
        while True:
            try:
                event = self._events.get(timeout=POLL)
            except queue.Empty:
                if self._should_abort():
                    raise ExecutorStoppedError("told to stop") from None
                if has_ended:  # and something else holds the pipe open
                    raise self._died() from None
                has_ended = not self.is_alive  # its last words may be on their way
                continue
            if event is None:
                raise self._died()
            return event

    def _read(self) -> None:
        assert self._process.stdout is not None
        # Closed here and nowhere else: what a user's function has forked may hold the pipe open
        # after the child's end, and whoever closes it meanwhile waits for this thread.
        with self._process.stdout as events:
            try:
                for line in events:
                    self._events.put(json.loads(line))
            except ValueError:
                self._process.kill()  # it died in the middle of a line, or speaks no more
            finally:
                self._events.put(None)

    def _died(self) -> ExecutorDiedError:
        code = self._process.wait()
        if code >= 0:
            return ExecutorDiedError(f"the training process ended with exit code {code}")
        name = signal.Signals(-code).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return ExecutorDiedError(f"the training process was ended by {name}{hint}")


def _defaults() -> dict[str, str]:
    """Return settings of the libraries in the child, each unless the environment says otherwise."""
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",  # TensorFlow: errors only
        # JAX would take 3/4 of a GPU that others may share.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # What one worker has compiled, the next one reads. Half of what a first trial waits for
        # are the many small programs that fill its first weights.
        "JAX_COMPILATION_CACHE_DIR": str(cache_folder("jax")),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),  # bytes; what is unused for longest goes
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
