"""The commands that say how sure an answer is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studies.cli.complete import stored_studies
from studies.cli.options import STORAGE, Json, Storage, Study
from studies.cli.output import find, open_storage, say, show, warn

answers = typer.Typer()


@answers.command("compare")
def compare_studies(
    study: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY...", help="Two or more in the storage.", autocompletion=stored_studies
        ),
    ],
    trial: Annotated[
        int | None,
        typer.Option("--trial", min=0, help="The setting of this trial of the first, in each."),
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option("--curves", help="Write learning curves: a .csv, .parquet, .json or .md."),
    ] = None,
    json_: Json = False,
    storage: Storage = STORAGE,
) -> None:
    """Show studies in one table by their best points; or one setting on several data sets.

    --trial takes a setting of the first study, and shows what it comes to in each of them.

    Example: hpo compare mnist-mlp fashion-mlp --curves curves.csv
    """
    from studies.cli.compare_tables import comparison_view
    from studies.lookup import find_study, open_study
    from studies.results.as_json import to_json
    from studies.results.compare import compare
    from studies.results.export import check_output, write_frame

    if curves is not None:
        check_output(curves)
    opened = open_storage(storage, writes=False)
    found = compare([open_study(find_study(name, opened), opened) for name in study], trial)
    if json_:
        say(to_json(found))
    else:
        show(*comparison_view(found))
    if curves is not None:
        write_frame(found.curves, curves)
        tell = warn if json_ else say  # what is on standard output is JSON alone
        tell(f"{len(found.curves)} rows of learning curves are written to {curves}")
        if found.curves.empty:
            tell("None of these trials has reported an epoch.")


@answers.command("outlook")
def show_outlook(
    study: Study,
    n: Annotated[
        int, typer.Option("-n", "--n-trials", min=1, help="How many further trials.")
    ] = 50,
    json_: Json = False,
    storage: Storage = STORAGE,
) -> None:
    """Tell what further trials may bring, as far as those so far can tell.

    Trials in random order tell the chance of a better one and the best to expect; of all other
    searches it tells the best so far and what the last trials have brought, which is no forecast.

    Example: hpo outlook fashion-mlp-random -n 50
    """
    from storage import ranking
    from studies.cli.outlook_tables import outlook_view
    from studies.cli.points import noise_note
    from studies.results.as_json import to_json
    from studies.results.outlook import outlook

    found = find(study, storage)
    answer = outlook(found, n)
    if json_:
        say(to_json(answer))
        return
    show(*outlook_view(answer))
    if answer.noise is None:
        say(noise_note(found, ranking(found, 1)))
