"""The commands that make, work on, and delete a study."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
    NewStudy,
    PackSize,
    Quick,
    Set,
    Storage,
    Study,
    Trials,
    options_named,
    overrides,
)
from studies.cli.output import confirm, console, fail, find, open_storage, say, show, warn

if TYPE_CHECKING:
    import optuna

    from studies.definition.study import StudyDefinition

making = typer.Typer()


@making.command()
def run(
    study: NewStudy,
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
    show_output: Annotated[
        bool, typer.Option("--show-output", help="Show what trials print, too.")
    ] = False,
    storage: Storage = STORAGE,
) -> None:
    """Create a study or go on with it, work on it here, and show the best.

    It ends with exit code 0 where a trial is complete; those that failed are named.

    Example: hpo run digits-mlp -n 30 -j 2
    """
    from studies.cli.live import live_progress, rendering_progress
    from studies.cli.notes import work_arguments
    from studies.cli.show_output import OutputFollower
    from studies.fleet.local import fetch_data, work_here
    from studies.lookup import definition_of

    given = overrides(set_, name, n_trials)
    with options_named(set_):
        found = _find_or_create(
            study, storage, given, artifacts=artifacts, quick=quick, trusted=allow_module or []
        )
    with rendering_progress(console()) as advance:
        fetch_data(definition_of(found), advance)
    passed = [f"--heartbeat={heartbeat}", f"--grace={grace}"]
    passed += [f"--allow-module={module}" for module in allow_module or []]
    passed += [f"--pack-size={pack_size}"] if pack_size else []
    terminal = console()
    output = OutputFollower(found, terminal)
    with live_progress(found, terminal) as redraw:

        def tick() -> None:
            if show_output:
                output.show()
            redraw()

        done = work_here(
            found, storage, workers, options=tuple(passed), on_tick=tick, on_stop=_say_stop
        )
    if not done:
        fail(f"Stopped; nothing is lost. Go on with: hpo run {work_arguments(found)}")
    _show_results(found, storage)


@making.command()
def create(
    study: NewStudy,
    name: Name = None,
    n_trials: Trials = None,
    set_: Set = None,
    quick: Quick = False,
    artifacts: Artifacts = None,
    allow_module: AllowModule = None,
    storage: Storage = STORAGE,
) -> None:
    """Create a study whose trials workers pull; a larger -n adds the difference.

    Of an own function the module is imported, and the function looked for, with --allow-module.

    Example: hpo create fashion-mlp-grid --name quick --set epochs=3
    """
    from studies.cli.notes import unchecked_note, work_arguments

    given = overrides(set_, name, n_trials)
    with options_named(set_):
        found = _find_or_create(
            study, storage, given, artifacts=artifacts, quick=quick, trusted=allow_module or None
        )
    say(f"Study {found.study_name} is ready. Work on it: hpo worker {work_arguments(found)}")
    note = None if allow_module else unchecked_note(found)
    if note is not None:
        say(note)


@making.command()
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
    from studies.cli.notes import stopped_by, work_arguments
    from studies.retry import retry_trials

    found = find(study, storage, writes=True)
    stopping = stopped_by(found)
    queued = retry_trials(found, None if failed or not trial else trial)
    if queued:
        words = "1 failed trial is" if len(queued) == 1 else f"{len(queued)} failed trials are"
        say(f"{words} queued again. Work on them: hpo run {work_arguments(found)}")
        if stopping is not None:
            say(
                f"The function of trial {stopping} had stopped the study (study.stop); it goes on, "
                "with all that its budget has left."
            )
    else:
        say(f"No trial of {found.study_name} has failed.")


@making.command()
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

    name = find_study(study, open_storage(storage, writes=False), is_wanted=False)
    if not yes:
        confirm(f"Delete study {name} with all its trials and networks?")
    delete_study(name, open_storage(storage))
    say(f"Study {name} is deleted.")


def _say_stop(n: int) -> None:
    """Say that Ctrl-C was heard, and what happens."""
    if n == 1:
        warn("Stopping after this epoch, a function at once. Ctrl-C again stops all at once.")
    else:
        warn("Stopping at once.")


def _find_or_create(
    study: str,
    url: str,
    given: Mapping[str, Any],
    *,
    artifacts: Path | None,
    quick: bool,
    trusted: Sequence[str] | None,
) -> optuna.Study:
    """Find a study or create it, and tell what its pixels are divided by.

    Where there is no SQLite file yet, the definition and its data are checked before one is made,
    so that a mistake in them leaves no empty database behind. Its function is looked for where it
    is of one of the packages `trusted`, and not where these are None.
    """
    from studies.cli.encoding import scale_line
    from studies.create import check_new, create_study, find_or_create_study

    check = None if trusted is None else _function_check(trusted)
    try:
        open_storage(url, writes=False).engine.dispose()
    except FileNotFoundError:
        from studies.definition.files import load_definition

        definition = load_definition(study, given, quick=quick)
        if check is not None:
            check(definition)
        check_new(definition)
        found = create_study(definition, open_storage(url), artifacts=artifacts)
    else:
        found = find_or_create_study(
            study,
            open_storage(url),
            overrides=given,
            artifacts=artifacts,
            quick=quick,
            check=check,
        )
    line = scale_line(found)
    if line is not None:
        say(line)
    return found


def _function_check(trusted: Sequence[str]) -> Callable[[StudyDefinition], None]:
    from studies.fleet.own_function import check_function

    return partial(check_function, allow_modules=trusted)


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
