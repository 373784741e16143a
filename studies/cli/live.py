"""Progress while work goes on: the status redrawn in place, or lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from storage import (
    TrialStorage,
    best_point,
    get_budget,
    overview,
    storage_of,
    study_id,
    wait_for_database,
)
from studies.cli.format import best_value, duration
from studies.cli.status import status_block, status_view

REDRAW = 1.0  # seconds


def watch_status(storage: TrialStorage, name: str | None, console: Console) -> None:
    """Redraw the status of one study or of all, until interrupted; it waits for a database.

    Raises:
        StudyNotFoundError: There is no such study.
    """

    def warn(words: str, *values: object) -> None:
        console.print(words % values, highlight=False, markup=False)

    with Live(console=console, auto_refresh=False) as live:
        while True:
            view = wait_for_database(lambda: status_view(storage, name, console), warn=warn)
            live.update(view, refresh=True)
            time.sleep(REDRAW)


@contextmanager
def live_progress(study: optuna.Study, console: Console) -> Iterator[Callable[[], None]]:
    """Show the progress of a study; yield the function that redraws it.

    Where the output is no terminal, each tenth of the budget adds a line instead.
    """
    if not console.is_terminal:
        yield _line_printer(study, console)
        return
    with Live(_block(study), console=console, auto_refresh=False) as live:
        yield lambda: live.update(_block(study), refresh=True)


def _block(study: optuna.Study) -> RenderableType:
    return status_block(study, has_notes=False)  # which the end of the command tells


@contextmanager
def rendering_progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while pictures are rendered.

    Yields:
        A function that takes the number of pictures rendered since its last call, and of all.
    """
    if not console.is_terminal:
        yield _rendering_line(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task: TaskID | None = None

        def advance(more: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bar.add_task("rendering pictures", total=total)
            bar.advance(task, more)

        yield advance


def _rendering_line(console: Console) -> Callable[[int, int], None]:
    said = False

    def advance(more: int, total: int) -> None:
        nonlocal said
        if not said:
            console.print(f"rendering {total} pictures, once for all studies that use them")
        said = True

    return advance


def _line_printer(study: optuna.Study, console: Console) -> Callable[[], None]:
    storage = storage_of(study)
    started = time.monotonic()
    last_tenth = -1

    def tick() -> None:
        nonlocal last_tenth
        progress = overview(storage, study_id(study))
        total = progress.total(get_budget(storage, study_id(study)).n_trials)
        ended = progress.ended
        tenth = ended * 10 // total if total else ended // 10
        if tenth <= last_tenth:
            return
        last_tenth = tenth
        best = best_point(study)
        words = "" if best is None else f", best {best_value(study, best)}"
        spent = duration(time.monotonic() - started)
        console.print(
            f"{study.study_name}: {ended}/{total or '?'} trials after {spent}{words}",
            highlight=False,
            soft_wrap=True,
        )

    return tick
