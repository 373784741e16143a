"""What the commands open, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import optuna

    from storage import TrialStorage


def open_storage(url: str, *, writes: bool = True) -> TrialStorage:
    """Open the storage of a command, with Optuna quiet."""
    import optuna

    from storage import create_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return create_storage(url, waiting=False, writes=writes)


def find(study: str, url: str) -> optuna.Study:
    """Return a study that is there, to read from."""
    from studies.lookup import find_study, open_study

    opened = open_storage(url, writes=False)
    return open_study(find_study(study, opened), opened)


def console() -> Any:
    """Return the terminal."""
    from rich.console import Console

    return Console()


def show(*renderables: Any) -> None:
    """Print tables and the like."""
    terminal = console()
    for renderable in renderables:
        terminal.print(renderable)


def say(words: str) -> None:
    """Print a line."""
    typer.echo(words)


def fail(words: str) -> None:
    """Print a line on standard error, and end with exit code 1."""
    typer.echo(words, err=True)
    raise typer.Exit(1)
