"""The command `hpo`: its options, and the groups of its commands, one thin function a command.

Parsing and printing only. Heavy libraries are imported inside the functions, so that `hpo --help`
answers at once.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from studies.cli.catalog_commands import catalog
from studies.cli.operate_commands import operating
from studies.cli.options import Settings
from studies.cli.output import print_error
from studies.cli.result_commands import results
from studies.cli.study_commands import making

app = typer.Typer(
    name="hpo",
    help="Search hyperparameters of Keras networks: studies in SQL, workers on every GPU.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hpo {version('hpo')}")
        raise typer.Exit


@app.callback()
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


for group in (making, operating, results, catalog):
    app.add_typer(group)


def main() -> None:
    """Run the command line; an error is one or two lines on standard error, and exit code 1."""
    settings = Settings()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: a name is no fault
    try:
        app(obj=settings)
    except Exception as error:
        if settings.debug:
            raise
        print_error(error)
        sys.exit(1)
