"""Print an answer: as JSON, or as tables and lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from studies.cli.output import say, show

if TYPE_CHECKING:
    from rich.console import RenderableType


def print_answer(
    answer: Any, view: Callable[[Any], Iterable[RenderableType]], *, is_json: bool
) -> None:
    """Print an answer as JSON, or as its tables and lines."""
    from studies.results.as_json import to_json

    if is_json:
        say(to_json(answer))
    else:
        for each in view(answer):  # a plain string stands on one line, to be copied
            say(each) if isinstance(each, str) else show(each)
