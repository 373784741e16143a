"""Tables for a terminal of 80 columns: the catalogue, the storage, objectives and results.

What reads definitions and objectives is imported by the functions that do: the best trials of a
study are shown without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from storage import (
    BestPoint,
    TrialStorage,
    best_point,
    history_of,
    overview,
    storage_of,
    study_id,
)
from storage.study_attributes import SEED_KEY as SEED
from studies.attributes import COMPILE_SECONDS_KEY, DEFINITION_KEY, TRAIN_SECONDS_KEY
from studies.cli.format import allowed_values, metric_name, number, parameter, trial_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from objectives.cache_entries import CacheEntry
    from objectives.data.describe import Description
    from studies.definition.study import StudyDefinition
    from studies.leftovers import Leftovers
    from studies.results.holdout import HoldoutEvaluation

WIDEST = 5  # parameters in columns of their own; more are joined in one column
SHOWN_SECONDS = 0.1  # for compiling, from which on they are shown
MOST_CLASSES = 30  # that are shown
TERMINAL = 80  # columns, the fewest that tables are made for
WIDEST_NAME = 30  # characters of a study's name on one line of 80


def description_tables(found: Description) -> list[RenderableType]:
    """Return what a data set has."""
    title = f"{found.n_train:,} examples to train on, {found.n_validation:,} to validate on"
    heading = Text(title, style="bold")  # a table's title is as narrow as the table
    parts = plain_table("", "", "what it is", "values", "missing")
    for each in found.parts:
        parts.add_row(each.name, each.form, each.values, str(each.missing or ""))
    if not found.classes:
        return [heading, parts]
    classes = plain_table(f"{len(found.classes)} classes", "label", "to train on", "to validate on")
    for label, (train, validation) in list(found.classes.items())[:MOST_CLASSES]:
        classes.add_row(label, f"{train:,}", f"{validation:,}")
    more = len(found.classes) - MOST_CLASSES
    return [heading, parts, classes, *([Text(f"and {more} more")] if more > 0 else [])]


def catalog_table() -> Table:
    """Return the studies that ship with the service."""
    from studies.catalog.shipped import catalog
    from studies.definition.files import read_table
    from studies.definition.study import parse_definition

    table = plain_table("Catalogue", "study", "objective", "data set", "search")
    for name in catalog():
        definition = parse_definition(read_table(name))
        table.add_row(name, definition.objective, definition.dataset, _search(definition))
    return table


def storage_table(storage: TrialStorage) -> RenderableType:
    """Return the studies in the storage: trials by state, and the best value."""
    table = plain_table("In the storage", "study", "objective", "data set", "trials", "best")
    for summary in storage.get_all_studies():
        stored = summary.user_attrs.get(DEFINITION_KEY)
        if stored is None:
            continue  # made by another program
        study = optuna.load_study(storage=storage, study_name=summary.study_name)
        counts = trial_counts(overview(storage, study_id(study)).lineages_by_state)
        best = best_point(study)
        value = "" if best is None else number(best.value)
        add_row(
            table, summary.study_name, stored["objective"], stored["dataset"] or "", counts, value
        )
    if not table.rows:
        return Text("The storage has no studies yet. Begin with: hpo run digits-mlp")
    return table


def best_table(study: optuna.Study, points: Sequence[BestPoint]) -> Table:
    """Return the best trials: number, value, the parameters that were searched, and the cost.

    The time is that of training. What a trial took for compiling depends on which came first.
    """
    trials = [point.trial for point in points]
    n = overview(storage_of(study), study_id(study)).ended  # as the live display counts them
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    seeds = {trial.user_attrs.get(SEED) for trial in trials} - {None}
    extra = [SEED] if len(seeds) > 1 and SEED not in names else []
    title = f"{study.study_name}: the best of {n} trial{'' if n == 1 else 's'}"
    # More columns than these would break each value into pieces of three letters.
    shown = names if len(names) <= WIDEST else ["parameters"]
    if any("epochs" in trial.user_attrs for trial in trials):  # a function has none
        extra.append("epochs")
    table = plain_table(title, "trial", metric_name(study), *shown, *extra, "time")
    compiling = _compiling(trials)
    if compiling:
        table.caption, table.caption_justify = Text(compiling, style="dim"), "left"
    # Else rich breaks them to the width of a narrow table.
    table.min_width = max(len(title), len(compiling))
    for trial in trials:
        add_row(table, *_best_cells(trial, shown, extra))
    # Else rich breaks words, where closer columns have room for them.
    table.collapse_padding = Console(width=1000).measure(table).maximum > TERMINAL
    return table


def cache_table(entries: Sequence[CacheEntry], left: Sequence[Leftovers]) -> Table:
    """Return what is cached, and left of deleted studies: where it is, what it is, its size."""
    table = plain_table(None, "size", "what", "folder")
    for entry in entries:
        add_row(table, f"{entry.size / 1e6:.1f} MB", entry.what, str(entry.folder))
    for each in left:
        files = "1 file" if len(each.files) == 1 else f"{len(each.files)} files"
        what = f"{files} of the deleted study {each.note.name}"
        add_row(table, f"{each.size / 1e6:.1f} MB", what, str(each.folder))
    return table


def holdout_table(study: optuna.Study, found: HoldoutEvaluation) -> Table:
    """Return the metrics on the test part beside those on the validation part."""
    from studies.lookup import definition_of

    trial, definition = study.trials[found.trial], definition_of(study)
    history, kept = history_of(trial), _kept_epoch(definition, trial)
    # Of seeds that train together the history is the mean, the network that of the best one.
    is_mean = definition.search.n_seeds > 1 and not definition.search.one_by_one
    validation_head = "validation, mean of seeds" if is_mean else "validation"
    table = plain_table(None, "metric", "test", validation_head)
    for name, value in found.metrics.items():
        epochs = history.get(f"val_{name}", [])
        validation = epochs[kept - 1] if 0 < kept <= len(epochs) else None
        add_row(table, name, number(value), number(validation))
    return table


def objectives_table() -> Table:
    """Return the objectives that can be optimized."""
    import objectives

    table = plain_table("Objectives", "name", "what it is", "hyperparameters")
    for name in objectives.names():
        objective = objectives.get(name)
        count = len(objective.hyperparameters.describe())
        table.add_row(name, objective.summary, f"{count}: hpo objectives {name}")
    return table


def hyperparameter_table(name: str) -> Table:
    """Return the hyperparameters of an objective.

    Raises:
        ValueError: There is no such objective.
    """
    import objectives
    from objectives.fields import need_in_words

    table = plain_table(f"Hyperparameters of {name}", "name", "values, default, meaning")
    for info in objectives.get(name).hyperparameters.describe():
        default = "" if info.default is None else f"; default {parameter(info.default) or 'none'}"
        needs = "; or where ".join(map(need_in_words, info.needs))
        meaning = f"{info.help} " + (f"Used where {needs}. " if needs else "") + f"({info.kind})"
        text = Text.assemble((allowed_values(info), "bold"), f"{default}\n{meaning}")
        table.add_row(info.name, text)
    return table


def plain_table(title: str | None, *columns: str) -> Table:
    """Return a table without lines.

    Args:
        title: What stands above it.
        columns: The heads of its columns.
    """
    # As text: a study's name may contain rich's markup, such as [a].
    heading = None if title is None else Text(title, style="table.title")
    table = Table(title=heading, title_justify="left", box=None, padding=(0, 1), pad_edge=False)
    first, *others = columns
    table.add_column(Text(first), no_wrap=True)
    for column in others:
        # A long name, such as early_stopping_patience, is broken at its underscores, since the
        # values below it are narrow.
        table.add_column(Text(column.replace("_", "\n")), overflow="fold", vertical="top")
    return table


def add_row(table: Table, first: str, *cells: str) -> None:
    """Add a row to a table."""
    # rich wraps the other columns, but makes the first one as wide as its widest cell.
    lines = [
        line[i : i + WIDEST_NAME]
        for line in first.splitlines()
        for i in range(0, len(line), WIDEST_NAME)
    ]
    table.add_row(*map(Text, ["\n".join(lines), *cells]))


def _search(definition: StudyDefinition) -> str:
    from studies.designs.points import initial_points

    search = definition.search
    if search.design is not None:
        return f"{search.design}, {len(initial_points(definition))} trials"
    name = search.sampler["name"] if isinstance(search.sampler, dict) else search.sampler
    return f"{name}, {search.n_trials or 'any number of'} trials"


def _best_cells(trial: FrozenTrial, names: list[str], extra: list[str]) -> list[str]:
    seconds = trial.user_attrs.get(TRAIN_SECONDS_KEY)
    return [
        str(trial.number),
        number(trial.value),
        *(parameter_cell(trial, name) for name in names),
        *(str(trial.user_attrs.get(name, "")) for name in extra),
        "" if seconds is None else f"{max(0.0, seconds - _compile_seconds(trial)):.1f} s",
    ]


def _compile_seconds(trial: FrozenTrial) -> float:
    return float(trial.user_attrs.get(COMPILE_SECONDS_KEY, 0))


def _compiling(trials: Sequence[FrozenTrial]) -> str:
    """Return what some of the trials took for compiling, beside the time that is shown."""
    seconds = [each for each in map(_compile_seconds, trials) if each >= SHOWN_SECONDS]
    if not seconds:
        return ""
    several = "1 of them" if len(seconds) == 1 else f"{len(seconds)} of them"
    return f"Compiling took {sum(seconds):.1f} s more, in {several}."


def parameter_cell(trial: FrozenTrial, name: str) -> str:
    """Return a parameter of a trial, or all of them where its name is `parameters`."""
    if name == "parameters":
        # A line ends between two of them, not between name and value.
        return ", ".join(f"{n}={parameter(value)}" for n, value in trial.params.items())
    return parameter(trial.params[name]) if name in trial.params else ""


def _kept_epoch(definition: StudyDefinition, trial: FrozenTrial) -> int:
    """Return the epoch, from 1, whose weights the kept network has."""
    settings = definition.factors.resolve(trial.params)
    key = "best_epoch" if settings.get("restore_best_weights", True) else "epochs"
    return int(trial.user_attrs.get(key, 0))
