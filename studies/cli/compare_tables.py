"""The text of `hpo compare`: a table of studies in which only what differs has a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from studies.cli.confirm_tables import SAME
from studies.cli.format import duration, number, p_value, parameter
from studies.cli.tables import WIDEST_NAME, add_row, plain_table

if TYPE_CHECKING:
    from studies.results.compare import Comparison

_Row = dict[str, Any]
COMMON = ("objective", "dataset", "metric", "searched_by")  # columns where studies differ in them
HEADS = {"dataset": "data set", "searched_by": "searched by"}
NO_FINDING = (
    "Ranks are those of the values, and no finding: the best of many values is a lucky one. What "
    "is better is tested by hpo confirm."
)


def comparison_view(found: Comparison) -> list[RenderableType]:
    """Return what `hpo compare` prints."""
    rows: list[_Row] = [
        {**{str(k): v for k, v in row.items()}, "metric": _metric(row)}
        for row in found.table.to_dict("records")
    ]
    differing = [key for key in COMMON if len({str(row[key]) for row in rows}) > 1]
    heads = [HEADS.get(key, key) for key in differing]
    has_ranks = any(_is_ranked(row, rows) for row in rows)
    ranks = ["rank"] if has_ranks else []
    fresh = ["fresh seeds"] if any(row["n_fresh"] for row in rows) else []
    has_interval = any(not isnan(row["low"]) for row in rows)
    value = "value\n(95 % interval)" if has_interval else "value"
    columns = [value, "seeds", *fresh, *ranks, "trial", "trials", "time"]
    table = plain_table(None, "study", *heads, *columns)
    for row in rows:
        own = [str(row[key] or "") for key in differing]
        rank = [str(row["rank"]) if _is_ranked(row, rows) else ""] if has_ranks else []
        confirmed = [_fresh(row)] if fresh else []
        add_row(table, row["study"], *own, *_value(row), *confirmed, *rank, *_cost(row))
    notes = [*found.notes, *([NO_FINDING] if has_ranks else [])]
    return [
        *(Text(words) for words in _common(rows[0], differing, found)),
        table,
        *_pairs(found, rows[0]["metric"]),
        *(Text(note) for note in notes),
    ]


def _pairs(found: Comparison, metric: str) -> Iterator[RenderableType]:
    """Yield the differences of one setting between data sets."""
    if found.pairs.empty:
        return
    title = f"This setting on different data: differences in {metric.partition(' ')[0]} by seed"
    table = plain_table(title, "studies", "difference", "interval", "seeds", "p", "")
    table.min_width = len(title)
    for row in found.pairs.to_dict("records"):
        is_tested = not isnan(row["p"])
        verdict = ("differ" if row["differs"] else SAME) if is_tested else "not tested"
        add_row(
            table,
            _both(row["first"], row["second"]),
            number(row["difference"]),
            _interval(row["low"], row["high"]),
            str(row["n"]),
            p_value(row["p_adjusted"]) if is_tested else "",
            verdict,
        )
    n = len(found.pairs)
    over = f", by Holm over {n} pairs" if n > 1 else ""
    levels = "95 %" if n == 1 else f"{100 * found.confidence:.1f} % each, 95 % together"
    yield Text("")
    yield table
    yield Text(
        f"p: exact sign-flip test over the seeds that both have{over}. interval: Student's t, "
        f"{levels}. What differs is the data, for this one setting.",
        style="dim",
    )


def _both(first: str, second: str) -> str:
    """Return two studies; long names on a line each."""
    words = f"{first} - {second}"
    return words if len(words) <= WIDEST_NAME else f"{first} -\n{second}"


def _interval(low: float, high: float) -> str:
    return "" if isnan(low) or isnan(high) else f"{number(low)} to {number(high)}"


def _metric(row: dict[Any, Any]) -> str:
    return f"{row['metric']} ({'max' if row['direction'] == 'maximize' else 'min'})"


def _is_ranked(row: _Row, rows: Sequence[_Row]) -> bool:
    """Tell whether another study is of the same group; a rank among one says nothing."""
    known = [each for each in rows if each["group"] == row["group"] and each["n_seeds"]]
    return len(known) > 1 and bool(row["n_seeds"])


def _common(row: _Row, differing: Sequence[str], found: Comparison) -> list[str]:
    words = [str(row[key]) for key in COMMON if key not in differing and row[key]]
    lines = [f"In common: {', '.join(words)}"] if words else []
    if found.setting is not None:
        shown = ", ".join(f"{n}={parameter(v)}" for n, v in (row["params"] or {}).items())
        lines.append(f"One setting in all of them{f': {shown}' if shown else ''}")
    return lines


def _value(row: _Row) -> list[str]:
    if not row["n_seeds"]:
        return ["", ""]
    seeds = "one" if row["n_seeds"] == 1 else str(row["n_seeds"])
    missing = f", {row['n_missing']} missing" if row["n_missing"] else ""
    ends = _interval(row["low"], row["high"])
    value = _with_std(row["value"], row["std"])
    return [f"{value}\n({ends})" if ends else value, f"{seeds}{missing}"]


def _with_std(value: float, std: float) -> str:
    return number(value) if isnan(std) else f"{number(value)} ± {number(std)}"


def _fresh(row: _Row) -> str:
    if not row["n_fresh"]:
        return ""
    return f"{_with_std(row['fresh'], row['fresh_std'])} ({row['n_fresh']})"


def _cost(row: _Row) -> list[str]:
    trial = str(row["trial"]) if row["n_seeds"] else ""
    counts = {"pruned": row["n_pruned"], "failed": row["n_failed"], "to come": row["n_open"]}
    others = [f"{n} {word}" for word, n in counts.items() if n]
    seconds = "" if isnan(row["seconds"]) else duration(row["seconds"])
    return [trial, ", ".join([f"{row['n_complete']} complete", *others]), seconds]
