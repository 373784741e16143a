"""The commands that say how sure an answer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studies.cli.complete import stored_studies
from studies.cli.options import STORAGE, AllowModule, Json, Name, Storage, Study
from studies.cli.output import console, fail, find, open_storage, say, show, warn

if TYPE_CHECKING:
    import optuna

    from studies.definition.study import StudyDefinition
    from studies.results.confirmed.confirmation import Confirmation
    from studies.results.effects.effects import Effects

answers = typer.Typer()
Trial = Annotated[int, typer.Argument(min=0, help="Its number.")]


@answers.command("confirm")
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
    workers: Annotated[
        int | None, typer.Option("-j", "--workers", min=1, help="Worker processes; one a GPU.")
    ] = None,
    name: Name = None,
    allow_module: AllowModule = None,
    json_: Json = False,
    storage: Storage = STORAGE,
) -> None:
    """Train the best settings anew with fresh seeds, and tell which are better.

    Called again it goes on, also with more --seeds. It makes the study STUDY-confirm.

    Example: hpo confirm digits-mlp --top 3 --seeds 8 -j 2
    """
    from studies.cli.trust import trusted
    from studies.cli.waiting import told_while
    from studies.confirmation.confirm import Ways, confirm_by
    from studies.confirmation.looks import Wanted
    from studies.fleet.own_code import prepare

    allowed = trusted([study], allow_module, {})
    open_storage(storage, writes=False).engine.dispose()  # no mistake makes an empty database
    wanted = Wanted(top, seeds, until_clear, max_seeds, splits, on, again, name)
    ways = Ways(
        lambda own: _train(own, storage, workers, allowed, is_json=json_),
        lambda made: prepare(made, allowed, warn if json_ else say, waiting=told_while),
        warn,
    )
    try:
        found = confirm_by(study, storage, wanted, ways, allowed)
    except KeyboardInterrupt:  # while networks are trained for the test part
        fail("Stopped; the networks so far are kept. The same command goes on with the others.")
    _show(found, is_json=json_)


@answers.command("transfer")
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
    workers: Annotated[
        int | None, typer.Option("-j", "--workers", min=1, help="Worker processes; one a GPU.")
    ] = None,
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
    from studies.results.as_json import to_json

    allowed = trusted([study], allow_module, {"dataset": dataset})
    open_storage(storage, writes=False).engine.dispose()  # no mistake makes an empty database
    found = transfer_by(
        study,
        storage,
        dataset,
        lambda own: _train(own, storage, workers, allowed, is_json=json_, goes_on=True),
        lambda made: prepare(made, allowed, warn if json_ else say, waiting=told_while),
        allowed,
        top=top,
        seeds=seeds,
        name=name,
    )
    if json_:
        say(to_json(found))
    else:
        show(*transfer_view(found))


def _train(
    study: optuna.Study,
    url: str,
    workers: int | None,
    allowed: Sequence[str],
    *,
    is_json: bool,
    goes_on: bool = False,
) -> bool:
    """Work on a study of confirmation; end with exit code 1 where it is told to stop."""
    from rich.console import Console

    from studies.cli.live import rendering_progress
    from studies.cli.notes import work_arguments
    from studies.cli.study_commands import work_in_sight
    from studies.fleet.local import fetch_data
    from studies.lookup import definition_of

    terminal = Console(stderr=True) if is_json else console()
    with rendering_progress(terminal) as advance:
        fetch_data(definition_of(study), advance)
    options = [f"--allow-module={module}" for module in allowed]
    if not work_in_sight(study, url, workers, options, terminal=terminal):
        same = "The same command goes on."
        how = same if goes_on else f"Go on with: hpo confirm {work_arguments(study)}"
        fail(f"Stopped; nothing is lost. {how}")
    return True


def _show(found: Confirmation, *, is_json: bool) -> None:
    from studies.cli.confirm_tables import confirmation_view
    from studies.results.as_json import to_json

    if is_json:
        say(to_json(found))
    else:
        show(*confirmation_view(found))


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
    from studies.results.reruns.rerun import rerun as make_again

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

    Example: hpo compare mnist-permuted-mlp fashion-permuted-mlp --curves curves.csv
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

    Example: hpo outlook cifar10-mlp -n 50
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


@answers.command("effects")
def show_effects(
    study: Study,
    enqueue: Annotated[
        bool, typer.Option("--enqueue", help="Make a study of the predicted best combination.")
    ] = False,
    allow_module: AllowModule = None,
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
    from studies.results.effects.effects import effects

    found = find(study, storage, writes=enqueue, waiting=True)
    answer = effects(found)
    if json_:
        say(to_json(answer))
    else:
        for each in effects_tables(answer):
            say(each) if isinstance(each, str) else show(each)
    if enqueue:
        _enqueue(found, answer, allow_module, warn if json_ else say)


def _enqueue(
    study: optuna.Study, found: Effects, allow_module: list[str] | None, tell: Callable[[str], None]
) -> None:
    """Make the study of a predicted combination, and say how it is worked on."""
    from studies.cli.notes import work_arguments
    from studies.cli.trust import trusted
    from studies.cli.waiting import told_while
    from studies.confirmation.predicted import make_predicted
    from studies.fleet.own_code import prepare
    from studies.lookup import as_argument

    allowed = trusted([], allow_module, {})

    def look_at(made: StudyDefinition) -> StudyDefinition:
        if made.is_function and not allowed:  # a worker looks for it
            return made
        return prepare(made, allowed, tell, waiting=told_while)

    made = make_predicted(study, found, look_at)
    tell(f"\nStudy {made.study_name} is ready. Work on it:\n  hpo run {work_arguments(made)}")
    name = as_argument(study.study_name)
    tell(f"Then this says whether the prediction held:\n  hpo effects {name}")
