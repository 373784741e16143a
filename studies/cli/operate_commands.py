"""The commands for who operates the service: workers, their status, the dashboard, backups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studies.cli.complete import stored_studies
from studies.cli.options import STORAGE, AllowModule, Artifacts, Grace, Heartbeat, PackSize, Storage
from studies.cli.output import confirm, console, open_storage, say, show, warn

if TYPE_CHECKING:
    from studies.leftovers import Leftovers

operating = typer.Typer()


@operating.command()
def worker(
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Studies in the storage; all by default.", autocompletion=stored_studies
        ),
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option("--max-trials", min=1, help="End after this many trials.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Keep waiting for work.")] = False,
    heartbeat: Heartbeat = 10.0,
    grace: Grace = 60.0,
    allow_module: AllowModule = None,
    pack_size: PackSize = None,
    code: Annotated[
        Path | None, typer.Option("--code", help="Folder with the .py files of own networks.")
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Pull trials and execute them until nothing waits.

    Example: hpo worker fashion-mlp-grid --wait
    """
    import logging

    from storage import wait_for_database
    from studies.cli.trust import trusted
    from studies.worker.loop import WorkerOptions, work

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    names = wait_for_database(lambda: _find_all(studies or [], storage))
    taken = work(
        storage,
        names,
        WorkerOptions(
            max_trials,
            wait,
            heartbeat,
            grace,
            tuple(trusted(studies or [], allow_module, {})),
            pack_size=pack_size,
            code_folder=code,
        ),
    )
    say(f"{taken} trials taken.")


@operating.command()
def status(
    study: Annotated[
        str | None, typer.Argument(help="A study; all by default.", autocompletion=stored_studies)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw until interrupted.")] = False,
    trial: Annotated[
        int | None,
        typer.Option("--trial", min=0, help="How one trial of STUDY goes; what made it: hpo show."),
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Show trials by state, rate, time left, and what each worker is doing.

    Example: hpo status fashion-mlp-grid --watch
    """
    from studies.cli.status import status_view
    from studies.lookup import find_study, open_study

    if trial is not None and (study is None or watch):
        raise typer.BadParameter("Expected --trial with a STUDY, and without --watch.")
    opened = open_storage(storage, writes=False)
    name = None if study is None else find_study(study, opened)
    if watch:
        from studies.cli.live import watch_status

        watch_status(opened, name, console())
    elif name is not None and trial is not None:
        from studies.cli.trial import trial_view

        show(trial_view(open_study(name, opened), trial))
    else:
        show(status_view(opened, name))


@operating.command()
def dashboard(
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8080,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    storage: Storage = STORAGE,
) -> None:
    """Browse the studies in optuna-dashboard.

    Example: hpo dashboard --port 8080
    """
    from studies.dashboard.app import serve

    serve(storage, host, port)


@operating.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    artifacts: Artifacts = None,
    storage: Storage = STORAGE,
) -> None:
    """Remove what is cached on this machine, and what deleted studies have left.

    Cached are programs and rendered clocks, which can be made again. Left are networks, checkpoints
    and logs of studies that were in the storage. Studies and data sets of your own stay.

    Example: hpo clean
    """
    from objectives.cache_entries import cache_entries
    from studies.cli.tables import cache_table

    entries, left = cache_entries(), _leftovers(storage, artifacts)
    if not entries and not left:
        say("Nothing is cached, and nothing is left of deleted studies.")
        return
    show(cache_table(entries, left))
    if not yes:
        confirm("Remove all of it?")
    kept = [entry for entry in entries if not entry.remove()]
    for each in left:
        each.remove()
    n = len(entries) + len(left)
    say(f"{n - len(kept)} of {n} removed.")
    for entry in kept:
        say(f"{entry.folder} is being made just now.")


@operating.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to make, such as backup.db.")],
    storage: Storage = STORAGE,
) -> None:
    """Copy a SQLite storage to a file, also while workers write to it.

    Example: hpo backup backup.db
    """
    from storage import backup as copy
    from studies.results.output_folder import check_folder

    check_folder(file)
    copy(open_storage(storage, writes=False), file)
    say(f"All studies are in {file}; the trained networks are not, copy their folder too.")


def _leftovers(url: str, artifacts: Path | None) -> list[Leftovers]:
    """Return what deleted studies have left; a storage that is not there hides nothing else."""
    from storage import StorageError
    from studies.leftovers import leftovers

    try:
        return leftovers(open_storage(url, writes=False), artifacts)
    except FileNotFoundError:
        return []
    except StorageError as error:
        warn(f"What deleted studies have left is not looked for: {error}")
        return []


def _find_all(studies: Sequence[str], url: str) -> list[str]:
    """Return the names of studies in the storage, which a worker then opens itself."""
    from storage import check_exists
    from studies.lookup import find_study

    # Nobody makes a study in a file that a mistyped URL would make, or in another program's.
    check_exists(url)
    if not studies:
        return []
    opened = open_storage(url, writes=False)
    try:
        return [find_study(study, opened) for study in studies]
    finally:
        opened.engine.dispose()
