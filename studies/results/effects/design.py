"""Effects in a designed experiment: analysis of variance, level means, contrasts and aliases."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.study_attributes import SEED_KEY as SEED
from studies.results.effects.levels import level_row
from studies.results.effects.parts import Part
from studies.results.effects.trials import Level, Trial
from studies.statistics.aliases import Alias, aliases
from studies.statistics.blocks import blocks
from studies.statistics.factorial import (
    Anova,
    Array,
    Fit,
    Row,
    Term,
    anova,
    block,
    estimable,
    fit,
    main_effects,
    n_columns,
    two_factor_interactions,
)
from studies.statistics.intervals import student_quantile
from studies.statistics.lenth import Lenth, lenth

MOST_COLUMNS = 200  # of a model with interactions; one of main effects may have more
MOST_CELLS = 20_000_000  # of the matrix of a model


@dataclass(frozen=True)
class PartEffects:
    """What a part of a study says of its factors.

    Attributes:
        part: The part.
        anova: The analysis of variance; None where no model was fitted.
        main: The model of main effects; None likewise.
        left_out: Interactions that the trials do not determine.
        unclear: Factors whose main effect the trials do not determine.
        means: A row for each level.
        contrasts: A row for each contrast of Lenth's method.
        lenth: Its margins, where it is used.
        aliases: What main effects are confounded with.
    """

    part: Part
    anova: Anova | None
    main: Fit | None
    left_out: tuple[Term, ...]
    unclear: tuple[str, ...]
    means: list[dict[str, Any]]
    contrasts: list[dict[str, Any]]
    lenth: Lenth | None
    aliases: list[Alias]

    @property
    def freedom(self) -> int:
        """The degrees of freedom of what effects are judged by; 0 where nothing is."""
        return 0 if self.anova is None else self.anova.error.df


def analyse(part: Part, *, interactions: bool, default: Mapping[str, Level] | None) -> PartEffects:
    """Analyse a part of a study.

    Args:
        part: The trials and the factors.
        interactions: Whether two-factor interactions are estimated where the trials determine them:
            else they are told as aliases.
        default: Of a design by one factor at a time: the levels that all but one have.
    """
    names, sizes = list(part.levels), part.sizes
    mains = main_effects(names)
    n = len(part.complete)
    if not names or n < 2 or n * (n_columns(sizes, mains) + len(part.seeds)) > MOST_CELLS:
        return PartEffects(
            part, None, None, (), tuple(names), means(part, None, 0, 0), [], None, []
        )
    codes, points = part.codes(part.complete), [t.point for t in part.complete]
    wanted = _interactions(part, mains) if interactions else []
    terms = [*mains, *wanted]
    block = _block(part, points)
    if block:
        sizes, codes = sizes | {block: len(part.seeds)}, {**codes, block: _seeds(part)}
    found = anova(codes, part.values, sizes, terms, points, block)
    main = fit(codes, part.values, sizes, [*mains, (block,)] if block else mains)
    known = {row.term for row in found.rows}
    rows = by_default(part, default, found) if default else means(part, main, *_error(found))
    shown = _contrasts(part) if found.error.kind == "none" else []
    return PartEffects(
        part,
        found,
        main,
        tuple(t for t in two_factor_interactions(names) if interactions and t not in known),
        tuple(name for name in names if (name,) not in known),
        rows,
        shown,
        lenth([row["estimate"] for row in shown]),
        [] if interactions or default else _aliases(part),
    )


def told_rows(effects: PartEffects) -> list[Row]:
    """Return the lines of the analysis of variance that this part tells."""
    if effects.anova is None:
        return []
    return [row for row in effects.anova.rows if set(row.term) & set(effects.part.told)]


def means(part: Part, main: Fit | None, df: int, ms: float) -> list[dict[str, Any]]:
    """Return a row for each level: its mean, over which trials, and its interval.

    The adjusted mean is what the model of main effects says of the level among all levels of the
    other factors, as often as the design has them. It is the mean where each level has met the
    others equally often.
    """
    rows = []
    for name in part.told:
        for level in part.trials.factors[name]:
            own = [t for t in part.trials.trials if t.levels[name] == level]
            row = level_row(name, part.within, level, own)
            found = _adjusted(part, main, name, level)
            if found is not None:
                row["adjusted"] = found[0]
                if df:
                    half = student_quantile(df) * sqrt(ms * found[1])
                    row |= {"low": found[0] - half, "high": found[0] + half}
            rows.append(row)
    return rows


def by_default(part: Part, default: Mapping[str, Level], found: Anova) -> list[dict[str, Any]]:
    """Return a row for each level of a design by one factor at a time.

    Its mean is that of the point where all other factors are at their default, and its difference
    to the default's point has the interval.
    """
    base = [t for t in part.trials.trials if _is_at(t, default, but=None)]
    df, ms = _error(found)
    rows = []
    for name in part.told:
        for level in part.trials.factors[name]:
            at = [t for t in part.trials.trials if _is_at(t, default, but=name)]
            own = [t for t in at if t.levels[name] == level]
            row = level_row(name, part.within, level, own)
            is_default = level == default.get(name)
            rows.append(
                row
                | {"is_default": is_default}
                | ({} if is_default else _difference(*_compared(own, base, found), df, ms))
            )
    return rows


def _compared(
    own: Sequence[Trial], base: Sequence[Trial], found: Anova
) -> tuple[list[float], list[float]]:
    """Return the values of two points; where seeds are blocks, those of the seeds of both."""
    one, other = ([(t.seed, t.value) for t in each if t.value is not None] for each in (own, base))
    both = {seed for seed, _ in one} & {seed for seed, _ in other}
    is_any = found.blocks is None
    return (
        [value for seed, value in one if is_any or seed in both],
        [value for seed, value in other if is_any or seed in both],
    )


def _difference(one: Sequence[float], other: Sequence[float], df: int, ms: float) -> dict[str, Any]:
    if not one or not other:
        return {}
    difference = float(np.mean(one) - np.mean(other))
    if not df:
        return {"difference": difference}
    half = student_quantile(df) * sqrt(ms * (1 / len(one) + 1 / len(other)))
    return {"difference": difference, "low": difference - half, "high": difference + half}


def _block(part: Part, points: Sequence[Hashable]) -> str | None:
    """Return the name of the seed in a model where seeds are blocks and leave something over."""
    if len(part.seeds) < 2 or blocks(part.values, points, _seeds(part).tolist()).error_df < 1:
        return None
    return SEED


def _seeds(part: Part) -> NDArray[np.intp]:
    """Return the place of each trial's seed among those that are blocks."""
    places = {seed: place for place, seed in enumerate(part.seeds)}
    return np.asarray([places[t.seed] for t in part.complete if t.seed is not None], dtype=np.intp)


