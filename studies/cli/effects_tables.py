"""The tables of `hpo effects`, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from studies.cli.format import number, parameter
from studies.cli.tables import WIDEST_NAME, add_row, plain_table
from studies.results.effects.findings import p_text

if TYPE_CHECKING:
    from studies.results.effects.effects import Effects
    from studies.results.effects.predicted import Confirmation, Predicted

SHOWN = 3  # aliases of a factor that are named
WHOLE = 0.999  # the share from which on a main effect may be an interaction in full
SAME = 1e-9  # adjusted means that differ from the means by less, in parts of them, are not shown


def effects_tables(found: Effects) -> Iterator[RenderableType]:
    """Yield the tables and notes of effects; as a plain string what must stand on one line."""
    what = "a search by a sampler" if found.design is None else found.design
    yield Text(
        f"{found.study}: effects on {found.metric} ({found.direction[:3]}), {what}, "
        f"{found.n_complete} of {found.n_trials} trials complete",
        style="bold",
    )
    if found.importance is not None and not found.importance.empty:
        yield _importance_table(found.importance)
    if found.anova is not None and not found.anova.empty:
        yield _title("Analysis of variance")
        yield _anova_table(found.anova)
    if found.contrasts is not None:
        margin, simultaneous = (_first(found.contrasts, n) for n in ("margin", "simultaneous"))
        words = f"margin {number(margin)} by Lenth, simultaneous {number(simultaneous)}"
        yield _title(f"Contrasts: {words}")
        yield _contrast_table(found.contrasts)
    yield _title("Levels: the mean of their trials")
    yield _level_table(found.levels)
    if (found.levels["n"] < found.levels["n_trials"]).any():
        yield _dim("* some of its trials have no value: failed, pruned, or not yet run.")
    for title, lines in (
        ("Findings", found.findings),
        ("Confounded: what a main effect may be instead", tuple(_alias_lines(found.aliases))),
        ("Predicted", tuple(_predicted_lines(found.predicted, found.metric))),
        ("Notes", found.notes),
    ):
        if lines:
            yield _title(title)
            for line in lines:
                yield from _with_command(line)


def _importance_table(frame: pd.DataFrame) -> Table:
    table = plain_table(None, "factor", "importance", "stability", "trials")
    for row in frame.to_dict("records"):
        ends = f"{row['stability_low']:.2f} to {row['stability_high']:.2f}"
        add_row(table, row["factor"], f"{row['importance']:.2f}", ends, str(row["n"]))
    return table


def _anova_table(frame: pd.DataFrame) -> Table:
    judged = ["F", "p"] if frame["p"].notna().any() else []
    table = plain_table(None, "", "df", "sum of squares", *judged)
    within = ""
    for row in frame.to_dict("records"):
        if row["within"] != within:
            within = row["within"]
            table.add_row(Text(f"within {within}:", overflow="fold", no_wrap=False))
        f = "" if pd.isna(row["f"]) else f"{row['f']:.2f}"
        p = "" if pd.isna(row["p"]) else p_text(row["p"]).removeprefix("= ")
        cells = [f, p] if judged else []
        cells = [_term(row["term"]), str(row["df"]), f"{row['sum_of_squares']:.4g}", *cells]
        table.add_row(*map(Text, cells))
    return table


def _term(name: str) -> str:
    """Return a term; a long interaction as a line for each factor."""
    return name if len(name) <= WIDEST_NAME else name.replace(" x ", "\nx ")


def _contrast_table(frame: pd.DataFrame) -> Table:
    table = plain_table(None, "factor", "contrast", "", "")
    for row in frame.to_dict("records"):
        size = abs(row["estimate"])
        beyond = "beyond the margin" if size > row["margin"] else ""
        beyond = "beyond both margins" if size > row["simultaneous"] else beyond
        add_row(table, row["factor"], row["contrast"], number(row["estimate"]), beyond)
    return table


def _level_table(frame: pd.DataFrame) -> Table:
    by_default = frame["is_default"].any()
    given = frame.dropna(subset=["mean", "adjusted"])
    differs = (given["adjusted"] - given["mean"]).abs() > SAME * given["mean"].abs()
    shown = ["mean"]
    shown += ["difference"] if by_default else ["adjusted"] if differs.any() else []
    has_interval = frame["low"].notna().any()
    heads = [*shown, *(["95 % interval"] if has_interval else []), "over"]
    table = plain_table(None, "factor", "level", *heads)
    before = ("", "")
    for row in frame.to_dict("records"):
        key = (row["factor"], row["within"])
        if before not in (("", ""), key):
            table.add_section()
        cells = [number(None if pd.isna(row[name]) else row[name]) for name in shown]
        if by_default and row["is_default"]:
            cells[-1] = "default"
        cells += [_interval(row["low"], row["high"])] if has_interval else []
        add_row(table, *_names(row, before), *cells, _over(row))
        before = key
    return table


def _names(row: Mapping[Hashable, Any], before: tuple[str, str]) -> tuple[str, str]:
    key = (row["factor"], row["within"])
    name = f"{key[0]} ({key[1]})" if key[1] else key[0]
    return "" if key == before else name, parameter(row["level"])


def _over(row: Mapping[Hashable, Any]) -> str:
    n, n_trials = row["n"], row["n_trials"]
    return str(n) if n == n_trials else f"{n} of {n_trials} *"


def _interval(low: float | None, high: float | None) -> str:
    return "" if pd.isna(low) or pd.isna(high) else f"{number(low)} to {number(high)}"


def _alias_lines(frame: pd.DataFrame) -> Iterator[str]:
    """Yield for each factor what its main effect is confounded with, in full first."""
    for factor, own in frame.groupby("factor", sort=False):
        whole = list(own[own["share"] >= WHOLE]["interaction"])
        partly = own[own["share"] < WHOLE]
        words = [_listed(whole)] if whole else []
        if len(partly):
            low, high = partly["share"].min(), partly["share"].max()
            share = f"{high:.0%}" if high - low < 0.01 else f"{low:.0%} to {high:.0%}"
            words.append(f"in part ({share} each) with {_listed(list(partly['interaction']))}")
        yield f"{factor} = {'; '.join(words)}" if whole else f"{factor}: {words[0]}"


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _predicted_lines(found: Predicted | None, metric: str) -> Iterator[str]:
    if found is None:
        return
    setting = ", ".join(f"{name}={parameter(level)}" for name, level in found.setting.items())
    yield f"The best level of each factor: {setting}"
    if found.value is not None:
        seeds = "a new trial" if found.n_seeds == 1 else f"the mean of {found.n_seeds} new seeds"
        ends = f", 95 % interval {_interval(found.low, found.high)} for {seeds}"
        yield (
            f"If effects add up it comes to {metric} {number(found.value)}"
            f"{ends if found.low is not None else ', without an interval'}."
        )
    if found.n_observed:
        n = found.n_observed
        trials = "1 trial" if n == 1 else f"the mean of {n} trials"
        yield f"It is among these trials: it came to {number(found.observed)}, {trials}."
    for each in found.confirmations:
        yield _confirmed(each)


def _confirmed(found: Confirmation) -> str:
    if found.mean is None:
        return f"{found.study} has no complete trial yet of {found.n_trials}."
    words = f"{found.study} came to {number(found.mean)}, the mean of {found.n} of {found.n_trials}"
    ends = f"predicted {number(found.predicted)}"
    if found.low is not None:
        ends += f", {_interval(found.low, found.high)}"
    if found.held is None:
        return f"{words}; {ends}."
    verdict = "The prediction held" if found.held else "The prediction did not hold"
    return f"{verdict}: {words}; {ends}."


def _first(frame: pd.DataFrame, name: str) -> float:
    return float(frame[name].iloc[0])


def _title(words: str) -> Text:
    return Text(f"\n{words}", style="table.title")


def _with_command(words: str) -> Iterator[Text | str]:
    """Yield a line; a command in it as a string of its own, which is not broken at 80 columns."""
    before, colon, command = words.partition(": hpo ")
    yield Text(before + colon[:1])
    if colon:
        yield f"  hpo {command}"


def _dim(words: str) -> Text:
    return Text(words, style="dim")
