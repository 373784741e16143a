"""The commands that say how sure an answer is."""

from __future__ import annotations

from typing import Annotated

import typer

from studies.cli.options import STORAGE, Json, Storage, Study
from studies.cli.output import find, say, show

answers = typer.Typer()


@answers.command("effects")
def show_effects(
    study: Study,
    enqueue: Annotated[
        bool, typer.Option("--enqueue", help="Make a study of the predicted best combination.")
    ] = False,
    json_: Json = False,
    storage: Storage = STORAGE,
) -> None:
    """Show what each level does to the value: means, analysis of variance, predicted best.

    A search gets the importance of its factors. --enqueue makes the study STUDY-predicted; once it
    has run, this command says whether the prediction held.

    Example: hpo effects fashion-mlp-grid
    """
    from studies.cli.effects_tables import effects_tables
    from studies.results.as_json import to_json
    from studies.results.effects import effects

    found = find(study, storage, writes=enqueue)
    answer = effects(found)
    if json_:
        say(to_json(answer))
    else:
        show(*effects_tables(answer))
