"""The program that trains: it holds Keras and one device, and serves one worker over two pipes.

Started fresh by `studies.executor.client`, never forked: accelerators and thread pools do not
survive a fork. Requests come in on standard input, and each is answered by one event on what was
standard output when it started (later prints of any library go to standard error instead). When
standard input closes, its worker is gone, and it ends at once, whatever it is doing.

Of what a worker runs, this alone imports Keras.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from storage import storage_of, study_id
from studies.executor.channel import Channel, Message, describe_error, finite

if TYPE_CHECKING:
    from studies.executor.handlers import Trainer

Handler = Callable[[Message], Message]
CALLS = (
    "prepare",
    "add",
    "train_epoch",
    "stop",
    "take_ended",
    "save",
    "draw",
    "checkpoint",
    "judge",
)


class FunctionCaller:
    """Calls users' own functions, `function(trial) -> float`, with real Optuna trials."""

    def __init__(self) -> None:
        sys.path.append(os.getcwd())  # last, so that no file there hides an installed package
        self._studies: dict[str, tuple[Any, Any]] = {}

    def call(self, request: Message) -> Message:
        """Evaluate one claimed trial."""
        import optuna

        from studies.suggest import prepare_trial

        module, _, name = request["function"].partition(":")
        function: Callable[[optuna.Trial], float] = getattr(importlib.import_module(module), name)
        study, definition = self._open(request)
        (frozen,) = storage_of(study).adopt(study_id(study), [request["trial_id"]])
        trial, _ = prepare_trial(study, definition, frozen)
        try:
            value = float(function(trial))
        except optuna.TrialPruned:
            return {"value": None, "stopped": "by_report", "attributes": {}}
        return {"value": finite(value), "stopped": "finished", "attributes": {}}

    def _open(self, request: Message) -> tuple[Any, Any]:
        """Open a study once for all its trials: a connection each would exhaust a server."""
        import optuna

        from storage import create_storage
        from studies.lookup import load_study

        # A study that was deleted and made again may have the name, and on SQLite the id.
        key = f"{request['study']} {request['created_at']}"
        if key not in self._studies:
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            opened = create_storage(request["storage"], waiting=False)
            self._studies = {key: load_study(request["study"], opened)}
        return self._studies[key]


def main() -> None:
    """Serve requests until standard input closes."""
    _leave_signals_to_the_worker()
    channel = Channel()
    start = channel.receive()
    handlers: dict[str, Handler] = {}
    try:
        if start["backend"] is None:
            handlers["function"] = FunctionCaller().call
            channel.send("ready", backend=None, device="", wanted=1)
        else:
            trainer = _trainer(start)
            handlers = {call: getattr(trainer, call) for call in CALLS}
            channel.send("ready", **_describe(), wanted=trainer.wanted)
    except Exception as error:
        channel.send("error", **describe_error(error))
    while True:
        request = channel.receive()
        try:
            answer = handlers[request["call"]](request)
        except Exception as error:
            channel.send("error", **describe_error(error))
        else:
            channel.send("done", **answer)


def _leave_signals_to_the_worker() -> None:
    """Do nothing at SIGINT and SIGTERM, which schedulers send to every process of a job.

    The worker decides what they mean for a trial, and the child ends with its pipe. What a user's
    function starts is told as ever: a handler that does nothing is not handed on to programs, as
    "ignore" would be, and is taken back in forks.
    """
    handlers = {
        number: signal.signal(number, lambda _number, _frame: None)
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def take_back() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)

    # What a fork is sent before it has its own handlers waits for them.
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, handlers),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers),
        after_in_child=take_back,
    )


def _trainer(start: Message) -> Trainer:
    from studies.executor.handlers import Trainer

    return Trainer(_choose_backend(start["backend"], start["cpu_backend"]), start["lanes"])


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


def _describe() -> Message:
    """Return what trains, and on what."""
    chosen = os.environ["KERAS_BACKEND"]
    if chosen == "jax":
        import jax

        return {"backend": chosen, "device": jax.devices()[0].device_kind}
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return {"backend": chosen, "device": details.get("device_name", "cpu")}


if __name__ == "__main__":
    warnings.filterwarnings("ignore")  # libraries' warnings are for their developers
    main()
