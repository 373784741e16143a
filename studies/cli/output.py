"""Open the storage for a command, and print its words, tables and errors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import optuna
    from rich.console import Console

    from storage import TrialStorage


def open_storage(url: str, *, writes: bool = True, waiting: bool = False) -> TrialStorage:
    """Open the storage for a command, and silence Optuna's own log.

    Args:
        url: Its URL.
        writes: Whether the command writes.
        waiting: Whether it reads waiting trials.
    """
    import optuna

    from storage import create_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return create_storage(url, waiting=waiting, writes=writes)


def find(study: str, url: str, *, writes: bool = False, waiting: bool = False) -> optuna.Study:
    """Open the study in the storage that the argument STUDY means.

    Args:
        study: The argument.
        url: See `open_storage`.
        writes: See there.
        waiting: See there.

    Raises:
        StudyNotFoundError: There is no such study.
    """
    from studies.lookup import find_study, open_study

    opened = open_storage(url, writes=writes, waiting=waiting)
    return open_study(find_study(study, opened), opened)


def console() -> Console:
    """Return the terminal."""
    from rich.console import Console

    return Console()


def show(*renderables: Any) -> None:
    """Print tables and other renderables of rich."""
    terminal = console()
    for renderable in renderables:
        terminal.print(renderable)


def say(words: str) -> None:
    """Print a line."""
    typer.echo(words)


def warn(words: str) -> None:
    """Print a line on standard error."""
    typer.echo(words, err=True)


def fail(words: str) -> None:
    """Print a line on standard error, and end with exit code 1."""
    warn(words)
    raise typer.Exit(1)


def confirm(question: str) -> None:
    """Ask whether to go on, and end with exit code 1 if not."""
    try:
        is_wanted = typer.confirm(question)
    except typer.Abort:  # the end of standard input
        fail("Expected an answer. Received: the end of standard input. Say it with --yes.")
    else:
        if not is_wanted:
            fail("Nothing was changed.")


def print_error(error: Exception) -> None:
    """Print an error on standard error: its message, and the way to the traceback of a bug."""
    from objectives.errors import ObjectiveError
    from storage.errors import StorageError
    from studies.errors import DefinitionError, HpoError

    if isinstance(error, DefinitionError):  # of several mistakes each is an error
        for mistake in error.each():
            sys.stderr.write(f"error: {' '.join(str(mistake).splitlines())}\n")
        return
    cause = getattr(error, "orig", None)  # SQLAlchemy adds the statement and a link to its message
    words = error.args[0] if isinstance(error, KeyError) and error.args else error
    lines = str(cause or words).splitlines() or [type(error).__name__]
    sys.stderr.write(f"error: {lines[0] if cause else ' '.join(lines)}\n")
    # An OSError says what is wrong with a file or an address that the user has named.
    if not isinstance(error, HpoError | StorageError | ObjectiveError | OSError):
        sys.stderr.write(f"{type(error).__name__}: see where with hpo --debug ...\n")
