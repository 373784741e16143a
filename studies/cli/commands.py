"""The command line: parsing and printing only, one thin function a command.

Heavy libraries are imported inside the functions, so that `hpo --help` answers at once.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.options import (
    STORAGE,
    AllowModule,
    Artifacts,
    Grace,
    Heartbeat,
    Name,
    PackSize,
    Quick,
    Set,
    SetData,
    Settings,
    Storage,
    Study,
    Trials,
    overrides,
)
from studies.cli.output import console, fail, find, open_storage, print_error, say, show, warn
from studies.cli.result_commands import results

if TYPE_CHECKING:
    import optuna

app = typer.Typer(
    name="hpo",
    help="Search hyperparameters of Keras networks: studies in SQL, workers on every GPU.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Search hyperparameters of Keras networks: studies in SQL, workers on every GPU.

    Example: hpo run digits-mlp
    """
    context.ensure_object(Settings).debug = debug


@app.command("list")
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


@app.command()
def run(
    study: Study,
    workers: Annotated[
        int | None, typer.Option("-j", "--workers", min=1, help="Worker processes; one a GPU.")
    ] = None,
    name: Name = None,
    n_trials: Trials = None,
    set_: Set = None,
    quick: Quick = False,
    artifacts: Artifacts = None,
    heartbeat: Heartbeat = 10.0,
    grace: Grace = 60.0,
    allow_module: AllowModule = None,
    pack_size: PackSize = None,
    storage: Storage = STORAGE,
) -> None:
    """Create a study or go on with it, work on it here, and show the best.

    It ends with exit code 0 where a trial is complete; those that failed are named.

    Example: hpo run digits-mlp -n 30 -j 2
    """
    from studies.cli.live import live_progress, rendering_progress
    from studies.fleet.local import fetch_data, work_here
    from studies.lookup import as_argument, definition_of

    given = overrides(set_, name, n_trials)
    found = _find_or_create(study, storage, given, artifacts=artifacts, quick=quick)
    with rendering_progress(console()) as advance:
        fetch_data(definition_of(found), advance)
    passed = [f"--heartbeat={heartbeat}", f"--grace={grace}"]
    passed += [f"--allow-module={module}" for module in allow_module or []]
    passed += [f"--pack-size={pack_size}"] if pack_size else []
    with live_progress(found, console()) as tick:
        done = work_here(found, storage, workers, options=tuple(passed), on_tick=tick)
    if not done:
        fail(f"Stopped; nothing is lost. Go on with: hpo run {as_argument(found.study_name)}")
    _show_results(found, storage)


@app.command()
def create(
    study: Study,
    name: Name = None,
    n_trials: Trials = None,
    set_: Set = None,
    quick: Quick = False,
    artifacts: Artifacts = None,
    storage: Storage = STORAGE,
) -> None:
    """Create a study whose trials workers pull; a larger -n adds the difference.

    Example: hpo create fashion-mlp-grid --name quick --set epochs=3
    """
    from studies.lookup import as_argument

    given = overrides(set_, name, n_trials)
    found = _find_or_create(study, storage, given, artifacts=artifacts, quick=quick)
    argument = as_argument(found.study_name)
    say(f"Study {found.study_name} is ready. Work on it: hpo worker {argument}")


@app.command()
def delete(
    study: Study,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = STORAGE,
) -> None:
    """Delete a study, its trials and its kept networks.

    Example: hpo delete quick
    """
    from studies.delete import delete_study
    from studies.lookup import find_study

    name = find_study(study, open_storage(storage, writes=False))
    if not yes and not typer.confirm(f"Delete study {name} with all its trials and networks?"):
        fail("Nothing was deleted.")
    delete_study(name, open_storage(storage))
    say(f"Study {name} is deleted.")


