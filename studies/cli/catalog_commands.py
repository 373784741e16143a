"""The commands about what can be searched: studies that are shipped, data, hyperparameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studies.cli.options import STORAGE, AllowModule, SetData, Storage, options_named, overrides
from studies.cli.output import open_storage, say, show

catalog = typer.Typer()


@catalog.command("list")
def list_studies(storage: Storage = STORAGE) -> None:
    """Show the catalogue and the studies in the storage.

    Example: hpo list
    """
    from studies.cli import tables

    try:
        opened = open_storage(storage, writes=False)
    except FileNotFoundError:
        show(tables.catalog_table())
        say("There is no storage yet. Begin with: hpo run digits-mlp")
    else:
        show(tables.catalog_table(), tables.storage_table(opened))


@catalog.command()
def data(
    name: Annotated[str, typer.Argument(help="A data set, or a path.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .png file, for pictures.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=400, help="How many pictures.")] = 24,
    set_: SetData = None,
) -> None:
    """Show what a data set has; or draw training pictures, each with its label, on one sheet.

    Example: hpo data clock -o sheet.png --set size=150
    """
    from objectives.code.names import file_of, is_function
    from objectives.data import datasets, sources
    from objectives.data.contact_sheet import contact_sheet
    from objectives.data.describe import describe
    from studies.cli.tables import description_tables
    from studies.definition.data_lines import data_options
    from studies.results.output_folder import check_folder

    if output is not None and output.suffix != ".png":
        from studies.errors import FileFormatError

        raise FileFormatError(f"Expected a file name that ends in .png. Received: {str(output)!r}.")
    if output is not None:
        check_folder(output)
    lines = {k.removeprefix("data."): v for k, v in overrides(set_, None, None).items()}
    with options_named([f"data.{name}" for name in lines]):
        options = data_options(lines)
    if is_function(name) and file_of(name) is None:
        raise ValueError(
            f"Expected a function of a file, whose code you trust by naming it. Received: {name}. "
            "Write path/of/file.py:function."
        )
    sources.check(name, options)
    if output is None:
        show(*description_tables(describe(name, options)))
        return
    loaded = datasets.sample(name, options, n)
    contact_sheet(loaded).save(output)
    say(f"{len(loaded.x_train)} pictures of {name} are drawn in {output}")


@catalog.command()
def keys(
    table: Annotated[
        str | None, typer.Argument(help="A table of a definition; all by default.")
    ] = None,
) -> None:
    """Show every key of a definition: its type, its default and an example.

    Example: hpo keys search
    """
    from studies.cli.keys import keys_view

    show(*keys_view(table))


@catalog.command()
def objectives(
    name: Annotated[str | None, typer.Argument(help="An objective; all by default.")] = None,
    allow_module: AllowModule = None,
) -> None:
    """Show what can be tuned: each hyperparameter, its type, bounds, default and levels.

    Example: hpo objectives mlp
    """
    from objectives.registered import admit
    from studies.cli import tables

    admit(allow_module or ())
    show(tables.objectives_table() if name is None else tables.hyperparameter_table(name))
