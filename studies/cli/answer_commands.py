"""The commands that say how sure an answer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from studies.cli.options import STORAGE, AllowModule, Json, Name, Storage, Study
from studies.cli.output import console, fail, find, open_storage, say, show, warn

if TYPE_CHECKING:
    import optuna

    from studies.definition.study import StudyDefinition
    from studies.results.confirmation import Confirmation
    from studies.results.effects import Effects

answers = typer.Typer()


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
    found = confirm_by(
        study,
        storage,
        Wanted(top, seeds, until_clear, max_seeds, splits, on, again, name),
        Ways(
            lambda own: _train(own, storage, workers, allowed, is_json=json_),
            lambda made: prepare(made, allowed, warn if json_ else say, waiting=told_while),
            warn,
        ),
        allowed,
    )
    _show(found, is_json=json_)


def _train(
    study: optuna.Study,
    url: str,
    workers: int | None,
    allowed: Sequence[str],
    *,
    is_json: bool,
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
        fail(f"Stopped; nothing is lost. Go on with: hpo confirm {work_arguments(study)}")
    return True


def _show(found: Confirmation, *, is_json: bool) -> None:
    from studies.cli.confirm_tables import confirmation_view
    from studies.results.as_json import to_json

    if is_json:
        say(to_json(found))
    else:
        show(*confirmation_view(found))


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
    from studies.results.effects import effects

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
