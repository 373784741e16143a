"""The text of `hpo status`: the progress of one study or of all, and why trials failed."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from storage import (
    Overview,
    TrialStorage,
    Worker,
    best_point,
    failures,
    get_budget,
    latest_failures,
    overview,
    queue_states,
    storage_of,
    study_id,
    workers_seen,
)
from studies.attributes import CREATED_KEY, DEFINITION_KEY, RERUN_STUDY_KEY
from studies.cli.format import best_value, duration, trial_counts
from studies.cli.notes import missing_note, round_note, rule_note, stop_note, time_note, way_note
from studies.lookup import as_argument, check_made_here, open_study

SILENT = 60.0  # seconds without a heartbeat, after which the status line of a worker says so
FAILURES_SHOWN = 5  # of the latest failed trials


def status_view(
    storage: TrialStorage, name: str | None, screen: Console | None = None
) -> RenderableType:
    """Return the progress of the study `name` with the reasons of its failures, or of all studies.

    Args:
        storage: The storage.
        name: The study; None for all.
        screen: Where all studies must fit: those that are worked on come first, and the rest is
            counted. None shows all, as they were made.

    Raises:
        StudyNotFoundError: There is no such study, or it was not made by this service.
    """
    if name is not None:
        study = open_study(name, storage)
        check_made_here(study)
        way = way_note(study)
        ways = [Text(way, style="dim")] if way else []
        return Group(status_block(study), *ways, *_failures(study), *_hint(study))
    states = queue_states(storage, CREATED_KEY, having=DEFINITION_KEY)
    if not states:
        return Text("The storage has no studies yet. Begin with: hpo run digits-mlp")
    if screen is None:
        return Group(*(_block(storage, name) for name in states))
    shown: list[RenderableType] = []
    left = screen.height - 1  # one line for what is said of the rest
    order = sorted(states, key=lambda n: (not states[n].runs, not states[n].waits))
    for place, each in enumerate(order):
        block = _block(storage, each)
        left -= len(screen.render_lines(block))  # a long note takes several
        if left < 0:
            rest = len(order) - place
            words = "1 more study" if rest == 1 else f"{rest} more studies"
            return Group(*shown, Text(f"and {words}: hpo status", style="dim"))
        shown.append(block)
    return Group(*shown)


def _block(storage: TrialStorage, name: str) -> RenderableType:
    return Group(status_block(open_study(name, storage)), Text(""))


def status_block(study: optuna.Study, *, has_notes: bool = True) -> RenderableType:
    """Return the progress of a study: its bar, its trials by state, the rate, and its workers.

    Args:
        study: The study.
        has_notes: Whether to say why it has ended and what is missing; `hpo run` does at its end.
    """
    storage = storage_of(study)
    progress = overview(storage, study_id(study))
    rule = rule_note(study)
    over = stop_note(study) or rule or time_note(study, progress)
    budget = get_budget(storage, study_id(study))
    total = progress.lineages if rule else progress.total(budget.n_trials)
    seen = [w for w in workers_seen(storage) if w.study_name == study.study_name]
    # A killed worker stays in the table of workers, but its trial does not stay RUNNING.
    busy = [w for w in seen if not progress.epochs.keys().isdisjoint(w.trial_numbers)]
    is_worked_on = over is None and any(worker.silent_for <= SILENT for worker in busy)
    head = Table.grid(padding=(0, 1))
    head.add_row(
        Text(study.study_name, style="bold"),
        ProgressBar(total=total or max(1, progress.ended), completed=progress.ended, width=24),
        Text(f"{progress.ended}/{total or '?'}"),
        Text(_rate(progress, total, is_worked_on=is_worked_on), style="cyan"),
    )
    lines: list[RenderableType] = [head, Text(_counts(progress), style="dim")]
    best = best_point(study)
    if best is not None:
        lines.append(Text(f"best {best_value(study, best)}", style="green"))
    lines += _worker_lines(busy, progress)
    waits = round_note(study)
    lines += [Text(waits, style="dim")] if waits else []
    notes = (over, missing_note(study, progress)) if has_notes else ()
    lines += [Text(note, style="yellow") for note in notes if note]
    return Group(*lines)


def _rate(progress: Overview, total: int | None, *, is_worked_on: bool) -> str:
    if progress.per_minute is None:
        return ""
    words = f"{progress.per_minute:.1f} trials/min"
    if not is_worked_on or total is None or progress.ended >= total:
        return words
    return f"{words}, {duration(60 * (total - progress.ended) / progress.per_minute)} left"


def _counts(progress: Overview) -> str:
    attempts = "1 attempt" if progress.retried == 1 else f"{progress.retried} attempts"
    begun_again = f"{attempts} given up and queued again" if progress.retried else ""
    words = [trial_counts(progress.lineages_by_state), begun_again]
    return ", ".join(filter(None, words)) or "no trials yet"


def _worker_lines(busy: Sequence[Worker], progress: Overview) -> list[Text]:
    lines = [Text(_worker_line(worker, progress), style="dim") for worker in busy]
    # A worker is seen with a trial a moment after its claim, which is the trial's first beat.
    orphans = progress.silent.difference(*(worker.trial_numbers for worker in busy))
    if orphans:
        lines.append(
            Text(f"{len(orphans)} running without a worker that is seen here", style="yellow")
        )
    return lines


def _worker_line(worker: Worker, progress: Overview) -> str:
    first, *others = worker.trial_numbers
    words = f"{worker.name} ({worker.device or 'cpu'}): trial {first}"
    words += f" and {len(others)} beside it" if others else ""
    epochs = max(progress.epochs.get(number, 0) for number in worker.trial_numbers)
    words += f", {epochs} epochs done" if epochs else ""
    if worker.silent_for > SILENT:
        words += f", silent for {duration(worker.silent_for)}"
    return words


def _failures(study: optuna.Study) -> list[Text]:
    failed = latest_failures(storage_of(study), study_id(study), FAILURES_SHOWN)
    return [
        Text(f"trial {number} failed: {reason or 'unknown'}", style="red")
        for number, reason in failed.items()
    ]


def _hint(study: optuna.Study) -> list[Text]:
    if RERUN_STUDY_KEY in study.user_attrs:
        return []  # no worker would take them
    if not failures(storage_of(study), study_id(study)).numbers:
        return []  # those that failed were queued again
    return [Text(f"Queue them again: hpo retry {as_argument(study.study_name)}", style="dim")]
