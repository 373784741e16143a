"""What a study may spend, how much of that is left, and what has ended it before."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection

from storage.errors import StudyGoneError
from storage.rows import count_lineages, lock_study
from storage.study_attributes import BUDGET_KEY, read_study_attribute, write_study_attribute
from storage.trial_storage import TrialStorage
from storage.worked_time import seconds_worked


@dataclass(frozen=True)
class Budget:
    """What a study may spend.

    Attributes:
        n_trials: Number of lineages, None for no limit. The points of a design count too.
        timeout: Seconds in which workers execute trials of the study, None for no limit. What still
            waits afterwards stays so: a larger timeout goes on with it.
        adaptive: Whether trials are made while the study runs, each from those before it.
        stopped_by: The number of the trial that has ended the study before its time, None if none
            has. What still waits stays so. Another budget, and failed trials that are queued
            again, have no such number: the study goes on.
        in_rounds: Whether an adaptive study's trials are queued by `queue_round`, a round at once.
            A claim creates those of another one, where none waits.
        over: Why no further round is queued, None while one may be. Trials that others add are
            claimed nevertheless. What lifts `stopped_by` lifts this too.
    """

    n_trials: int | None
    timeout: float | None
    adaptive: bool
    stopped_by: int | None = None
    in_rounds: bool = False
    over: str | None = None

    @property
    def creates(self) -> bool:
        """Whether a claim creates a trial when none waits."""
        return self.adaptive and not self.in_rounds

    def lifted(self) -> Budget:
        """Return this budget of a study that goes on."""
        return replace(self, stopped_by=None, over=None)


def get_budget(storage: TrialStorage, study_id: int) -> Budget:
    """Return the budget of a study.

    Raises:
        StudyGoneError: The study was deleted, or has no budget: this service did not make it.
    """
    with storage.reading() as connection:
        return read_budget(connection, study_id)


def read_budget(connection: Connection, study_id: int) -> Budget:
    """Return the budget of a study, within a transaction; raises as `get_budget`."""
    value = read_study_attribute(connection, study_id, BUDGET_KEY)
    if value is None:
        raise StudyGoneError(f"There is no study of this service with id {study_id}.")
    return Budget(**value)


def write_budget(connection: Connection, study_id: int, budget: Budget) -> None:
    """Give a study, which must be locked, another budget."""
    write_study_attribute(connection, study_id, BUDGET_KEY, asdict(budget))


def stop_study(storage: TrialStorage, study_id: int, by: int) -> None:
    """End a study before its budget is spent: nothing more is claimed, and what runs goes on.

    Args:
        storage: The storage.
        study_id: The study.
        by: The number of the trial that wants it.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
    """
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        stopped = replace(read_budget(connection, study_id), stopped_by=by)
        write_budget(connection, study_id, stopped)


def lift_stop(connection: Connection, study_id: int) -> None:
    """Let a study go on that has ended before its budget; the study must be locked."""
    stored = read_study_attribute(connection, study_id, BUDGET_KEY)
    if stored is not None and Budget(**stored) != Budget(**stored).lifted():
        write_budget(connection, study_id, Budget(**stored).lifted())


def is_time_over(storage: TrialStorage, study_id: int) -> bool:
    """Tell whether workers have spent the time of a study's timeout.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
    """
    with storage.reading() as connection:
        return _is_over(connection, study_id, read_budget(connection, study_id))


def is_ended(connection: Connection, study_id: int, budget: Budget) -> bool:
    """Tell whether a study is not to go on: a function has stopped it, or its time is over."""
    return budget.stopped_by is not None or _is_over(connection, study_id, budget)


def left_of(connection: Connection, study_id: int, budget: Budget, n: int) -> int:
    """Return how many of `n` trials the budget still allows to create."""
    if budget.n_trials is None:
        return n
    return max(0, min(n, budget.n_trials - count_lineages(connection, study_id)))


def _is_over(connection: Connection, study_id: int, budget: Budget) -> bool:
    return budget.timeout is not None and seconds_worked(connection, study_id) > budget.timeout