@app.command()
def retry(
    study: Study,
    failed: Annotated[
        bool, typer.Option("--failed", help="All that failed; so also without an option.")
    ] = False,
    trial: Annotated[
        list[int] | None, typer.Option("--trial", min=0, help="The number of one; repeatable.")
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Queue failed trials again, as after their cause is mended.

    Example: hpo retry fashion-mlp-grid --failed
    """
    from studies.lookup import as_argument
    from studies.retry import retry_trials

    found = find(study, storage, writes=True)
    queued = retry_trials(found, None if failed or not trial else trial)
    name = as_argument(found.study_name)
    if queued:
        words = "1 failed trial is" if len(queued) == 1 else f"{len(queued)} failed trials are"
        say(f"{words} queued again. Work on them: hpo run {name}")
    else:
        say(f"No trial of {found.study_name} has failed.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to make, such as backup.db.")],
    storage: Storage = STORAGE,
) -> None:
    """Copy a SQLite storage to a file, also while workers write to it.

    Example: hpo backup backup.db
    """
    from storage import backup as copy

    copy(open_storage(storage, writes=False), file)
    say(f"All studies are in {file}; the trained networks are not, copy their folder too.")


@app.command()
def worker(
    studies: Annotated[
        list[str] | None, typer.Argument(help="Studies in the storage; all by default.")
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option("--max-trials", min=1, help="End after this many trials.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Keep waiting for work.")] = False,
    heartbeat: Heartbeat = 10.0,
    grace: Grace = 60.0,
    allow_module: AllowModule = None,
    pack_size: PackSize = None,
    storage: Storage = STORAGE,
) -> None:
    """Pull trials and execute them until nothing waits.

    Example: hpo worker fashion-mlp-grid --wait
    """
    from storage import check_exists, wait_for_database
    from studies.worker.loop import WorkerOptions, work

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    check_exists(storage)  # nobody makes a study in a file that a mistyped URL would make
    names = wait_for_database(lambda: _find_all(studies or [], storage))
    taken = work(
        storage,
        names,
        WorkerOptions(
            max_trials, wait, heartbeat, grace, tuple(allow_module or ()), pack_size=pack_size
        ),
    )
    say(f"{taken} trials taken.")


@app.command()
def status(
    study: Annotated[str | None, typer.Argument(help="A study; all by default.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw until interrupted.")] = False,
    storage: Storage = STORAGE,
) -> None:
    """Show trials by state, rate, time left, and what each worker is doing.

    Example: hpo status fashion-mlp-grid --watch
    """
    from studies.cli.status import status_view
    from studies.lookup import find_study

    opened = open_storage(storage, writes=False)
    name = None if study is None else find_study(study, opened)
    if watch:
        from studies.cli.live import watch_status

        watch_status(opened, name, console())
    else:
        show(status_view(opened, name))


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="A data set, or a path.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png file.")],
    n: Annotated[int, typer.Option("-n", min=1, max=400, help="How many pictures.")] = 24,
    set_: SetData = None,
) -> None:
    """Draw training pictures, each with its label, on one sheet.

    Example: hpo data clock -o sheet.png --set size=150
    """
    from objectives.data import datasets, sources
    from objectives.data.contact_sheet import contact_sheet
    from studies.cli.live import rendering_progress
    from studies.definition.study import data_options

    if output.suffix != ".png":
        raise ValueError(f"Expected a file name that ends in .png. Received: {str(output)!r}.")
    lines = {k.removeprefix("data."): v for k, v in overrides(set_, None, None).items()}
    options = data_options(lines)
    sources.check(name, options)
    with rendering_progress(console()) as progress:
        sources.source_of(name).prepare(options, progress)
    loaded = datasets.load(name, options)
    contact_sheet(loaded, n, options.seed).save(output)
    say(f"{min(n, len(loaded.x_train))} pictures of {name} are drawn in {output}")


@app.command()
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


@app.command()
def objectives(
    name: Annotated[str | None, typer.Argument(help="An objective; all by default.")] = None,
) -> None:
    """Show what can be tuned: each hyperparameter, its type, bounds, default and levels.

    Example: hpo objectives mlp
    """
    from studies.cli import tables

    show(tables.objectives_table() if name is None else tables.hyperparameter_table(name))


def _find_all(studies: Sequence[str], url: str) -> list[str]:
    """Return the names of studies in the storage, which a worker then opens itself."""
    from studies.lookup import find_study

    if not studies:
        return []
    opened = open_storage(url, writes=False)
    try:
        return [find_study(study, opened) for study in studies]
    finally:
        opened.engine.dispose()


def _find_or_create(
    study: str, url: str, given: Mapping[str, Any], *, artifacts: Path | None, quick: bool
) -> optuna.Study:
    """Find a study or create it, and tell what its pixels are divided by.

    Where there is no SQLite file yet, the definition and its data are checked before one is made,
    so that a mistake in them leaves no empty database behind.
    """
    from studies.cli.encoding import scale_line
    from studies.create import create_study, find_or_create_study

    try:
        open_storage(url, writes=False).engine.dispose()
    except FileNotFoundError:
        from studies.definition.files import read_table, with_overrides
        from studies.definition.study import parse_definition

        definition = parse_definition(with_overrides(read_table(study, quick=quick), given))
        _ = definition.encoding
        found = create_study(definition, open_storage(url), artifacts=artifacts)
    else:
        found = find_or_create_study(
            study, open_storage(url), overrides=given, artifacts=artifacts, quick=quick
        )
    line = scale_line(found)
    if line is not None:
        say(line)
    return found


def _show_results(study: optuna.Study, url: str) -> None:
    """Show the best trials, write all completed ones to a file, and tell how to browse them."""
    from storage import best_trial, overview, storage_of, study_id
    from studies.cli.notes import failure_note, missing_note, stop_note, time_note
    from studies.cli.tables import best_table
    from studies.lookup import as_argument, file_name
    from studies.results.export import write_trials  # pandas: not while the workers start

    progress = overview(storage_of(study), study_id(study))
    failed, missing = failure_note(study, progress), missing_note(study, progress)
    over = stop_note(study) or time_note(study, progress)
    if best_trial(study) is None:
        why = failed or over or f"See why: hpo status {as_argument(study.study_name)}"
        fail(f"No trial is complete. {why}")
    csv = Path(file_name(study.study_name, ".csv"))
    write_trials(study, csv, top=sys.maxsize)
    show(best_table(study, 10))
    say(f"All completed trials, the best first: {csv.resolve()}")
    # Without the URL itself, which may hold a password.
    needs_url = url not in (STORAGE, os.environ.get("OPTUNA_STORAGE"))
    say(f"Browse them: hpo dashboard{' --storage URL' if needs_url else ''}")
    for note in filter(None, (over, missing)):
        say(note)
    if failed:
        warn(failed)


app.add_typer(results)


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
