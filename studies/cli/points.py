"""The ranking of a study whose points have several seeds, and what is known of a seed's noise."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING

from optuna.study import StudyDirection
from rich.console import RenderableType
from rich.text import Text

from storage import BestPoint, Ranking
from storage.seeds import mean
from storage.study_attributes import SEED_KEY as SEED
from studies.attributes import DEFINITION_KEY
from studies.cli.format import metric_name, number
from studies.cli.tables import add_row, best_table, parameter_cell, plain_table
from studies.results.metric_bounds import Bounds, metric_bounds, within
from studies.results.noise import seed_noise
from studies.statistics.intervals import interval

if TYPE_CHECKING:
    import optuna

WIDEST = 2  # parameters in columns of their own, beside those of the seeds
APART = 2 * sqrt(2)  # noises of a seed: values of one seed that are nearer tell no points apart
LABEL = "95 % interval: Student's t over the seeds."
BEST_SEED = " trial: that of the best seed."
INCOMPLETE = "* seeds are missing (failed, pruned, not yet run); such points stand last."


def ranking_tables(study: optuna.Study, ranking: Ranking) -> list[RenderableType]:
    """Return the best points of a study; each trial is one where no point has several seeds."""
    if not ranking.seeds:
        return [best_table(study, ranking.best)]
    names = dict.fromkeys(name for point in ranking.best for name in point.trial.params)
    names.pop(SEED, None)
    shown = list(names) if len(names) <= WIDEST else ["parameters"]
    n = len(ranking.seeds)
    title = (
        f"{study.study_name}: the best of {n} point{'' if n == 1 else 's'}, by the mean of seeds"
    )
    table = plain_table(title, "trial", metric_name(study), "std", "95 % interval", "seeds", *shown)
    table.min_width = len(title)
    bounds = metric_bounds(study)
    for point in ranking.best:
        parameters = [parameter_cell(point.trial, name) for name in shown]
        add_row(table, str(point.trial.number), *_cells(point, bounds), *parameters)
    has_trials = any(len(point.ids) > 1 for point in ranking.best)  # one for each seed
    notes = [LABEL + BEST_SEED if has_trials else LABEL]
    notes += [INCOMPLETE] if any(point.n_missing for point in ranking.best) else []
    return [table, *(Text(note, style="dim") for note in notes)]


def noise_note(study: optuna.Study, ranking: Ranking, file: str | None = None) -> str:
    """Return how many points a seed's noise cannot tell from the best one, or how to measure it.

    `file` names the study by its file, where the command line has done so.
    """
    found = seed_noise(study, ranking.seeds)
    if found is None:
        return f"The noise of a seed is unknown here.{_measuring(study, ranking.best[0], file)}"
    groups = [point.values for point in ranking.best] if found.is_fresh else ranking.seeds
    n, noise = len(groups), found.std
    source = "fresh seeds" if found.is_fresh else "seeds"
    if n == 1:
        return f"The noise of a seed is {number(noise)}, its standard deviation over {source}."
    best, *others = map(mean, groups)
    sign = 1 if study.direction is StudyDirection.MAXIMIZE else -1
    near = 1 + sum(sign * (best - other) <= APART * noise for other in others)
    whose = f"over {source}, of confirmed settings" if found.is_fresh else "pooled over the points"
    return (
        f"The noise of a seed is {number(noise)}, the standard deviation {whose}: "
        f"{near} of {n}{' shown' if found.is_fresh else ''} {'lies' if near == 1 else 'lie'} "
        f"within 2 sqrt(2) of it, {number(APART * noise)}, from the best."
    )


def _measuring(study: optuna.Study, best: BestPoint, file: str | None) -> str:
    """Return the command that trains the best settings with fresh seeds, where there is one."""
    from studies.cli.notes import work_arguments

    stored = study.user_attrs.get(DEFINITION_KEY)
    if stored is None or SEED in {*best.trial.params, *stored["fixed"]}:
        return ""
    is_function = ":" in stored["objective"] and not stored["dataset"]
    how = " by trial.seed in the function" if is_function else ""
    return f" Measure it{how}: hpo confirm {work_arguments(study, file)}"


def network_of(study: optuna.Study, number: int) -> str:
    """Return whose network is meant: `trial 3`, or `trial 3, of seed 2,`."""
    from studies.results.models import seed_of_network

    seed = seed_of_network(study, number)
    return f"trial {number}" if seed is None else f"trial {number}, of seed {seed},"


def _cells(point: BestPoint, bounds: Bounds) -> Sequence[str]:
    n = len(point.values)
    ends = within(interval(point.value, point.std, n), bounds)
    return [
        number(point.value),
        number(point.std),
        "" if ends is None else f"{number(ends[0])} to {number(ends[1])}",
        f"{n} of {point.n_seeds} *" if point.n_missing else str(n),
    ]
