"""The text of `hpo rerun STUDY TRIAL`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from studies.cli.format import number
from studies.cli.show_tables import lanes_in_words
from studies.cli.tables import add_row, plain_table
from studies.lookup import as_argument
from studies.statistics.agreement import VERDICTS, Verdict

if TYPE_CHECKING:
    from studies.results.reruns.rerun import Rerun

LACKS = "one has no number"
OF_NO_EPOCH = ("value", "seed_values", "fold_values", "kept weights")


def rerun_view(found: Rerun) -> Iterator[RenderableType]:
    """Yield the verdict on a trial that was made again, and what it stands on."""
    yield Text(_headline(found), style="bold")
    if len(found.metrics):
        yield _metrics(found)
    if len(found.made_with):
        yield _made_with(found)
    else:
        yield Text("Made with the same libraries, backend and device.", style="dim")
    for note in found.notes:
        yield Text(note, style="dim")
    name = as_argument(found.kept_in)
    yield Text(f"Kept as trial {found.kept_as} of {found.kept_in}: hpo show {name} {found.kept_as}")


def _headline(found: Rerun) -> str:
    words = f"Trial {found.trial} of {found.study} made again"
    if found.lanes:
        words += f" in {lanes_in_words(found.lanes)}"
    numbers = _numbers(found)
    if found.failure is None:
        return f"{words}: {numbers or found.verdict}."
    return f"{words}: {found.failure}{f'; its numbers: {numbers}' if numbers else ''}."


def _numbers(found: Rerun) -> str:
    """Return the verdict on all numbers that both have, empty where they have none."""
    verdict: Verdict | None = max(found.metrics["verdict"], key=VERDICTS.index, default=None)
    if verdict == "within rounding":
        tolerance = f"{found.tolerance:g} of each number"
        return f"{verdict} of {tolerance}, the largest difference {_largest(found)}"
    return verdict + _since(found) if verdict == "different" else verdict or ""


def _largest(found: Rerun) -> str:
    return f"{found.metrics['largest_difference'].max():.2g}"


def _since(found: Rerun) -> str:
    """Return from which epoch on trials differ by more than rounding, and by how much."""
    different = found.metrics[found.metrics["verdict"] == "different"]
    by_epoch = different[~different["name"].isin(OF_NO_EPOCH)]
    if not len(by_epoch):
        by = [_by("by", each) for each in different["largest_difference"][:1]]
        return "".join(f" in the {different['name'].iloc[0]}, {each}" for each in by)
    step = "report" if "report" in set(by_epoch["name"]) else "epoch"
    first, most = by_epoch["differs_from"].min(), by_epoch["largest_difference"].max()
    return f" from {step} {first} on, {_by('by up to', most)}"


def _by(words: str, difference: float) -> str:
    return f"where {LACKS}" if math.isinf(difference) else f"{words} {_difference(difference)}"


def _metrics(found: Rerun) -> Table:
    table = plain_table(None, "", "verdict", "largest difference", "in epoch", "differs from")
    for name, verdict, largest, at, since in found.metrics.itertuples(index=False):
        has_epoch = name not in OF_NO_EPOCH and verdict != "equal bits"
        places = [str(each) if has_epoch else "" for each in (at, since)]
        add_row(table, name, verdict, _difference(largest), *places)
    return table


def _made_with(found: Rerun) -> Table:
    table = plain_table(None, "made with", "then", "now")
    for row in found.made_with.itertuples(index=False):
        add_row(table, *row)
    return table


def _difference(value: float) -> str:
    if math.isinf(value):
        return LACKS
    return "0" if value == 0 else number(value) if value >= 1e-3 else f"{value:.2g}"
