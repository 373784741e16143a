"""The commands that say how sure an answer is."""

from __future__ import annotations

from typing import Annotated

import typer

from studies.cli.options import STORAGE, AllowModule, Json, Storage, Study
from studies.cli.output import find, say, show, warn

answers = typer.Typer()
Trial = Annotated[int, typer.Argument(min=0, help="Its number.")]


@answers.command()
def rerun(
    study: Study,
    trial: Trial,
    allow_module: AllowModule = None,
    json_: Json = False,
    storage: Storage = STORAGE,
) -> None:
    """Make a trial again, and say how far both agree: equal bits, within rounding, different.

    It trains in as many lanes of one program as the first time. The second one is kept in a study
    of its own, STUDY-rerun; the searched study is not changed.

    Example: hpo rerun fashion-mlp-grid 15
    """
    from studies.attributes import TRAIN_SECONDS_KEY
    from studies.cli.format import short_time
    from studies.cli.rerun_tables import rerun_view
    from studies.cli.trust import trusted
    from studies.lookup import find_trial
    from studies.results.as_json import to_json
    from studies.results.rerun import rerun as make_again

    found = find(study, storage, writes=True)
    seconds = find_trial(found, trial).user_attrs.get(TRAIN_SECONDS_KEY)
    allowed = trusted([study], allow_module, {})
    if seconds is not None and seconds >= 1:
        warn(f"Trial {trial} is made again; it took {short_time(seconds)}.")
    answer = make_again(found, trial, allow_modules=allowed)
    if json_:
        say(to_json(answer))
    else:
        show(*rerun_view(answer))


@answers.command("show")
def show_trial(study: Study, trial: Trial, json_: Json = False, storage: Storage = STORAGE) -> None:
    """Show all that made a trial: setting, data, code, libraries, device, lanes, lineage.

    Example: hpo show fashion-mlp-grid 15
    """
    from studies.cli.show_tables import provenance_view
    from studies.results.as_json import to_json
    from studies.results.provenance import show as show_provenance

    answer = show_provenance(find(study, storage), trial)
    if json_:
        say(to_json(answer))
    else:
        show(*provenance_view(answer))
