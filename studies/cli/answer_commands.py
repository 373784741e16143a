"""The commands that answer questions about trials that have ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studies.cli.answers import print_answer
from studies.cli.complete import stored_studies
from studies.cli.options import STORAGE, AllowModule, Json, Storage, Study
from studies.cli.output import find, open_storage, say, warn

if TYPE_CHECKING:
    import optuna

    from studies.definition.study import StudyDefinition
    from studies.results.effects.effects import Effects

answers = typer.Typer()
Trial = Annotated[int, typer.Argument(min=0, help="Its number.")]


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
    from studies.results.compare import compare
    from studies.results.export import check_output, write_frame

    if curves is not None:
        check_output(curves)
    opened = open_storage(storage, writes=False)
    found = compare([open_study(find_study(name, opened), opened) for name in study], trial)
    print_answer(found, comparison_view, is_json=json_)
    if curves is not None:
        write_frame(found.curves, curves)
        tell = warn if json_ else say  # what is on standard output is JSON alone
        tell(f"{len(found.curves)} rows of learning curves are written to {curves}")
        if found.curves.empty:
            tell("None of these trials has reported an epoch.")


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
    from studies.results.effects.effects import effects

    found = find(study, storage, writes=enqueue, waiting=True)
    answer = effects(found)
    print_answer(answer, effects_tables, is_json=json_)
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
    from studies.results.outlook import outlook

    found = find(study, storage)
    answer = outlook(found, n)
    print_answer(answer, outlook_view, is_json=json_)
    if answer.noise is None and not json_:
        say(noise_note(found, ranking(found, 1)))


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
    from studies.results.reruns.rerun import rerun as make_again

    found = find(study, storage, writes=True)
    seconds = find_trial(found, trial).user_attrs.get(TRAIN_SECONDS_KEY)
    allowed = trusted([study], allow_module, {})
    if seconds is not None and seconds >= 1:
        warn(f"Trial {trial} is made again; it took {short_time(seconds)}.")
    answer = make_again(found, trial, allow_modules=allowed)
    print_answer(answer, rerun_view, is_json=json_)


@answers.command("show")
def show_trial(study: Study, trial: Trial, json_: Json = False, storage: Storage = STORAGE) -> None:
    """Show all that made a trial: setting, data, code, libraries, device, lanes, lineage.

    Example: hpo show fashion-mlp-grid 15
    """
    from studies.cli.show_tables import provenance_view
    from studies.results.provenance import show as show_provenance

    answer = show_provenance(find(study, storage), trial)
    print_answer(answer, provenance_view, is_json=json_)
