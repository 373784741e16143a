"""The handle on the executor child, when the child does not do what it should."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import is_alive, wait_until

from studies.errors import ExecutorDiedError, ExecutorStoppedError, TrialError
from studies.executor.client import Executor
from studies.executor.protocol import CallFunction, ExecutorKind

FUNCTIONS = ExecutorKind(None)
# A process that has the pipe open, and its id in a file that is there at once with all in it.
LEAVE = "sleep 600 & echo $! > id; mv id left; "
ANSWER = """'["Ready", {"backend": null, "device": "", "pack_size": 1}, 1, '$$']'"""
CALL = CallFunction("module:function", "sqlite:///hpo.db", "s", "now", 1, Path("f"))
READY = f"read start; echo {ANSWER}; read request"
DEVICE = '"device": "a GPU"'
RESULT = '["TrialResult", {"id": 1, "value": %g, "pruned": false, "attributes": {%s}}, %d, \'%s\']'


def result(value: float, number: int, pid: str) -> str:
    """Return the command that answers the request of a number, as the process `pid`."""
    return f"; echo '{RESULT % (value, DEVICE, number, pid)}'"


@pytest.fixture
def child_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Put a shell script in the child's place: a real process, that ends as it is told."""
    monkeypatch.chdir(tmp_path)

    def put(script: str) -> None:
        file = tmp_path / "child"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(file))

    return put


def never() -> bool:
    return False


def is_left() -> bool:
    """Tell whether the process that the child has left goes on."""
    return is_alive(int(Path("left").read_text()))


def test_without_a_log_a_childs_words_are_seen_and_no_librarys(
    child_is: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    banner = "I0000 00:00:1795814001.589202   31476 cudart_stub.cc:31] Could not find cuda drivers"
    child_is(f"echo '{banner}' >&2; echo 'its words' >&2; {READY}; sleep 600")
    Executor(FUNCTIONS, never).close()
    assert capsys.readouterr().err == "its words\n"


def test_a_child_that_is_killed_in_the_middle_of_a_line_has_died(
    child_is: Callable[[str], None],
) -> None:
    child_is(READY + """; printf '["TrialResult", {"id'; kill -KILL $$""")
    executor = Executor(FUNCTIONS, never)
    with pytest.raises(ExecutorDiedError, match="perhaps for want of memory") as caught:
        executor.call_function(CALL)
    assert str(caught.value).startswith("the training process was ended by SIGKILL")
    assert (caught.value.signal, caught.value.exit_code) == (signal.SIGKILL, None)
    assert not executor.is_alive
    executor.close()


def test_a_child_has_died_though_something_that_it_started_goes_on(
    child_is: Callable[[str], None],
) -> None:
    child_is(READY + f"; {LEAVE} kill -SEGV $$")
    executor = Executor(FUNCTIONS, never)
    with pytest.raises(ExecutorDiedError, match="ended by SIGSEGV"):
        executor.call_function(CALL)
    assert is_left()
    executor.close()
    wait_until(lambda: not is_left(), "it ends when the executor is closed")


def test_a_child_that_speaks_something_else_is_ended(child_is: Callable[[str], None]) -> None:
    child_is(READY + "; echo hello; exec sleep 600")
    executor = Executor(FUNCTIONS, never)
    with pytest.raises(ExecutorDiedError, match="SIGKILL"):
        executor.call_function(CALL)
    executor.close()


@pytest.mark.parametrize(
    "answer", ["""; echo '["Done", {}, 2, '$$']'""", result(1.0, number=1, pid="$$")]
)
def test_a_child_that_answers_another_request_is_ended(
    child_is: Callable[[str], None], answer: str
) -> None:
    child_is(READY + f"{answer}; exec sleep 600")
    executor = Executor(FUNCTIONS, never)
    with pytest.raises(ExecutorDiedError, match="SIGKILL"):
        executor.call_function(CALL)
    executor.close()


def test_an_answer_of_another_process_than_the_one_that_was_asked_is_none(
    child_is: Callable[[str], None],
) -> None:
    child_is(READY + result(0.0, number=2, pid="1") + result(1.0, number=2, pid="$$") + "; read x")
    executor = Executor(FUNCTIONS, never)
    assert executor.call_function(CALL).value == 1.0
    assert executor.device == "a GPU"  # what the function has found, and `hpo status` shows
    executor.close()


def test_a_child_is_closed_though_something_that_it_started_goes_on(
    child_is: Callable[[str], None],
) -> None:
    child_is(READY + f"; {LEAVE} exec sleep 600")
    executor = Executor(FUNCTIONS, lambda: Path("left").exists())
    with pytest.raises(ExecutorStoppedError):
        executor.call_function(CALL)
    executor.close()
    assert not executor.is_alive
    wait_until(lambda: not is_left(), "it ends with the child")


def test_a_child_that_ends_while_it_starts_has_died(child_is: Callable[[str], None]) -> None:
    child_is("exec 0<&-; sleep 0.2; exit 3")  # it never reads what it is told
    with pytest.raises(ExecutorDiedError, match=r"exit code 3$") as caught:
        Executor(FUNCTIONS, never)
    assert (caught.value.signal, caught.value.exit_code) == (None, 3)


def test_a_wait_for_the_child_ends_when_told(child_is: Callable[[str], None]) -> None:
    child_is(READY + "; exec sleep 600")
    told = []
    executor = Executor(FUNCTIONS, lambda: bool(told))
    told.append(True)
    with pytest.raises(ExecutorStoppedError):
        executor.call_function(CALL)
    executor.close()


def test_a_backend_that_is_not_there_is_the_error_of_the_child() -> None:
    with pytest.raises(TrialError, match="no_such_backend"):
        Executor(ExecutorKind("no_such_backend"), never)
