"""Tables for a terminal of 80 columns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

import objectives
from objectives import HyperparameterInfo
from objectives.fields import need_in_words
from storage import TrialStorage, best_rows, best_trial, overview, study_id
from studies.attributes import DEFINITION_KEY
from studies.cli.live import number, status_block
from studies.definition.files import catalog, read_table
from studies.definition.study import StudyDefinition, parse_definition
from studies.designs.points import initial_points
from studies.lookup import open_study
from studies.space.parse_space import SEED

if TYPE_CHECKING:
    from studies.results.holdout import Look

REDRAW = 1.0  # seconds
WIDEST = 5  # parameters that have columns of their own
WIDEST_NAME = 30  # characters of a study's name in one line of 80


def catalog_table() -> Table:
    """Return the studies that ship with the service."""
    table = _table("Catalogue", "study", "objective", "data set", "search")
    for name in catalog():
        definition = parse_definition(read_table(name))
        table.add_row(name, definition.objective, definition.dataset, _search(definition))
    return table


def storage_table(storage: TrialStorage) -> RenderableType:
    """Return the studies in the storage: trials by state, and the best value."""
    table = _table("In the storage", "study", "objective", "data set", "trials", "best")
    for summary in storage.get_all_studies():
        stored = summary.user_attrs.get(DEFINITION_KEY)
        if stored is None:
            continue  # made by somebody else's program
        study = optuna.load_study(storage=storage, study_name=summary.study_name)
        counts = overview(storage, study_id(study)).counts
        words = ", ".join(f"{n} {state.name.lower()}" for state, n in counts.items() if n)
        best = best_trial(study)
        value = "" if best is None else number(best.value)
        _add(table, summary.study_name, stored["objective"], stored["dataset"] or "", words, value)
    if not table.rows:
        return Text("The storage has no studies yet. Begin with: hpo run digits-mlp")
    return table


def look_table(study: optuna.Study, look: Look) -> Table:
    """Return what a look at the test part came to, beside what chose the trial."""
    table = _table(None, "metric", "test", "validation")
    trial = study.trials[look.trial]
    history, kept = trial.user_attrs.get("history", {}), _kept_epoch(study, trial)
    for name, value in look.metrics.items():
        seen = history.get(f"val_{name}", [])
        chosen = seen[kept - 1] if 0 < kept <= len(seen) else None
        _add(table, name, *("" if v is None else number(v) for v in (value, chosen)))
    return table


def _kept_epoch(study: optuna.Study, trial: FrozenTrial) -> int:
    """Return the epoch whose weights are kept of a trial, from 1."""
    definition = parse_definition(study.user_attrs[DEFINITION_KEY])
    settings = definition.factors.resolve(trial.params)
    key = "best_epoch" if settings.get("restore_best_weights", True) else "epochs"
    return int(trial.user_attrs.get(key, 0))


def best_table(study: optuna.Study, top: int) -> Table:
    """Return the best trials: rank, value, what varies between trials, and the cost."""
    trials = best_rows(study, top)
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    seeds = {trial.user_attrs.get(SEED) for trial in trials} - {None}
    extra = [SEED] if len(seeds) > 1 and SEED not in names else []
    title = f"{study.study_name}: the best of {len(study.get_trials(deepcopy=False))} trials"
    metric = study.metric_names[0] if study.metric_names else "value"
    # Side by side, more than a few parameters would be broken into pieces of three letters.
    shown = names if len(names) <= WIDEST else ["parameters"]
    table = _table(title, "trial", metric, *shown, *extra, "epochs", "time")
    for trial in trials:
        _add(table, *_best_cells(trial, shown, extra))
    return table


def objectives_table() -> Table:
    """Return what can be optimized."""
    table = _table("Objectives", "name", "what it is", "hyperparameters")
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
    table = _table(f"Hyperparameters of {name}", "name", "values, default, meaning")
    for info in objectives.get(name).hyperparameters.describe():
        default = "" if info.default is None else f"; default {_cell(info.default) or 'none'}"
        needs = "; or where ".join(map(need_in_words, info.needs))
        meaning = f"{info.help} " + (f"Used where {needs}. " if needs else "") + f"({info.kind})"
        text = Text.assemble((_values(info), "bold"), f"{default}\n{meaning}")
        table.add_row(info.name, text)
    return table


def status_view(storage: TrialStorage, name: str | None) -> RenderableType:
    """Return how one study stands, and why its trials failed; or how all stand.

    Raises:
        KeyError: There is no such study.
    """
    if name is not None:
        study = open_study(name, storage)
        if DEFINITION_KEY not in study.user_attrs:
            raise KeyError(
                f"Expected a study that this service has made. Received: {name}, another program's."
            )
        return Group(status_block(study), *_failures(study))
    names = [s.study_name for s in storage.get_all_studies() if DEFINITION_KEY in s.user_attrs]
    if not names:
        return Text("The storage has no studies yet. Begin with: hpo run digits-mlp")
    blocks = [status_block(open_study(n, storage)) for n in names]
    return Group(*(part for block in blocks for part in (block, Text(""))))


def watch_status(storage: TrialStorage, name: str | None, console: Console) -> None:
    """Redraw how one study or all stand, until interrupted.

    Raises:
        KeyError: There is no such study.
    """
    with Live(status_view(storage, name), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(REDRAW)
            live.update(status_view(storage, name), refresh=True)


def _table(title: str | None, *columns: str) -> Table:
    # As text: a name may hold what a markup of rich is.
    heading = None if title is None else Text(title, style="table.title")
    table = Table(title=heading, title_justify="left", box=None, padding=(0, 1), pad_edge=False)
    first, *others = columns
    table.add_column(Text(first), no_wrap=True)
    for column in others:
        # A long name, such as early_stopping_patience, goes in lines above its narrow values.
        table.add_column(Text(column.replace("_", "\n")), overflow="fold", vertical="top")
    return table


def _add(table: Table, first: str, *cells: str) -> None:
    # Others go into several lines by themselves; the first column is as wide as its widest cell.
    lines = [first[i : i + WIDEST_NAME] for i in range(0, len(first), WIDEST_NAME)]
    table.add_row(*map(Text, ["\n".join(lines), *cells]))


def _search(definition: StudyDefinition) -> str:
    search = definition.search
    if search.design is not None:
        return f"{search.design}, {len(initial_points(definition))} trials"
    name = search.sampler["name"] if isinstance(search.sampler, dict) else search.sampler
    return f"{name}, {search.n_trials or 'any number of'} trials"


def _best_cells(trial: FrozenTrial, names: list[str], extra: list[str]) -> list[str]:
    seconds = trial.user_attrs.get("train_seconds")
    return [
        str(trial.number),
        number(trial.value),
        *(_parameter(trial, name) for name in names),
        *(str(trial.user_attrs.get(name, "")) for name in (*extra, "epochs")),
        "" if seconds is None else f"{seconds:.1f} s",
    ]


def _parameter(trial: FrozenTrial, name: str) -> str:
    if name == "parameters":
        return ", ".join(f"{n} {_cell(value)}" for n, value in trial.params.items())
    return _cell(trial.params[name]) if name in trial.params else ""


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def _values(info: HyperparameterInfo) -> str:
    if info.levels is not None:
        return ", ".join(str(level) for level in info.levels)
    if info.low is None and info.high is None:
        return info.type
    return f"{info.type} {'' if info.low is None else f'{info.low:g}'}..{info.high:g}"


def _failures(study: optuna.Study) -> list[Text]:
    """Return why the latest failed trials failed, a line each."""
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))[-5:]
    return [
        Text(f"trial {t.number} failed: {t.user_attrs.get('fail_reason', 'unknown')}", style="red")
        for t in failed
    ]
