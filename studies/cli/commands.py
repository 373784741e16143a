"""The command `hpo`: its options, and the groups of its commands, one thin function a command.

Parsing and printing only. Heavy libraries are imported inside the functions, so that `hpo --help`
answers at once.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from studies.cli.answer_commands import answers
from studies.cli.catalog_commands import catalog
from studies.cli.confirm_commands import confirming
from studies.cli.operate_commands import operating
from studies.cli.options import Settings
from studies.cli.output import print_error
from studies.cli.result_commands import results
from studies.cli.study_commands import making

COMPLETING = "_HPO_COMPLETE"  # a variable that the completion of a shell sets


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hpo {version('hpo')}")
        raise typer.Exit


def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version, and end."
        ),
    ] = False,
) -> None:
    """Search hyperparameters of Keras networks: studies in SQL, workers on every GPU.

    Example: hpo run digits-mlp
    """
    context.ensure_object(Settings).debug = debug


def make_app(named: Collection[str] | None = None) -> typer.Typer:
    """Make the command with its commands.

    Args:
        named: The words of the command line. Commands that are not among them show their help only:
            to read the options of all takes as long as all else that `hpo --help` does. None for
            all commands.
    """
    made = typer.Typer(
        name="hpo",
        help="Search hyperparameters of Keras networks: studies in SQL, workers on every GPU.",
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(options)
    for group in (making, operating, results, answers, confirming, catalog):
        for command in group.registered_commands:
            function = command.callback
            assert function is not None, "each is registered by its function"
            name = command.name or function.__name__
            is_named = named is None or name in named
            made.command(name)(function if is_named else _without_options(function))
    return made


def _without_options(function: Callable[..., Any]) -> Callable[[], None]:
    def shown() -> None:
        """Do nothing: it is not called."""

    shown.__doc__ = function.__doc__
    return shown


app = make_app()


def main() -> None:
    """Run the command line; an error is one or two lines on standard error, and exit code 1."""
    settings = Settings()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: a name is no fault
    try:
        # A shell that completes gives the words of the line elsewhere.
        make_app(None if COMPLETING in os.environ else sys.argv)(obj=settings)
    except Exception as error:
        if settings.debug:
            raise
        print_error(error)
        sys.exit(1)
