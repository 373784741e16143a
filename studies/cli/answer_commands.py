"""The commands that say how sure an answer is."""

from __future__ import annotations

from typing import Annotated

import typer

from studies.cli.options import STORAGE, Json, Storage, Study
from studies.cli.output import find, say, show

answers = typer.Typer()


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
