"""Say what a command does while it takes longer than a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from studies.cli.output import warn

SILENT_SECONDS = 1.0


@contextmanager
def told_while(words: str) -> Iterator[None]:
    """Say on standard error what the block does, once it has taken a second.

    On a terminal the time that it has taken is shown beside it, and the line goes when it ends.

    Args:
        words: What it does, without the end of the sentence.
    """
    has_ended = Event()
    thread = Thread(target=_tell, args=(words, has_ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def _tell(words: str, has_ended: Event) -> None:
    if has_ended.wait(SILENT_SECONDS):
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        warn(f"{words} ...")
        return
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=terminal, transient=True) as progress:
        progress.add_task(words)
        has_ended.wait()
