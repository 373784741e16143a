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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        attributes: What is known of the trial up to then.
    """

    def __init__(self, kind: str, message: str, traceback: str, attributes: Message) -> None:
        super().__init__(message)
        self.kind = kind
        self.traceback = traceback
        self.attributes = attributes


@dataclass(frozen=True)
class ExecutorKind:
    """What a child is started for; trials of one kind share a child.

    Attributes:
        backend: The Keras backend or `auto`; None for a user's own function.
        cpu_backend: What `auto` means on a CPU.
    """

    backend: str | None
    cpu_backend: str = "jax"


class Executor:
    """A running child. It ends when it is closed, and when this process ends in any way.

    Args:
        kind: What to start.
        should_abort: Asked while waiting; True makes the wait raise `ExecutorStoppedError`.

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
            [sys.executable, "-P", "-m", "studies.executor_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**_defaults(), **os.environ},
        )
        self._events: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            ready = self._ask({"backend": kind.backend, "cpu_backend": kind.cpu_backend})
        except BaseException:
            self.close()
            raise
        self.backend: str | None = ready["backend"]
        self.device: str = ready["device"]

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

    def train(self, request: Message, on_epoch: Callable[[int, Message], bool]) -> Message:
        """Train one network.

        Args:
            request: objective, hyperparameters, dataset, data, seed, metric, maximize.
            on_epoch: Called with the epochs completed and the metrics; returns whether to go on.

        Returns:
            value, None where training diverged; stopped; and the attributes to record.

        Raises:
            TrialError: Training raised an exception.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop at once.
        """
        result = self._ask({"call": "train", **request}, on_epoch)
        self.programs_built = result["programs_built"]
        return result

    def save(self, file: Path) -> None:
        """Write the network that was trained last to `file`.

        Raises:
            TrialError: It could not be written.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop at once.
        """
        self._ask({"call": "save", "file": str(file)})

    def call_function(self, request: Message) -> Message:
        """Call a user's function.

        Args:
            request: function, storage, study, created_at, trial_id.

        Returns:
            value and stopped, as for `train`.

        Raises:
            TrialError: The function raised an exception.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop.
        """
        return self._ask({"call": "function", **request})

    def close(self) -> None:
        """End the child."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a request that it did not live to read
            self._process.stdin.close()

    def _ask(
        self, request: Message, on_epoch: Callable[[int, Message], bool] | None = None
    ) -> Message:
        self._send(request)
        while True:
            event = self._next_event()
            match event["event"]:
                case "epoch" if on_epoch is not None:
                    self._send({"go_on": on_epoch(event["epoch"], event["metrics"])})
                case "error":
                    raise TrialError(
                        event["kind"], event["message"], event["traceback"], event["attributes"]
                    )
                case _:
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
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",  # TensorFlow: errors only
        # JAX would take 3/4 of a GPU that others may share.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # What one worker has compiled, the next one reads. Half of what a first trial waits for
        # are the many small programs that fill its first weights.
        "JAX_COMPILATION_CACHE_DIR": str(caches / "hpo" / "jax"),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),  # bytes; what is unused for longest goes
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
