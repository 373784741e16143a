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

if TYPE_CHECKING:
    from studies.results.rerun import Rerun

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
    verdict: str = found.verdict
    if verdict == "within rounding":
        verdict += (
            f" of {found.tolerance:g} of each number, the largest difference {_largest(found)}"
        )
    elif verdict == "different" and len(found.metrics):
        verdict += _since(found)
    if found.failure is not None:
        alike = "" if not len(found.metrics) else f"; its numbers: {verdict}"
        return f"{words}: {found.failure}{alike}."
    return f"{words}: {verdict}."


def _largest(found: Rerun) -> str:
    return f"{found.metrics['largest_difference'].max():.2g}"


def _since(found: Rerun) -> str:
    """Return from which epoch on trials differ by more than rounding, and by how much."""
    by_epoch = found.metrics[~found.metrics["name"].isin(OF_NO_EPOCH)]
    first = by_epoch["differs_from"].min() if len(by_epoch) else None
    if first is None or first != first:
        return ""
    step = "report" if "report" in set(by_epoch["name"]) else "epoch"
    return f" from {step} {first} on, by up to {_difference(by_epoch['largest_difference'].max())}"


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
        return "one has no number"
    return "0" if value == 0 else number(value) if value >= 1e-3 else f"{value:.2g}"
