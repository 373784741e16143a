"""The command line: parsing and printing only, one thin function a command.

Whatever is heavy is imported inside the functions, so that `hpo --help` answers at once.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli_options import (
    STORAGE,
    AllowModule,
    Artifacts,
    Grace,
    Heartbeat,
    Lanes,
    Name,
    Quick,
    Set,
    Storage,
    Study,
    Top,
    Trials,
    overrides,
)

if TYPE_CHECKING:
    import optuna

    from storage import TrialStorage

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
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Search hyperparameters of Keras networks: studies in SQL, workers on every GPU.

    Example: hpo run digits-mlp
    """
    _state["debug"] = debug


_state = {"debug": False}


@app.command("list")
def list_studies(storage: Storage = STORAGE) -> None:
    """Show the catalogue, and the studies in the storage.

    Example: hpo list
    """
    from studies import tables

    try:
        opened = _open(storage, writes=False)
    except FileNotFoundError:
        _print(tables.catalog_table())
        _say("There is no storage yet. Begin with: hpo run digits-mlp")
    else:
        _print(tables.catalog_table(), tables.storage_table(opened))


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
    lanes: Lanes = None,
    storage: Storage = STORAGE,
) -> None:
    """Create a study or go on with it, work on it here, and show the best.

    Example: hpo run digits-mlp -n 30 -j 2
    """
    from studies import progress, tables
    from studies.create import definition_of, find_or_create_study
    from studies.launch import fetch_data, work_here

    opened = _open(storage)
    found = find_or_create_study(
        study,
        opened,
        overrides=overrides(set_, name, n_trials),
        artifacts=artifacts,
        quick=quick,
    )
    with progress.rendering_progress(_console()) as rendered:
        fetch_data(definition_of(found), rendered)
    passed = [f"--heartbeat={heartbeat}", f"--grace={grace}"]
    passed += [f"--allow-module={module}" for module in allow_module or []]
    passed += [f"--lanes={lanes}"] if lanes else []
    with progress.live_progress(found, _console()) as tick:
        done = work_here(found, storage, workers, options=tuple(passed), on_tick=tick)
    if not done:
        _fail(f"Stopped; nothing is lost. Go on with: hpo run {found.study_name}")
    if progress.best_or_none(found) is None:
        _fail(f"No trial is complete. See why: hpo status {found.study_name}")
    from studies import export  # not before: pandas would keep the workers waiting

    csv = Path(f"{found.study_name}.csv".replace("/", "-"))
    export.export_trials(found, csv, top=sys.maxsize)
    _print(tables.best_table(found, 10))
    _say(f"All completed trials, the best first: {csv.resolve()}")
    elsewhere = storage not in (STORAGE, os.environ.get("OPTUNA_STORAGE"))
    _say(f"Browse them: hpo dashboard{' --storage URL' if elsewhere else ''}")


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
    """Create a study, for workers to pull its trials; a larger -n adds the difference.

    Example: hpo create fashion-mlp-grid --name quick --set epochs=3
    """
    from studies.create import find_or_create_study

    found = find_or_create_study(
        study,
        _open(storage),
        overrides=overrides(set_, name, n_trials),
        artifacts=artifacts,
        quick=quick,
    )
    _say(f"Study {found.study_name} is ready. Work on it: hpo worker {found.study_name}")


@app.command()
def delete(
    study: Study,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = STORAGE,
) -> None:
    """Delete a study, its trials and the networks kept of it.

    Example: hpo delete quick
    """
    from studies.create import delete_study, find_study

    opened = _open(storage)
    name = find_study(study, opened)
    if not yes and not typer.confirm(f"Delete study {name} with all its trials and networks?"):
        _fail("Nothing was deleted.")
    delete_study(name, opened)
    _say(f"Study {name} is deleted.")


@app.command()
def worker(
    studies: Annotated[
        list[str] | None, typer.Argument(help="Studies in the storage; all by default.")
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option("--max-trials", min=1, help="End after so many.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Keep waiting for work.")] = False,
    heartbeat: Heartbeat = 10.0,
    grace: Grace = 60.0,
    allow_module: AllowModule = None,
    lanes: Lanes = None,
    storage: Storage = STORAGE,
) -> None:
    """Pull trials and execute them until nothing waits.

    Example: hpo worker fashion-mlp-grid --wait
    """
    from studies.create import find_study
    from studies.worker import WorkerOptions, work

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    opened = _open(storage)
    names = [find_study(study, opened) for study in studies or []]
    taken = work(
        storage,
        names,
        WorkerOptions(max_trials, wait, heartbeat, grace, tuple(allow_module or ()), lanes),
    )
    _say(f"{taken} trials taken.")


@app.command()
def status(
    study: Annotated[str | None, typer.Argument(help="A study; all by default.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw until interrupted.")] = False,
    storage: Storage = STORAGE,
) -> None:
    """Show trials by state, rate, time left, and what each worker is doing.

    Example: hpo status fashion-mlp-grid --watch
    """
    from studies import tables

    opened = _open(storage, writes=False)
    if watch:
        tables.watch_status(opened, study, _console())
    else:
        _print(tables.status_view(opened, study))


