"""Write and read messages of the protocol as lines: a JSON list of class name and fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from studies.executor.protocol import AnyAnswer, AnyRequest, Request

_REQUESTS = {each.__name__: each for each in AnyRequest.__args__}
_ANSWERS = {each.__name__: each for each in AnyAnswer.__args__}


def encode(message: Request[Any] | AnyAnswer) -> str:
    """Return a message as a line, without its end."""
    return json.dumps([type(message).__name__, vars(message)], default=_plain)


def decode_request(line: str) -> AnyRequest:
    """Return the request that a line holds."""
    request: AnyRequest = _decode(line, _REQUESTS)
    return request


def decode_answer(line: str) -> AnyAnswer:
    """Return the answer that a line holds.

    Raises:
        ValueError: The line holds no answer.
    """
    answer: AnyAnswer = _decode(line, _ANSWERS)
    return answer


def _decode(line: str, known: Mapping[str, type]) -> Any:
    name, fields = json.loads(line)
    if name not in known:
        raise ValueError(f"Expected one of {', '.join(known)}. Received: message={name!r}.")
    return _adapter(known[name]).validate_python(fields)


@cache  # made when first used: a child needs half of them
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plain(value: object) -> Any:
    return str(value) if isinstance(value, Path) else vars(value)