def weights_of(part: Part, name: str) -> Array:
    """Return how often the design has each level of a factor of the model, as parts of 1."""
    counts = [sum(t.levels[name] == x for t in part.trials.trials) for x in part.levels[name]]
    return np.asarray(counts, dtype=np.float64) / float(sum(counts))


def only(part: Part, name: str, level: Level) -> Array:
    """Return the weights of one level of a factor of the model alone."""
    return np.asarray([float(x == level) for x in part.levels[name]])


def _adjusted(part: Part, main: Fit | None, name: str, level: Level) -> tuple[float, float] | None:
    if main is None or level not in part.levels.get(name, ()):
        return None
    weights = {each: weights_of(part, each) for each in part.levels}
    return main.at(weights | {name: only(part, name, level)})


def _error(found: Anova) -> tuple[int, float]:
    ms = found.error.ms
    return (found.error.df, ms) if ms else (0, 0.0)


def _is_at(trial: Trial, default: Mapping[str, Level], *, but: str | None) -> bool:
    """Tell whether a trial has the default's level of each factor that it has, but one."""
    return all(
        level == default.get(name, level) for name, level in trial.levels.items() if name != but
    )


def _interactions(part: Part, mains: Sequence[Term]) -> list[Term]:
    """Return the two-factor interactions that can be estimated and leave something to judge by."""
    wanted, sizes = two_factor_interactions(list(part.levels)), part.sizes
    if not wanted or n_columns(sizes, [*mains, *wanted]) > MOST_COLUMNS:
        return []
    codes = part.codes(part.complete)
    known = set(estimable(codes, sizes, [*mains, *wanted]))
    wanted = [term for term in wanted if term in known]
    n_points = len({trial.point for trial in part.complete})
    is_replicated = n_points < len(part.complete)
    return wanted if is_replicated or n_columns(sizes, [*mains, *wanted]) < n_points else []


def _aliases(part: Part) -> list[Alias]:
    """Return the aliases in the design as it was queued, whatever has ended how.

    A run that an array has again, and each seed of a run, stands in it as often as it is there.
    """
    every = {name: list(levels) for name, levels in part.trials.factors.items() if len(levels) > 1}
    codes = {
        name: np.asarray([levels.index(t.levels[name]) for t in part.trials.trials])
        for name, levels in every.items()
    }
    return aliases(codes, {name: len(levels) for name, levels in every.items()}, list(every))


def _contrasts(part: Part) -> list[dict[str, Any]]:
    """Return independent contrasts of equal variance; none where the factors are not orthogonal.

    Each is a difference of two means as of the two halves of the trials: for two levels that of
    their means, for more Helmert's, each level against the mean of those before it.
    """
    codes, sizes, n = part.codes(part.complete), part.sizes, len(part.complete)
    bases = {name: _orthonormal(block(codes, sizes, (name,))) for name in sizes}
    together = np.concatenate([np.full((n, 1), n**-0.5), *bases.values()], axis=1)
    if not np.allclose(together.T @ together, np.eye(together.shape[1]), atol=1e-8):
        return []
    return [
        {
            "factor": name,
            "contrast": _words(part.levels[name], j),
            "estimate": float(2 / sqrt(n) * base[:, j] @ part.values),
        }
        for name, base in bases.items()
        for j in range(base.shape[1])
    ]


def _orthonormal(columns: Array) -> Array:
    """Return an orthonormal basis of centred columns whose signs are such that later levels add."""
    centred = columns - columns.mean(axis=0)
    q, r = np.linalg.qr(centred)
    return np.asarray(-q * np.sign(np.diag(r)))


def _words(levels: Sequence[Level], j: int) -> str:
    before = ", ".join(map(str, levels[: j + 1]))
    return f"{levels[j + 1]} - {before if j == 0 else f'mean of {before}'}"
