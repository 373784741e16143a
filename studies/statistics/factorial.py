"""Least squares on factors with levels, as analyses of factorial experiments need it.

A factor stands in the model by orthonormal contrasts of its levels (Helmert's: each level against
the mean of those before it), an interaction by their products. Which terms can be estimated is
found from the rank of the very matrix, so that merged columns, dummy levels and missing runs need
no table.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.statistics.blocks import Blocks, blocks

Array = npt.NDArray[np.float64]
Codes = Mapping[str, npt.NDArray[np.intp]]  # factor -> the number of its level, from 0, by row
Term = tuple[str, ...]  # a factor, or the factors of an interaction
EXACT = 1e-18  # a sum of squares that is smaller, in parts of that about the mean, is rounding,
EQUAL = 1e-26  # and so is one that is smaller in parts of that about zero


@dataclass(frozen=True)
class Fit:
    """A model that is fitted by least squares.

    Attributes:
        terms: Its terms beside the mean.
        sizes: The number of levels of each factor.
        coefficients: Those of the mean and of the contrasts of each term, p of them.
        unscaled: (X'X)^-1, p by p; the pseudo-inverse where X has not full rank.
        determined: The projection on what the rows determine, p by p.
    """

    terms: tuple[Term, ...]
    sizes: Mapping[str, int]
    coefficients: Array
    unscaled: Array
    determined: Array

    def at(self, weights: Mapping[str, Array]) -> tuple[float, float] | None:
        """Return what the model of main effects says of a setting, or of a mean over settings.

        Args:
            weights: Of each factor, the weight of each of its levels; they sum to 1. A factor
                without weights stands at the mean of its levels.

        Returns:
            The value, and its variance in units of the error's; None where the runs that there are
            do not determine it.
        """
        parts = [
            weights[name] @ contrasts(self.sizes[name])
            if name in weights
            else np.zeros(self.sizes[name] - 1)
            for (name,) in self.terms
        ]
        row = np.concatenate([np.ones(1), *parts])
        if not np.allclose(row @ self.determined, row, atol=1e-8):
            return None
        return float(row @ self.coefficients), float(row @ self.unscaled @ row)


def contrasts(n: int) -> Array:
    """Return Helmert's contrasts of n levels, n by n - 1, each of length 1."""
    found = np.zeros((n, n - 1))
    for j in range(1, n):
        found[:j, j - 1], found[j, j - 1] = 1, -j
    return np.asarray(found / np.linalg.norm(found, axis=0))


def matrix(codes: Codes, sizes: Mapping[str, int], terms: Sequence[Term]) -> Array:
    """Return the columns of the mean and of each term, n by p."""
    n = len(next(iter(codes.values())))
    return np.concatenate([np.ones((n, 1)), *(block(codes, sizes, t) for t in terms)], axis=1)


def block(codes: Codes, sizes: Mapping[str, int], term: Term) -> Array:
    """Return the columns of one term: the contrasts of a factor, or their products."""
    n = len(next(iter(codes.values())))
    columns = np.ones((n, 1))
    for name in term:
        own = contrasts(sizes[name])[codes[name]]
        columns = (columns[:, :, None] * own[:, None, :]).reshape(n, -1)
    return columns


def n_columns(sizes: Mapping[str, int], terms: Sequence[Term]) -> int:
    """Return how many columns the matrix of a model has."""
    return 1 + sum(int(np.prod([sizes[name] - 1 for name in term])) for term in terms)


def main_effects(factors: Sequence[str]) -> list[Term]:
    """Return a term for each factor."""
    return [(name,) for name in factors]


def two_factor_interactions(factors: Sequence[str]) -> list[Term]:
    """Return a term for each two factors."""
    return list(combinations(factors, 2))


def fit(codes: Codes, values: Array, sizes: Mapping[str, int], terms: Sequence[Term]) -> Fit:
    """Fit a model.

    Args:
        codes: The levels of each row; all levels of `sizes` need not be there.
        values: The value of each row.
        sizes: The number of levels of each factor.
        terms: What the model has beside the mean.
    """
    x, y = _condensed(matrix(codes, sizes, terms), values)
    found = _least_squares(x, y)
    return Fit(
        tuple(terms),
        dict(sizes),
        np.asarray(found.params),
        np.asarray(found.normalized_cov_params),
        np.asarray(np.linalg.pinv(x) @ x),
    )


def estimable(codes: Codes, sizes: Mapping[str, int], terms: Sequence[Term]) -> list[Term]:
    """Return the terms of a model that its rows determine in full, whatever the others are."""
    n = len(next(iter(codes.values())))
    x, _ = _condensed(matrix(codes, sizes, terms), np.zeros(n))
    rank, places = _rank(x), _places(sizes, terms)
    return [
        term
        for term in terms
        if rank - _rank(np.delete(x, places[term], axis=1)) == len(places[term])
    ]


@dataclass(frozen=True)
class Row:
    """A line of an analysis of variance.

    Attributes:
        term: The term.
        df: Its degrees of freedom.
        ss: Its sum of squares.
        f: Its mean square by that of the error; None where there is no error to divide by.
        p: The chance of a larger F where the term has no effect.
    """

    term: Term
    df: int
    ss: float
    f: float | None
    p: float | None


@dataclass(frozen=True)
class ErrorTerm:
    """What effects are judged by.

    Attributes:
        kind: "seeds", the pure error of trials of one point; "blocks", what points and seeds leave
            over; "residual", what the model leaves over; "none" where it leaves nothing over.
        df: Its degrees of freedom.
        ss: Its sum of squares.
    """

    kind: str
    df: int
    ss: float

    @property
    def ms(self) -> float | None:
        """The variance of a value; None where nothing tells it."""
        return self.ss / self.df if self.df else None


@dataclass(frozen=True)
class Anova:
    """An analysis of variance with sums of squares of type II.

    Attributes:
        rows: The terms, without those that the rows do not determine.
        lack: What the model leaves over beside the pure error; None where that is nothing, or
            where there is no pure error.
        error: What the terms are judged by.
        blocks: What seeds have in common, where they are blocks.
    """

    rows: list[Row]
    lack: Row | None
    error: ErrorTerm
    blocks: Blocks | None = None


def anova(
    codes: Codes,
    values: Array,
    sizes: Mapping[str, int],
    terms: Sequence[Term],
    points: Sequence[Hashable],
    block: str | None = None,
) -> Anova:
    """Return the analysis of variance of a model, by sums of squares of type II.

    That of a term is what it explains beside all terms that do not contain it. Where all cells
    have equally many trials, it is that of every other type. Trials of one point give the pure
    error, which takes the residual's place; where their seeds are blocks, less what these have in
    common.

    Args:
        codes: The levels of each row.
        values: The value of each row.
        sizes: The number of levels of each factor.
        terms: What the model has beside the mean.
        points: The point of each row: equal ones differ in nothing but the seed.
        block: The name of the seed in `codes` and `sizes`, where seeds are blocks.
    """
    model = [*terms, (block,)] if block else list(terms)
    x, y = _condensed(matrix(codes, sizes, model), values)
    places = _places(sizes, model)
    residual = float(_least_squares(x, y).ssr)
    least = EXACT * ((values - values.mean()) ** 2).sum() + EQUAL * (values**2).sum()
    pure, df_pure = pure_error(values, points)
    found = blocks(values, points, codes[block].tolist()) if block else None
    if found is not None:
        pure, df_pure = found.error_ss, found.error_df
    df = len(values) - _rank(x)
    kind = "residual" if df else "none"
    if df_pure:
        kind = "seeds" if found is None else "blocks"
    error = ErrorTerm(kind, df_pure, pure) if df_pure else ErrorTerm(kind, df, residual)
    if error.ss <= least or not error.df:
        error = ErrorTerm(kind, error.df, 0.0)
    rows = []
    for term in estimable(codes, sizes, model):
        if term == (block,):
            continue
        beside = [t for t in model if t != term and not set(term) <= set(t)]
        keep = [0, *(i for t in beside for i in places[t])]
        without, with_it = x[:, keep], x[:, keep + places[term]]
        ss = float(_least_squares(without, y).ssr - _least_squares(with_it, y).ssr)
        rows.append(_row(term, len(places[term]), max(ss, 0.0), error))
    lack = None
    if df_pure and df > df_pure:
        lack = _row((), df - df_pure, max(residual - pure, 0.0), error)
    return Anova(rows, lack, error, found)


def pure_error(values: Array, points: Sequence[Hashable]) -> tuple[float, int]:
    """Return the sum of squares within points, and its degrees of freedom."""
    groups: dict[Hashable, list[float]] = {}
    for value, point in zip(values, points, strict=True):
        groups.setdefault(point, []).append(float(value))
    own = [np.asarray(each) for each in groups.values()]
    return float(sum(((v - v.mean()) ** 2).sum() for v in own)), len(values) - len(groups)


def _row(term: Term, df: int, ss: float, error: ErrorTerm) -> Row:
    if not error.ms:  # nothing is left over, or nothing but rounding
        return Row(term, df, ss, None, None)
    from scipy.stats import f as fisher

    ratio = ss / df / error.ms
    return Row(term, df, ss, ratio, float(fisher.sf(ratio, df, error.df)))


def _places(sizes: Mapping[str, int], terms: Sequence[Term]) -> dict[Term, list[int]]:
    """Return the columns of each term in the matrix of a model."""
    found, start = {}, 1
    for term in terms:
        n = n_columns(sizes, [term]) - 1
        found[term] = list(range(start, start + n))
        start += n
    return found


def _condensed(x: Array, y: Array) -> tuple[Array, Array]:
    """Return as many rows as there are columns, with the same products: all that is asked of them.

    Thousands of trials are then read once, and not for each term.
    """
    n, p = x.shape
    if n <= p + 1:
        return x, y
    both = np.asarray(np.linalg.qr(np.concatenate([x, y[:, None]], axis=1), mode="r"))
    return both[:, :p], both[:, p]


def _least_squares(x: Array, y: Array) -> Any:
    from statsmodels.regression.linear_model import OLS  # takes seconds to import
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning

    with warnings.catch_warnings():  # what is not determined is found out beforehand
        warnings.simplefilter("ignore", SingularMatrixWarning)
        return OLS(y, x, hasconst=False).fit(method="pinv")


def _rank(x: Array) -> int:
    return int(np.linalg.matrix_rank(x)) if x.size else 0