@app.command()
def best(study: Study, top: Top = 10, storage: Storage = STORAGE) -> None:
    """Show the best trials.

    Example: hpo best fashion-mlp-grid --top 3
    """
    from studies import tables
    from studies.progress import best_or_none

    found = _find(study, storage)
    if best_or_none(found) is None:
        _fail(f"No trial is complete yet. See how it stands: hpo status {found.study_name}")
    _print(tables.best_table(found, top))


@app.command()
def export(
    study: Study,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Only the best, the best first.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .csv, .parquet, .json or .md file.")
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Write the trials as CSV to the screen, or to a file.

    Example: hpo export fashion-mlp-grid --top 20 -o best.csv
    """
    from studies import export as exporting

    if output is not None:
        exporting.check_format(output)
    frame = exporting.export_trials(_find(study, storage), output, top=top)
    if output is None:
        sys.stdout.write(exporting.to_csv(frame))
    else:
        _say(f"{len(frame)} trials written to {output}")


@app.command()
def model(
    study: Study,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .keras file.")],
    trial: Annotated[
        int | None, typer.Option("--trial", min=0, help="Its number; the best by default.")
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Write the trained network of the best trial, or of one trial, to a file.

    Example: hpo model fashion-mlp-grid -o best.keras
    """
    from studies.export import save_model

    number = save_model(_find(study, storage), output, trial)
    _say(f"The network of trial {number} is written to {output}")


@app.command("test")
def judge(
    study: Study,
    trial: Annotated[
        int | None, typer.Option("--trial", min=0, help="Its number; the best by default.")
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Judge the best trial's network on the test part, which no search has seen. Once.

    Example: hpo test fashion-mlp-grid
    """
    from studies import tables
    from studies.create import find_study, open_study
    from studies.final_test import look, looks_at

    opened = _open(storage)
    found = open_study(find_study(study, opened), opened)
    before = looks_at(found)
    now = look(found, trial)
    _say(f"Trial {now.trial} of {found.study_name} on the {now.n} pictures of the test part:")
    _print(tables.look_table(found, now))
    if before:
        _say(f"This is look {len(before) + 1} at the test part; the first was {before[0].at}.")
        _say("Whoever chooses by it has no test part left.")


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="A data set, or a path.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png file.")],
    n: Annotated[int, typer.Option("-n", min=1, max=400, help="How many pictures.")] = 24,
    set_: Set = None,
) -> None:
    """Draw pictures that a search may see, each with its label, on one sheet.

    Example: hpo data clock -o sheet.png --set size=150
    """
    from objectives import DataOptions, datasets
    from objectives.sheet import contact_sheet
    from studies.progress import rendering_progress

    options = DataOptions(**overrides(set_, None, None))
    datasets.check(name, options)
    with rendering_progress(_console()) as progress:
        datasets.prepare(name, options, progress)
    contact_sheet(datasets.load(name, options), n, options.seed).save(output)
    _say(f"{n} pictures of {name} are drawn in {output}")


@app.command()
def dashboard(
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8080,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    storage: Storage = STORAGE,
) -> None:
    """Browse the studies in optuna-dashboard.

    Example: hpo dashboard --port 8080
    """
    from studies.dashboard import serve

    serve(storage, host, port)


@app.command()
def objectives(
    name: Annotated[str | None, typer.Argument(help="An objective; all by default.")] = None,
) -> None:
    """Show what can be tuned: each hyperparameter, its type, bounds, default and levels.

    Example: hpo objectives mlp
    """
    from studies import tables

    _print(tables.objectives_table() if name is None else tables.hyperparameter_table(name))


def main() -> None:
    """Run the command line; an error is one or two lines on standard error, and exit code 1."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if _state["debug"]:
            raise
        words = error.args[0] if isinstance(error, KeyError) and error.args else error
        cause = getattr(error, "orig", None)  # SQLAlchemy adds the statement and a link
        lines = str(cause or words).splitlines() or [type(error).__name__]
        sys.stderr.write(f"error: {lines[0] if cause else ' '.join(lines)}\n")
        if not isinstance(error, ValueError | LookupError | OSError | RuntimeError):
            sys.stderr.write(f"{type(error).__name__}: see where with hpo --debug ...\n")
        sys.exit(1)


def _open(url: str, *, writes: bool = True) -> TrialStorage:
    import optuna

    from storage import create_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return create_storage(url, waiting=False, writes=writes)


def _find(study: str, url: str) -> optuna.Study:
    from studies.create import find_study, open_study

    opened = _open(url, writes=False)
    return open_study(find_study(study, opened), opened)


def _console() -> Any:
    from rich.console import Console

    return Console()


def _print(*renderables: Any) -> None:
    console = _console()
    for renderable in renderables:
        console.print(renderable)


def _say(words: str) -> None:
    typer.echo(words)


def _fail(words: str) -> None:
    typer.echo(words, err=True)
    raise typer.Exit(1)
