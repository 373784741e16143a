"""The program that trains: it holds Keras and one device, and serves one worker over two pipes.

Started fresh by `studies.executor.client`, never forked: accelerators and thread pools do not
survive a fork. Requests come in on standard input, and each gets one answer (protocol.py). When
standard input closes, the worker is gone, and this process ends at once, whatever it is doing.

Of the processes of a worker, this alone imports Keras.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from objectives import registered
from objectives.code.raised import ExitsRaised
from studies.executor.channel import Channel
from studies.executor.devices import device_of
from studies.executor.forks import forks_end_here
from studies.executor.inspection import FindFunction, FunctionFound
from studies.executor.output import hide_library_warnings
from studies.executor.protocol import (
    AnyAnswer,
    AnyRequest,
    CallFunction,
    ExecutorKind,
    Ready,
)
from studies.executor.report import report_error

if TYPE_CHECKING:
    from studies.executor.functions import FunctionCaller

Handler = Callable[[AnyRequest], AnyAnswer]


def main() -> None:
    """Serve requests until standard input closes."""
    _leave_signals_to_the_worker()
    hide_library_warnings()
    channel = Channel()
    handler: Handler = _refuse
    while True:
        request = channel.receive()
        try:
            if isinstance(request, ExecutorKind):
                handler, answer = _start(request)
            else:
                with forks_end_here(), ExitsRaised():  # of users' code
                    answer = handler(request)
        except Exception as error:
            answer = report_error(error)
        channel.send(answer)


def _start(kind: ExecutorKind) -> tuple[Handler, AnyAnswer]:
    """Load what this kind of child needs."""
    if kind.backend is None:
        if kind.keras_backend is not None:
            os.environ["KERAS_BACKEND"] = kind.keras_backend
        return _function_handler(), Ready(backend=None, device="", pack_size=1)
    registered.admit(kind.admitted)
    # Last, so that no file there hides an installed package.
    sys.path += [folder for folder in kind.code_folders if folder not in sys.path]
    return _network_handler(kind.backend, kind.cpu_backend, kind.pack_size)


def _function_handler() -> Handler:
    from objectives.code.find_function import find_function, find_object
    from objectives.own.takes_hp import check_no_network
    from studies.executor.function_record import record_of

    @cache
    def caller() -> FunctionCaller:
        from studies.executor.functions import FunctionCaller  # Optuna: not to find a function

        return FunctionCaller()

    def handle(request: AnyRequest) -> AnyAnswer:
        if isinstance(request, CallFunction):
            return caller().call(request)
        if isinstance(request, FindFunction):
            check_no_network(find_object(request.function), request.function.rpartition(":")[2])
            find_function(request.function)
            return FunctionFound(record_of(request.function).read_files())
        return _refuse(request)

    return handle


def _network_handler(
    wanted: str, cpu_backend: str, pack_size: int | None
) -> tuple[Handler, AnyAnswer]:
    from studies.executor.handlers import Trainer

    backend = _choose_backend(wanted, cpu_backend)
    try:
        trainer = Trainer(backend, pack_size)
    except ModuleNotFoundError as error:
        if error.name != backend:
            raise
        raise ModuleNotFoundError(
            f"Expected the Keras backend of the study, {backend}, to be installed here. Received: "
            f"no module {backend}. Install it, or work on this study on another machine.",
            name=backend,
        ) from None

    def handle(request: AnyRequest) -> AnyAnswer:
        if isinstance(request, ExecutorKind | CallFunction):
            return _refuse(request)
        return trainer.handle(request)

    return handle, Ready(backend, device_of(backend), trainer.pack_size)


def _refuse(request: AnyRequest) -> AnyAnswer:
    raise TypeError(
        "Expected a request that this kind of child serves. "
        f"Received: request={type(request).__name__}."
    )


def _leave_signals_to_the_worker() -> None:
    """Do nothing at SIGINT and SIGTERM, which schedulers send to every process of a job.

    The worker decides what they mean for a trial, and the child ends with its pipe. What a user's
    function starts receives them as usual: a handler that does nothing is not inherited by
    programs, as "ignore" would be, and forks take it back.
    """
    handlers = {
        number: signal.signal(number, lambda _number, _frame: None)
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def take_back() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)

    # A signal that reaches a fork before it has its own handlers waits for them.
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, handlers),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers),
        after_in_child=take_back,
    )


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


if __name__ == "__main__":
    main()
