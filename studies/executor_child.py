"""The program that trains: it holds Keras and one device, and serves one worker over two pipes.

Started fresh by `studies.executor`, never forked: accelerators and thread pools do not survive a
fork. One JSON object a line; requests come in on standard input, events go out on what was
standard output when it started (later prints of any library go to standard error instead). When
standard input closes, its worker is gone, and it ends at once, whatever it is doing.

Of what a worker runs, this alone imports Keras.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import Any, TextIO

Message = dict[str, Any]


class Channel:
    """The two pipes to the worker."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, event: str, **fields: Any) -> None:
        """Send an event to the worker."""
        try:
            self._out.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")
            self._out.flush()
        except BrokenPipeError:
            os._exit(0)

    def receive(self) -> Message:
        """Wait for the worker's next message."""
        return self._inbox.get()

    def _read(self) -> None:
        for line in sys.stdin:
            self._inbox.put(json.loads(line))
        os._exit(0)


class _WithoutTensorFlow(MetaPathFinder):
    """Makes the import of TensorFlow fail, as on a machine that does not have it.

    Keras on JAX asks for TensorFlow in passing, when it copies or saves a layer, and does without
    where it is missing. That import takes 2.5 s and 400 MB, for nothing.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse TensorFlow; leave every other module to the finders that follow."""
        if fullname == "tensorflow":
            raise ModuleNotFoundError("TensorFlow is left out of a child that trains on JAX")


class Trainer:
    """Answers the requests about networks. Making one imports Keras.

    Args:
        backend: The Keras backend, `jax` or `tensorflow`.
    """

    def __init__(self, backend: str) -> None:
        os.environ["KERAS_BACKEND"] = backend
        if backend == "jax":
            sys.meta_path.insert(0, _WithoutTensorFlow())
        with _silent():
            from objectives import program

        self._programs = program.ProgramCache()
        self._data: dict[str, Any] = {}
        self._result: Any = None

    def prepare(self, channel: Channel, request: Message) -> None:
        """Load a data set before the first trial is claimed: what is missing costs no trial."""
        data = self._load(request)
        channel.send("done", sha256=data.sha256)

    def train(self, channel: Channel, request: Message) -> None:
        """Train one network, telling each epoch and waiting for the word to go on."""
        import objectives
        from objectives import training

        network = objectives.get(request["objective"])
        built_before = self._programs.built
        started = time.perf_counter()
        course: dict[str, list[float | None]] = {}

        def report(epoch: int, metrics: dict[str, float]) -> bool:
            for name, value in metrics.items():
                course.setdefault(name, []).append(_finite(value))
            channel.send("epoch", epoch=epoch, metrics=_finite(metrics))
            return bool(channel.receive()["go_on"])

        try:
            self._result = result = training.train(
                network,
                network.hyperparameters(**request["hyperparameters"]),
                self._load(request),
                seed=request["seed"],
                metric=request["metric"],
                maximize=request["maximize"],
                report=report,
                programs=self._programs,
            )
        except Exception as error:
            seconds = round(time.perf_counter() - started, 3)
            known = {"history": course, "epochs": len(course.get("loss", []))}
            _send_error(channel, error, **known, train_seconds=seconds)
            return
        attributes = {
            "best_epoch": result.best_epoch,
            "epochs": result.last_epoch,
            "train_seconds": round(result.train_seconds, 3),
            "compiled": self._programs.built > built_before,
            "parameter_count": result.parameter_count,
            "history": _finite(result.history),
        }
        if result.stopped == "diverged":
            attributes["fail_reason"] = (
                f"Expected a finite loss. Received: loss={result.history['loss'][-1]} in epoch "
                f"{result.last_epoch}. A smaller learning rate may help."
            )
        channel.send(
            "done",
            value=result.value,
            stopped=result.stopped,
            attributes=attributes,
            programs_built=self._programs.built,
        )

    def save(self, channel: Channel, request: Message) -> None:
        """Write the network of the trial just trained to a file."""
        self._result.model().save(request["file"])
        channel.send("done")

    def _load(self, request: Message) -> Any:
        from objectives import DataOptions, datasets

        key = json.dumps([request["dataset"], request["data"]], sort_keys=True)
        if key not in self._data:
            self._data.clear()  # one at a time: a worker goes through its studies in turn
            options = DataOptions(**request["data"])
            self._data[key] = datasets.load(request["dataset"], options)
        return self._data[key]


