"""The commands that train settings anew and say how sure an answer is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from studies.cli.answers import print_answer
from studies.cli.options import (
    STORAGE,
    AllowModule,
    Grace,
    Heartbeat,
    Json,
    Name,
    Storage,
    Study,
    Workers,
)
from studies.cli.output import console, fail, open_storage, say, warn

if TYPE_CHECKING:
    import optuna


confirming = typer.Typer()


@confirming.command("confirm")
def confirm_settings(
    study: Study,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="How many of the best settings; 3.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Fresh seeds of each; 8, or the least.")
    ] = None,
    until_clear: Annotated[
        bool, typer.Option("--until-clear", help="More seeds for those that are still in question.")
    ] = False,
    max_seeds: Annotated[
        int | None, typer.Option("--max-seeds", min=2, help="At most, then; three times as many.")
    ] = None,
    splits: Annotated[
        int | None, typer.Option("--splits", min=2, help="New divisions to deal the seeds over.")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", help="test: compare the confirmed there. Once.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Look at the test part once more.")
    ] = False,
    workers: Workers = None,
    heartbeat: Heartbeat = 10.0,
    grace: Grace = 60.0,
    name: Name = None,
    allow_module: AllowModule = None,
    json_: Json = False,
    storage: Storage = STORAGE,
) -> None:
    """Train the best settings anew with fresh seeds, and tell which are better.

    Called again it goes on, also with more --seeds. It makes the study STUDY-confirm.

    Example: hpo confirm digits-mlp --top 3 --seeds 8 -j 2
    """
    from studies.cli.confirm_tables import confirmation_view
    from studies.cli.trust import trusted
    from studies.cli.waiting import told_while
    from studies.confirmation.confirm import confirm_by
    from studies.confirmation.looks import Wanted
    from studies.confirmation.ways import Ways
    from studies.fleet.own_code import prepare

    allowed = trusted([study], allow_module, {})
    open_storage(storage, writes=False).engine.dispose()  # no mistake makes an empty database
    wanted = Wanted(top, seeds, until_clear, max_seeds, splits, on, again, name)
    options = _worker_options(heartbeat, grace, allowed)
    ways = Ways(
        lambda own: _train(own, storage, workers, options, is_json=json_),
        lambda made: prepare(made, allowed, warn if json_ else say, waiting=told_while),
        warn,
    )
    try:
        found = confirm_by(study, storage, wanted, ways, allowed)
    except KeyboardInterrupt:  # not while workers work
        fail("Stopped; nothing is lost. The same command goes on.")
    print_answer(found, confirmation_view, is_json=json_)


@confirming.command("transfer")
def transfer_settings(
    study: Study,
    dataset: Annotated[
        str, typer.Option("--dataset", help="The other data set: a name, or a path.")
    ],
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="How many of the best settings; 8.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Fresh seeds of each; 8.")
    ] = None,
    workers: Workers = None,
    heartbeat: Heartbeat = 10.0,
    grace: Grace = 60.0,
    name: Name = None,
    allow_module: AllowModule = None,
    json_: Json = False,
    storage: Storage = STORAGE,
) -> None:
    """Train the best settings on other data, beside a search made there.

    It makes the same search there, the study STUDY-on-DATASET, and trains the settings in
    STUDY-on-DATASET-settings. Called again it goes on.

    Example: hpo transfer fashion-mlp-grid --top 8 --dataset cifar10 -j 2
    """
    from studies.cli.transfer_tables import transfer_view
    from studies.cli.trust import trusted
    from studies.cli.waiting import told_while
    from studies.confirmation.transfer import transfer_by
    from studies.fleet.own_code import prepare

    allowed = trusted([study], allow_module, {"dataset": dataset})
    open_storage(storage, writes=False).engine.dispose()  # no mistake makes an empty database
    options = _worker_options(heartbeat, grace, allowed)
    found = transfer_by(
        study,
        storage,
        dataset,
        lambda own: _train(own, storage, workers, options, is_json=json_),
        lambda made: prepare(made, allowed, warn if json_ else say, waiting=told_while),
        allowed,
        top=top,
        seeds=seeds,
        name=name,
    )
    print_answer(found, transfer_view, is_json=json_)


def _worker_options(heartbeat: float, grace: float, allowed: Sequence[str]) -> list[str]:
    """Return the options with which workers are started."""
    modules = [f"--allow-module={module}" for module in allowed]
    return [f"--heartbeat={heartbeat}", f"--grace={grace}", *modules]


def _train(
    study: optuna.Study, url: str, workers: int | None, options: Sequence[str], *, is_json: bool
) -> bool:
    """Work on a study of confirmation; end with exit code 1 where it is told to stop."""
    from rich.console import Console

    from studies.cli.live import rendering_progress
    from studies.cli.study_commands import work_in_sight
    from studies.fleet.local import fetch_data
    from studies.lookup import definition_of

    terminal = Console(stderr=True) if is_json else console()
    with rendering_progress(terminal) as advance:
        fetch_data(definition_of(study), advance)
    if not work_in_sight(study, url, workers, options, terminal=terminal):
        # Not by the name of this study, which may be one of several.
        fail("Stopped; nothing is lost. The same command goes on.")
    return True
