"""The ranking of a study whose points have several seeds, and what is known of a seed's noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from storage import BestPoint, Ranking
from storage.study_attributes import SEED_KEY as SEED
from studies.cli.format import metric_name, number
from studies.cli.tables import add_row, best_table, parameter_cell, plain_table
from studies.results.intervals import interval

if TYPE_CHECKING:
    import optuna

WIDEST = 2  # parameters in columns of their own, beside those of the seeds
LABEL = "95 % interval: Student's t over the seeds. trial: that of the best seed."
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
    for point in ranking.best:
        parameters = [parameter_cell(point.trial, name) for name in shown]
        add_row(table, str(point.trial.number), *_cells(point), *parameters)
    notes = [LABEL, *([INCOMPLETE] if any(point.n_missing for point in ranking.best) else [])]
    return [table, *(Text(note, style="dim") for note in notes)]


def network_of(study: optuna.Study, number: int) -> str:
    """Return whose network is meant: `trial 3`, or `trial 3, of seed 2,`."""
    from studies.results.models import seed_of_network

    seed = seed_of_network(study, number)
    return f"trial {number}" if seed is None else f"trial {number}, of seed {seed},"


def _cells(point: BestPoint) -> Sequence[str]:
    n = len(point.values)
    ends = interval(point.value, point.std, n)
    return [
        number(point.value),
        number(point.std),
        "" if ends is None else f"{number(ends[0])} to {number(ends[1])}",
        f"{n} of {point.n_seeds} *" if point.n_missing else str(n),
    ]