class FunctionCaller:
    """Calls users' own functions, `function(trial) -> float`, with real Optuna trials."""

    def __init__(self) -> None:
        sys.path.append(os.getcwd())  # last, so that no file there hides an installed package
        self._studies: dict[str, tuple[Any, Any]] = {}

    def call(self, channel: Channel, request: Message) -> None:
        """Evaluate one claimed trial."""
        import optuna

        from studies.trials import prepare_trial

        module, _, name = request["function"].partition(":")
        function: Callable[[optuna.Trial], float] = getattr(importlib.import_module(module), name)
        study, definition = self._open(request)
        (frozen,) = study._storage.adopt(study._study_id, [request["trial_id"]])
        trial, _ = prepare_trial(study, definition, frozen)
        try:
            value = float(function(trial))
        except optuna.TrialPruned:
            channel.send("done", value=None, stopped="by_report", attributes={})
        else:
            channel.send("done", value=_finite(value), stopped="finished", attributes={})

    def _open(self, request: Message) -> tuple[Any, Any]:
        """Open a study once for all its trials: a connection each would exhaust a server."""
        import optuna

        from storage import create_storage
        from studies.create import load_study

        # A study that was deleted and made again may have the name, and on SQLite the id.
        key = f"{request['study']} {request['created_at']}"
        if key not in self._studies:
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            opened = create_storage(request["storage"], waiting=False)
            self._studies = {key: load_study(request["study"], opened)}
        return self._studies[key]


def main() -> None:
    """Serve requests until standard input closes."""
    # Ctrl-C in a terminal reaches the whole group; the worker decides what it means for a trial.
    # Schedulers send SIGTERM to the whole group too. The child ends with its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel = Channel()
    start = channel.receive()
    handlers: dict[str, Callable[[Channel, Message], None]] = {}
    try:
        if start["backend"] is None:
            handlers["function"] = FunctionCaller().call
        else:
            trainer = Trainer(_choose_backend(start["backend"], start["cpu_backend"]))
            handlers = {
                "prepare": trainer.prepare,
                "train": trainer.train,
                "save": trainer.save,
            }
        channel.send("ready", **_describe(start["backend"]))
    except Exception as error:
        _send_error(channel, error)
    while True:
        request = channel.receive()
        try:
            handlers[request["call"]](channel, request)
        except Exception as error:
            _send_error(channel, error)


def _choose_backend(wanted: str, cpu_backend: str) -> str:
    """Return the Keras backend: `auto` is JAX on an accelerator, else the faster on a CPU."""
    if wanted != "auto":
        return wanted
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    if find_spec("jax") is None:
        return "tensorflow"
    import jax

    if jax.default_backend() != "cpu" or find_spec("tensorflow") is None:
        return "jax"
    return cpu_backend


def _describe(backend: str | None) -> Message:
    if backend is None:
        return {"backend": None, "device": ""}
    chosen = os.environ["KERAS_BACKEND"]
    if chosen == "jax":
        import jax

        return {"backend": chosen, "device": jax.devices()[0].device_kind}
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return {"backend": chosen, "device": details.get("device_name", "cpu")}


@contextmanager
def _silent() -> Iterator[None]:
    """Send what libraries' native code writes to standard error nowhere, while they load.

    TensorFlow greets with ten lines that no setting turns off. Python's errors are not affected.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _send_error(channel: Channel, error: Exception, **attributes: Any) -> None:
    channel.send(
        "error",
        kind=type(error).__name__,
        message=str(error),
        traceback="".join(traceback.format_exception(error)),
        attributes=attributes,
    )


def _finite(value: Any) -> Any:
    """Replace what JSON cannot say, infinity and not-a-number, by None."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    warnings.filterwarnings("ignore")  # libraries' warnings are for their developers
    main()
