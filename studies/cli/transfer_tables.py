"""What a transfer has come to, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import RenderableType
from rich.text import Text

from studies.cli.format import cell, count, number, p_value, parameter
from studies.cli.tables import add_row, plain_table
from studies.results.confirmed.transfer import BESIDE, GAIN
from studies.statistics.rank_correlation import LEAST, RankCorrelation

if TYPE_CHECKING:
    from rich.table import Table

    from studies.results.confirmed.transfer import Transfer

MARKS = {"transferred": "", "median": " median", "best there": " best there"}
SENTENCES = {
    (GAIN, "better"): "The gain carries over: trial {best} is better on {there} than the median "
    "setting, trial {other}",
    (GAIN, "worse"): "The gain does not carry over: trial {best} is worse on {there} than the "
    "median setting, trial {other}",
    (GAIN, "not distinguishable"): "Whether the gain carries over stays open: on {there} trial "
    "{best} and the median setting, trial {other}, are not distinguishable with these seeds",
    (GAIN, "not tested"): "Whether the gain carries over is not tested: a seed of trial {best} or "
    "of the median setting, trial {other}, diverged on {there}",
    (BESIDE, "better"): "Trial {best} is better than the best setting that the search on {there} "
    "has found, its trial {other}",
    (BESIDE, "worse"): "The search on {there} has found a better setting, its trial {other}",
    (BESIDE, "not distinguishable"): "Trial {best} and the best setting that the search on {there} "
    "has found, its trial {other}, are not distinguishable with these seeds",
    (BESIDE, "not tested"): "Trial {best} is not tested beside the best setting that the search on "
    "{there} has found, its trial {other}: a seed of one of them diverged",
    (BESIDE, "same setting"): "The search on {there} has found the same setting as trial {best} to "
    "be the best, in its trial {other}",
}


def transfer_view(found: Transfer) -> list[RenderableType]:
    """Return the table of settings, and what the tests and the correlation say."""
    shown: list[RenderableType] = [_settings(found), _label(found), Text("")]
    shown += [Text(line) for line in _answers(found)]
    return shown


def data_name(dataset: str) -> str:
    """Return how a data set is called in a sentence: its name, or that of its file."""
    return Path(dataset).name


def _settings(found: Transfer) -> Table:
    n = int((found.settings["role"] == "transferred").sum())
    title = (
        f"{found.study}: the best {count(n, 'setting')} on {data_name(found.dataset_there)}, "
        f"{count(found.n_seeds, 'fresh seed')} each"
    )
    table = plain_table(
        title, "trial", "searched", f"fresh {found.metric}", "std", "seeds", "parameters"
    )
    table.min_width = min(len(title), 80)
    for row in found.settings.to_dict("records"):
        missing = [f"{row[key]} {key[2:]}" for key in ("n_failed", "n_diverged") if row[key]]
        given = ", ".join(f"{name}={parameter(value)}" for name, value in row["parameters"].items())
        cells = [cell(row["searched"]), cell(row["mean"]), cell(row["std"])]
        seeds = ", ".join([str(row["n"]), *missing])
        add_row(table, f"{row['trial']}{MARKS[row['role']]}", *cells, seeds, given)
    return table


def _label(found: Transfer) -> Text:
    here, there = data_name(found.dataset), data_name(found.dataset_there)
    return Text(
        f"searched: by the search, on {here}; that of the best there on {there}, by "
        f"{found.there}. median: of the {found.n_searched} complete settings of {found.study}.",
        style="dim",
    )


def _answers(found: Transfer) -> list[str]:
    lines = [_sentence(found, test) for test in found.tests.to_dict("records")]
    if n := int(found.tests["p"].notna().sum()):
        adjusted, together = (", by Holm over both", " each, 95 % together") if n > 1 else ("", "")
        lines.append(
            f"p: exact sign-flip test of paired differences{adjusted}. Intervals: Student's t, "
            f"{100 * found.confidence:g} %{together}."
        )
    if found.is_complete:
        lines += _correlations(found)
    return [*lines, *found.notes]


def _sentence(found: Transfer, test: Mapping[Any, Any]) -> str:
    words = SENTENCES[test["test"], test["verdict"]].format(
        best=found.settings["trial"].iloc[0],
        other=test["against"],
        there=data_name(found.dataset_there),
    )
    if pd.isna(test["p"]):
        return f"{words}."
    return (
        f"{words}: difference {number(test['difference'])} ({number(test['low'])} to "
        f"{number(test['high'])}), p {p_value(test['p_adjusted'])}."
    )


def _correlations(found: Transfer) -> list[str]:
    n = int((found.settings["role"] == "transferred").sum())
    here, there = data_name(found.dataset), data_name(found.dataset_there)
    if found.top_correlation is None:
        lines = [
            f"A rank correlation of the settings transferred needs {LEAST}. Received: top={n}."
        ]
    else:
        lines = [
            f"Rank correlation of the {found.top_correlation.n} settings, searched on {here} and "
            f"fresh on {there}: {_tau(found.top_correlation)}. The best of many lie near each "
            "other, so that their order tells less than that of all."
        ]
    if found.all_correlation is not None:
        lines.append(
            f"Of all {found.all_correlation.n} settings that both searches have: "
            f"{_tau(found.all_correlation)}."
        )
    return lines


def _tau(found: RankCorrelation) -> str:
    if pd.isna(found.tau):
        return "none, since all values are equal"
    return f"Kendall's tau {found.tau:.2f}, p {p_value(found.p)}"
