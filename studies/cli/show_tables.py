"""The text of `hpo show STUDY TRIAL`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from studies.cli.format import number, short_time
from studies.cli.tables import add_row, plain_table

if TYPE_CHECKING:
    import pandas as pd

    from studies.results.provenance import Provenance

SHA = 12  # digits of a SHA-256 that are shown; --json has all


def provenance_view(found: Provenance) -> Iterator[RenderableType]:
    """Yield all that made a trial, part by part."""
    yield Text(f"trial {found.trial} of {found.study}", style="bold")
    yield _facts(_outcome(found))
    yield _setting(found)
    for title, frame in (
        ("seeds", found.seeds), ("folds", found.folds), ("other attempts", found.attempts),
        ("made again", found.reruns), ("kept files", found.files),
    ):  # fmt: skip
        if len(frame):
            yield Text("")
            yield _table(title, frame)
    yield from _titled("made with", _facts(_made_with(found)))
    if len(found.code):
        yield Text("")
        yield _table("code", found.code)
    yield from _titled("libraries", _versions(found))
    yield from _titled("definition", Text(found.definition.rstrip()))


def lanes_in_words(lanes: list[list[int]]) -> str:
    """Return in how many lanes a trial trained: `8 lanes`, or `8 lanes, 4 from epoch 13 on`."""
    if not lanes:
        return "not recorded"
    (_, first), *others = lanes
    words = ["1 lane, alone in its program" if first == 1 else f"{first} lanes"]
    return ", ".join([*words, *(f"{n} from epoch {epoch} on" for epoch, n in others)])


def _outcome(found: Provenance) -> Iterator[tuple[str, str]]:
    yield "state", found.state + ("" if found.reason is None else f": {_line(found.reason)}")
    if found.value is not None:
        yield found.metric, number(found.value)
    if found.epochs:
        best = f", the best one {found.best_epoch}" if found.best_epoch else ""
        yield "epochs", f"{found.epochs}{best}"
    if found.pruned_at is not None:
        yield "pruned", f"after {found.pruned_at}"
    if found.resumed_after:
        yield "went on", f"from a checkpoint after epoch {found.resumed_after}"
    yield "point", found.chosen_by
    if found.seed is not None:
        several = f"{found.n_seeds} seeds, from {found.seed} on"
        yield "seed", str(found.seed) if found.n_seeds == 1 else several


def _made_with(found: Provenance) -> Iterator[tuple[str, str]]:
    data = dict(found.data)
    if data:
        yield "data", f"{data.pop('dataset')}, SHA-256 {_short(data.pop('sha256'))}"
        yield "split", ", ".join(f"{name} {value}" for name, value in data.items())
    encoding = dict(found.encoding)
    if encoding:
        yield "encoding", ", ".join(f"{k} {_brief(v)}" for k, v in encoding.items() if v)
    yield "backend", found.backend or "none"
    yield "device", found.device or "not known"
    if found.data:
        yield "lanes", lanes_in_words(found.lanes)
    if found.trained_by:
        yield "trained by", found.trained_by
    yield "worker", found.worker or "none"
    yield "host", found.host or "not known"
    if found.began is not None:
        yield "began", f"{found.began:%Y-%m-%d %H:%M:%S} UTC"
    if found.ended is not None:
        yield "ended", f"{found.ended:%Y-%m-%d %H:%M:%S} UTC"
    if found.seconds is not None:
        compiling = found.compile_seconds
        more = f", {short_time(compiling)} of it for compiling" if compiling else ""
        yield "took", short_time(found.seconds) + more
    for name, value in found.attributes.items():
        if isinstance(value, str | int | float):
            yield name, _brief(value)


def _facts(lines: Iterator[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, words in lines:
        table.add_row(Text(name, style="dim"), Text(words))
    return table


def _setting(found: Provenance) -> Table:
    table = plain_table("\nsetting", "hyperparameter", "value", "from")
    for name, value, origin in found.setting.itertuples(index=False):
        add_row(table, name, _brief(value), origin)
    return table


def _versions(found: Provenance) -> Table:
    table = plain_table(None, "library", "study", "trial", "here")
    for row in found.versions.itertuples(index=False):
        add_row(table, *(each or "" for each in row))
    return table


def _table(title: str, frame: pd.DataFrame) -> Table:
    table = plain_table(title, *map(str, frame.columns))
    for row in frame.itertuples(index=False):
        add_row(table, *map(_cell, frame.columns, row))
    return table


def _titled(title: str, *parts: RenderableType) -> Iterator[RenderableType]:
    yield Text("")
    yield Text(title, style="table.title")
    yield from parts


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column == "is_here":
        return "yes" if value else "no"
    if column == "sha256":
        return _short(value)
    return number(value) if isinstance(value, float) else _line(str(value))


def _brief(value: Any) -> str:
    """Return a value as a person writes it, of a long list or text the beginning."""
    if isinstance(value, list | tuple):
        shown = ", ".join(map(str, value[:10]))
        return f"{shown}, ... ({len(value)})" if len(value) > 10 else shown
    if value is None:
        return "none"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _line(text: str) -> str:
    return text.partition("\n")[0]


def _short(sha256: str | None) -> str:
    return "not recorded" if sha256 is None else str(sha256)[:SHA]
