"""The commands that make, work on, and delete a study."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
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
    SetData,
    Storage,
    Study,
    Trials,
    Workers,
    options_named,
    overrides,
)
from studies.cli.output import confirm, console, fail, find, open_storage, say, show, warn

if TYPE_CHECKING:
    import optuna
    from rich.console import Console

    from studies.definition.study import StudyDefinition

making = typer.Typer()


@making.command()
def run(
    study: NewStudy,
    workers: Workers = None,
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
    from studies.cli.live import rendering_progress
    from studies.cli.notes import budget_note, work_arguments
    from studies.cli.trust import file_arguments, trusted
    from studies.fleet.local import fetch_data
    from studies.lookup import definition_of

    given = overrides(set_, name, n_trials)
    with options_named(set_):
        allowed = trusted([study], allow_module, given, quick=quick)
        found = _find_or_create(
            study, storage, given, artifacts=artifacts, quick=quick, allowed=allowed
        )
    definition = definition_of(found)
    file = file_arguments(study, found.study_name, name=name, pairs=set_, quick=quick)
    if "search.n_trials" not in given and (note := budget_note(found, definition, file)):
        say(note)
    with rendering_progress(console()) as advance:
        fetch_data(definition, advance)
    passed = [f"--heartbeat={heartbeat}", f"--grace={grace}"]
    passed += [f"--allow-module={module}" for module in allowed]
    passed += [f"--pack-size={pack_size}"] if pack_size else []
    if not work_in_sight(found, storage, workers, passed, show_output=show_output):
        lost = "nothing is lost"
        if definition.is_function:
            lost = "a function goes on from its checkpoint_folder, or begins its trial anew"
        fail(f"Stopped; {lost}. Go on with: hpo run {work_arguments(found, file)}")
    _show_results(found, storage, file)


def work_in_sight(
    study: optuna.Study,
    url: str,
    workers: int | None,
    options: Sequence[str],
    *,
    show_output: bool = False,
    terminal: Console | None = None,
) -> bool:
    """Work on a study, with its progress on the terminal; tell whether it is done."""
    from studies.cli.live import live_progress
    from studies.cli.show_output import OutputFollower
    from studies.fleet.local import work_here

    terminal = terminal or console()
    output = OutputFollower(study, terminal)
    with live_progress(study, terminal) as redraw:

        def tick() -> None:
            if show_output:
                output.show()
            redraw()

        return work_here(
            study, url, workers, options=tuple(options), on_tick=tick, on_stop=_say_stop
        )


@making.command()
def create(
    study: NewStudy,
    name: Name = None,
    n_trials: Trials = None,
    set_: Set = None,
    quick: Quick = False,
    artifacts: Artifacts = None,
    allow_module: AllowModule = None,
    accept_code: Annotated[
        bool,
        typer.Option(
            "--accept-code", help="Build the networks of its later trials by the changed code."
        ),
    ] = False,
    storage: Storage = STORAGE,
) -> None:
    """Create a study whose trials workers pull; a larger -n adds the difference.

    Own code of a .toml file, or one that --allow-module names, is imported and looked at.

    Example: hpo create fashion-mlp-grid --name quick --set epochs=3
    """
    from studies.cli.notes import unchecked_note, work_arguments
    from studies.cli.trust import BUDGET, file_arguments, trusted

    given = overrides(set_, name, n_trials)
    with options_named(set_):
        allowed = trusted([study], allow_module, given, quick=quick)
        found = _find_or_create(
            study,
            storage,
            given,
            artifacts=artifacts,
            quick=quick,
            allowed=allowed or None,
            accepts_code=accept_code,
        )
    # A worker reads the file itself, without what stands beside it here.
    as_in_file = not quick and not given.keys() - set(BUDGET)
    file = file_arguments(study, found.study_name) if as_in_file else None
    words = work_arguments(found, file)
    say(f"Study {found.study_name} is ready. Work on it: hpo worker {words}")
    note = None if allowed else unchecked_note(found)
    if note is not None:
        say(note)


@making.command()
def init(
    objective: Annotated[str, typer.Argument(help="FILE.py:FUNCTION, or package.module:FUNCTION.")],
    dataset: Annotated[
        str, typer.Option("--dataset", help="A known data set, a path, or FILE.py:LOAD.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .toml file to write.")],
    metric: Annotated[str | None, typer.Option("--metric", help="What is searched for.")] = None,
    set_: SetData = None,
    allow_module: AllowModule = None,
) -> None:
    """Write the study of an own network, with the space that its function asks for.

    The function returns a compiled Keras network; it is called many times to find the space.

    Example: hpo init my_net.py:build --dataset fashion_mnist -o mine.toml
    """
    from objectives.code.names import file_of
    from studies.cli.init import study_text
    from studies.lookup import as_argument
    from studies.results.output_folder import check_folder

    if output.suffix != ".toml":
        from studies.errors import FileFormatError

        raise FileFormatError(
            f"Expected a file name that ends in .toml. Received: {str(output)!r}."
        )
    check_folder(output)
    if output.exists():
        raise FileExistsError(
            f"Expected a file that is not there yet. Received: {output}. Remove it, "
            "or name another."
        )
    files = [file for name in (objective, dataset) if (file := file_of(name)) is not None]
    allowed = [*(allow_module or ()), *map(str, files)]
    lines = {k.removeprefix("data."): v for k, v in overrides(set_, None, None).items()}
    with options_named([f"data.{name}" for name in lines]):
        text = study_text(objective, dataset, lines, output, metric, allowed, say)
    output.write_text(text, encoding="utf-8")
    say(f"{output} is written. Search it: hpo run {as_argument(str(output))} -j 2")


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
    from studies.cli.trust import file_arguments
    from studies.retry import retry_trials

    found = find(study, storage, writes=True)
    stopping = stopped_by(found)
    queued = retry_trials(found, None if failed or not trial else trial)
    if queued:
        words = "1 failed trial is" if len(queued) == 1 else f"{len(queued)} failed trials are"
        run = f"hpo run {work_arguments(found, file_arguments(study, found.study_name))}"
        say(f"{words} queued again. Work on them: {run}")
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
    allowed: Sequence[str] | None,
    accepts_code: bool = False,
) -> optuna.Study:
    """Find a study or create it, and tell what its pixels are divided by.

    Where there is no SQLite file yet, the definition and its data are checked before one is made,
    so that a mistake in them leaves no empty database behind. Its code is looked at where it is of
    one of the packages and files `allowed`; where these are None, a function is left unchecked.
    """
    from studies.cli.design import design_line, origin_line, seeds_line
    from studies.cli.encoding import data_line
    from studies.create import check_new, create_study, find_or_create_study
    from studies.definition.files import lines_named, load_definition

    prepare = _prepare(allowed, accepts_code=accepts_code)
    with lines_named(study, given, quick=quick):  # what shows in the data and the code, too
        try:
            open_storage(url, writes=False).engine.dispose()
        except FileNotFoundError:
            definition = prepare(load_definition(study, given, quick=quick))
            check_new(definition)
            found = create_study(definition, open_storage(url), artifacts=artifacts)
        else:
            found = find_or_create_study(
                study,
                open_storage(url),
                overrides=given,
                artifacts=artifacts,
                quick=quick,
                prepare=prepare,
            )
    for about in (data_line, origin_line, design_line, seeds_line):
        if (line := about(found)) is not None:
            say(line)
    return found


def _prepare(
    allowed: Sequence[str] | None, *, accepts_code: bool
) -> Callable[[StudyDefinition], StudyDefinition]:
    from studies.cli.waiting import told_while
    from studies.fleet.own_code import prepare

    def prepared(definition: StudyDefinition) -> StudyDefinition:
        if allowed is None and definition.is_function:
            return definition
        return prepare(
            definition, allowed or (), say, accepts_code=accepts_code, waiting=told_while
        )

    return prepared


def _show_results(study: optuna.Study, url: str, file: str | None) -> None:
    """Show the best trials, write all completed ones to a file, and tell how to browse them.

    `file` names the study by its .toml file, where the command line has done so.
    """
    from storage import overview, ranking, storage_of, study_id
    from studies.cli.notes import failure_note, missing_note, rule_note, stop_note, time_note
    from studies.cli.points import ranking_tables
    from studies.cli.results_file import results_file
    from studies.lookup import as_argument
    from studies.results.export import write_trials  # pandas: not while the workers start

    progress = overview(storage_of(study), study_id(study))
    failed, missing = failure_note(study, progress), missing_note(study, progress)
    over = stop_note(study) or rule_note(study) or time_note(study, progress, file)
    ranked = ranking(study, 10)
    if not ranked.best:
        why = failed or over or f"See why: hpo status {as_argument(study.study_name)}"
        fail(f"No trial is complete. {why}")
    csv = results_file(study.study_name)
    write_trials(study, csv, top=sys.maxsize)
    show(*ranking_tables(study, ranked))
    say(f"All completed trials, the best first: {csv.resolve()}")
    # Without the URL itself, which may hold a password.
    needs_url = url not in (STORAGE, os.environ.get("OPTUNA_STORAGE"))
    say(f"Browse them: hpo dashboard{' --storage URL' if needs_url else ''}")
    for note in filter(None, (over, missing)):
        say(note)
    if failed:
        warn(failed)
