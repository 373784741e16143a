"""How a study stands, as people see it: one block of a terminal, redrawn while work goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from storage import (
    Overview,
    TrialStorage,
    Worker,
    best_trial,
    get_budget,
    overview,
    storage_of,
    study_id,
    workers_seen,
)

SILENT = 60.0  # seconds after which a worker is shown as silent


def status_block(study: optuna.Study) -> RenderableType:
    """Return how a study stands: its bar, its trials by state, the rate, and its workers."""
    storage = _storage(study)
    stands = overview(storage, study_id(study))
    total = get_budget(storage, study_id(study)).n_trials
    head = Table.grid(padding=(0, 1))
    head.add_row(
        Text(study.study_name, style="bold"),
        ProgressBar(total=total or max(1, stands.ended), completed=stands.ended, width=24),
        Text(f"{stands.ended}/{total or '?'}"),
        Text(_speed(stands, total), style="cyan"),
    )
    lines: list[RenderableType] = [head, Text(_counts(stands), style="dim")]
    best = best_trial(study)
    if best is not None:
        lines.append(Text(f"best {best_value(study, best)}", style="green"))
    lines += _worker_lines(storage, study.study_name, stands)
    return Group(*lines)


@contextmanager
def live_progress(study: optuna.Study, console: Console) -> Iterator[Callable[[], None]]:
    """Show how a study stands while work goes on; yield what redraws it.

    Where the output is no terminal, a line is printed for each tenth of the budget instead.
    """
    if not console.is_terminal:
        yield _line_printer(study, console)
        return
    with Live(status_block(study), console=console, auto_refresh=False) as live:
        yield lambda: live.update(status_block(study), refresh=True)


@contextmanager
def rendering_progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while pictures are rendered; yield what takes how many more there are, of all."""
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task: TaskID | None = None

        def tick(more: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bar.add_task("rendering pictures", total=total)
            bar.advance(task, more)

        yield tick


def best_value(study: optuna.Study, trial: FrozenTrial) -> str:
    """Return the value of a trial in words: the metric, the number, the trial."""
    metric = study.metric_names[0] if study.metric_names else "value"
    more = "max" if study.direction == StudyDirection.MAXIMIZE else "min"
    return f"{metric} {number(trial.value)} ({more}) in trial {trial.number}"


def number(value: float | None) -> str:
    """Return a value with four decimals, or with five digits where these would tell nothing."""
    if value is None:
        return ""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.5g}"


def duration(seconds: float) -> str:
    """Return a time in the two largest units that it has: `3 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _line_printer(study: optuna.Study, console: Console) -> Callable[[], None]:
    storage = _storage(study)
    said = -1
    started = time.monotonic()

    def tick() -> None:
        nonlocal said
        total = get_budget(storage, study_id(study)).n_trials
        ended = overview(storage, study_id(study)).ended
        tenth = ended * 10 // total if total else ended // 10
        if tenth > said:
            said = tenth
            best = best_trial(study)
            words = f", best {best_value(study, best)}" if best is not None else ""
            spent = duration(time.monotonic() - started)
            console.print(
                f"{study.study_name}: {ended}/{total or '?'} trials after {spent}{words}",
                highlight=False,
                soft_wrap=True,
            )

    return tick


def _speed(stands: Overview, total: int | None) -> str:
    if stands.per_minute is None:
        return ""
    words = f"{stands.per_minute:.1f} trials/min"
    if total is None or stands.ended >= total:
        return words
    return f"{words}, {duration(60 * (total - stands.ended) / stands.per_minute)} left"


def _counts(stands: Overview) -> str:
    words = [f"{n} {state.name.lower()}" for state, n in stands.counts.items() if n]
    if stands.retried:
        words.append(f"{stands.retried} of the failed queued again after a lost worker")
    return ", ".join(words) or "no trials yet"


def _worker_lines(storage: TrialStorage, study_name: str, stands: Overview) -> list[Text]:
    # A worker that was killed stays listed; its trial does not stay RUNNING.
    seen = [worker for worker in workers_seen(storage) if worker.study_name == study_name]
    here = [worker for worker in seen if not stands.epochs.keys().isdisjoint(worker.trial_numbers)]
    lines = [Text(_doing(worker, stands), style="dim") for worker in here]
    orphans = stands.counts[TrialState.RUNNING] - sum(len(w.trial_numbers) for w in here)
    if orphans > 0:
        lines.append(Text(f"{orphans} running without a worker that is seen here", style="yellow"))
    return lines


def _doing(worker: Worker, stands: Overview) -> str:
    first, *others = worker.trial_numbers
    words = f"{worker.name} ({worker.device or 'cpu'}): trial {first}"
    words += f" and {len(others)} beside it" if others else ""
    epochs = max(stands.epochs.get(number, 0) for number in worker.trial_numbers)
    words += f", {epochs} epochs done" if epochs else ""
    if worker.silent_for > SILENT:
        words += f", silent for {duration(worker.silent_for)}"
    return words


def _storage(study: optuna.Study) -> TrialStorage:
    storage = storage_of(study)
    return storage
