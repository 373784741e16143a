"""What a confirmation has come to, for a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from rich.console import RenderableType
from rich.text import Text

from studies.cli.format import cell, count, number, p_value, parameter
from studies.cli.tables import add_row, plain_table
from studies.cli.winners_curse import curse_line

if TYPE_CHECKING:
    from rich.table import Table

    from studies.results.confirmed.confirmation import Confirmation

WIDEST = 3  # parameters in columns of their own
SAME = "not distinguishable with these seeds"


def confirmation_view(found: Confirmation) -> list[RenderableType]:
    """Return the tables of settings and of pairs, and what is to be said of them."""
    shown: list[RenderableType] = [_settings(found)]
    if len(found.pairs):
        shown += [Text(""), _pairs(found), *_labels(found)]
    best = found.settings.iloc[0]
    curse = curse_line(
        int(best["trial"]), best["searched"], best["mean"], best["low"], best["n"], found.unit
    )
    # On the test part the networks have seen more, so that the two cannot be compared.
    lines = [*([curse] if curse and found.part != "test" else []), *found.notes]
    return [*shown, Text(""), *(Text(line) for line in lines)]


def _settings(found: Confirmation) -> Table:
    names = list(dict.fromkeys(name for each in found.settings["parameters"] for name in each))
    shown = names if len(names) <= WIDEST else ["parameters"]
    n_settings = len(found.settings)
    title = f"{found.study}: {count(n_settings, 'setting')} with {_extent(found)}"
    value = f"{'test' if found.part == 'test' else 'fresh'} {found.metric}"
    table = plain_table(title, "trial", "searched", value, "std", found.unit, *shown)
    table.min_width = len(title)
    for row in found.settings.to_dict("records"):
        missing = [f"{row[f'n_{what}']} {what}" for what in ("failed", "diverged")]
        missing = [words for words in missing if not words.startswith("0 ")]
        n = ", ".join([str(row["n"]), *missing])
        cells = [cell(row["searched"]), cell(row["mean"]), cell(row["std"]), n]
        given = row["parameters"]
        if shown == ["parameters"]:
            cells.append(", ".join(f"{name}={parameter(value)}" for name, value in given.items()))
        else:
            cells += [parameter(given[name]) if name in given else "" for name in shown]
        add_row(table, str(row["trial"]), *cells)
    return table


def _pairs(found: Confirmation) -> Table:
    title = f"Pairs, by {found.metric}"
    table = plain_table(title, "trials", "difference", "interval", "p", "", f"{found.unit} needed")
    for row in found.pairs.to_dict("records"):
        is_known = not pd.isna(row["low"])
        better, needed = row["better"], row["seeds_needed"]
        if pd.isna(row["p"]):
            verdict = "not tested"
        else:
            verdict = SAME if pd.isna(better) else f"{better:.0f} is better"
        add_row(
            table,
            f"{row['first']} - {row['second']}",
            cell(row["difference"]),
            f"{number(row['low'])} to {number(row['high'])}" if is_known else "",
            "" if pd.isna(row["p"]) else p_value(row["p_adjusted"]),
            verdict,
            "" if pd.isna(needed) else f"{needed:.0f}",
        )
    return table


def _labels(found: Confirmation) -> list[Text]:
    n_pairs, n_looks = len(found.pairs), len(found.looks)
    over = f"{count(n_pairs, 'pair')}" + (f" and {n_looks} looks" if n_looks > 1 else "")
    levels = "95 %" if n_pairs * n_looks == 1 else f"{found.confidence:.1%} each, 95 % together"
    lines = [
        f"p: exact sign-flip test of paired differences, by Holm over {over}.",
        "better: the test rejects that both have one distribution; the mean says which.",
        f"interval: Student's t, {levels.replace('%', ' %').replace('  ', ' ')}.",
        f"{found.unit} needed: for a true difference as large as this one, at 80 % power; rough.",
        f"Over {found.over}.",
    ]
    return [Text(line, style="dim") for line in lines]


def _extent(found: Confirmation) -> str:
    if found.unit == "seeds":
        most = "up to " if found.settings["n"].nunique() > 1 else ""
        return f"{most}{count(found.n_seeds, 'fresh seed')} each"
    seeds = count(found.n_seeds, "fresh seed")
    return f"{count(found.n_units, 'new division')} of {seeds} each"
