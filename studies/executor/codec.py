"""Write and read messages of the protocol as lines: a JSON list of class name and fields.

The number of the request follows, and in an answer the id of the process that gives it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from studies.executor.protocol import AnyAnswer, AnyRequest
from studies.executor.request import Request

_REQUESTS = {each.__name__: each for each in AnyRequest.__args__}
_ANSWERS = {each.__name__: each for each in AnyAnswer.__args__}


@dataclass(frozen=True)
class SentAnswer:
    """An answer as it came.

    Attributes:
        answer: The answer.
        number: The number of the request that it answers.
        pid: The process that sent it; forks of the one that was asked hold its pipe too.
    """

    answer: AnyAnswer
    number: int
    pid: int


def encode_request(request: Request[Any], number: int) -> str:
    """Return a request as a line, without its end; `number` tells it from all others."""
    return _encode(request, number)


def decode_request(line: str) -> tuple[AnyRequest, int]:
    """Return the request that a line holds, and its number."""
    request, number = _decode(line, _REQUESTS)
    return request, number


def encode_answer(answer: AnyAnswer, number: int, pid: int) -> str:
    """Return the answer of a process to a request as a line, without its end."""
    return _encode(answer, number, pid)


def decode_answer(line: str) -> SentAnswer:
    """Return the answer that a line holds.

    Raises:
        ValueError: The line holds no answer.
    """
    answer, number, pid = _decode(line, _ANSWERS)
    return SentAnswer(answer, number, pid)


def _encode(message: Request[Any] | AnyAnswer, *tags: int) -> str:
    return json.dumps([type(message).__name__, vars(message), *tags], default=_plain)


def _decode(line: str, known: Mapping[str, type]) -> Any:
    name, fields, *tags = json.loads(line)
    if name not in known:
        raise ValueError(f"Expected one of {', '.join(known)}. Received: message={name!r}.")
    return _adapter(known[name]).validate_python(fields), *tags


@cache  # made when first used: a child needs half of them
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plain(value: object) -> Any:
    return str(value) if isinstance(value, Path) else vars(value)
