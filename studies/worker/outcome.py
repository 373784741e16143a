"""How an attempt at a trial ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from optuna.trial import FrozenTrial

from storage.seeds import spread
from storage.study_attributes import SEED_VALUES_KEY
from studies.attributes import SEED_STD_KEY, TRAIN_SECONDS_KEY
from studies.errors import TrialError
from studies.executor.protocol import TrialResult

OVER_TIME = "it took longer than the study's trial_timeout"


class Outcome(Enum):
    """How an attempt at a trial ended in this worker."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"  # FAIL: the loss was no longer a number, which is a result
    TIMED_OUT = "timed out"  # FAIL: by the study's `trial_timeout`, which is a result too
    FAILED = "failed"  # FAIL: by an exception or a crash
    LOST = "ended elsewhere"
    REQUEUED = "queued again"


@dataclass(frozen=True)
class EndedTrial:
    """A claimed trial whose attempt has ended.

    Attributes:
        claimed: The trial, as it was claimed.
        outcome: How it ended.
        value: Its value, if it is complete.
        attributes: What to record with it: user attributes, and its history.
        reason: Why it was queued again.
        seconds: How long it took, where its attributes do not tell.
    """

    claimed: FrozenTrial
    outcome: Outcome
    value: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    seconds: float | None = None

    def describe(self) -> str:
        """Return a line for the log."""
        words = [self.outcome.value]
        if self.value is not None:
            words.append(f"value={self.value:.6g}")
        seconds = self.attributes.get(TRAIN_SECONDS_KEY, self.seconds)
        if seconds is not None:
            words.append(f"seconds={seconds:.1f}")
        reason = self.reason or self.attributes.get("fail_reason")
        if reason is None or self.outcome is Outcome.LOST:
            return " ".join(words)
        first_line = str(reason).partition("\n")[0]
        return f"{' '.join(words)}: {first_line}"


def from_result(
    claimed: FrozenTrial, result: TrialResult, more: Mapping[str, Any] | None = None
) -> EndedTrial:
    """Return the end of a trial that came to a result.

    Args:
        claimed: The trial, as it was claimed.
        result: Its result.
        more: Attributes to record that the child does not know.
    """
    attributes = {**(more or {}), **result.attributes, **_of_seeds(result.seed_values)}
    if result.pruned:
        return EndedTrial(claimed, Outcome.PRUNED, None, attributes)
    if result.value is None:
        attributes.setdefault("fail_reason", "the value is not a finite number")
        return EndedTrial(claimed, Outcome.DIVERGED, None, attributes)
    return EndedTrial(claimed, Outcome.COMPLETE, result.value, attributes)


def _of_seeds(values: Sequence[float | None]) -> dict[str, Any]:
    """Return what is recorded of a trial's seeds; nothing where it has one."""
    known = [value for value in values if value is not None]
    if not values or len(known) < len(values):
        return {}
    return {SEED_VALUES_KEY: known, SEED_STD_KEY: spread(known)}


def from_error(
    claimed: FrozenTrial, error: Exception, attributes: Mapping[str, Any] | None = None
) -> EndedTrial:
    """Return the end of a trial by an exception or a crash."""
    reason = {"fail_reason": str(error) or type(error).__name__}
    if isinstance(error, TrialError):
        reason = {
            **error.attributes,
            "fail_reason": f"{error.class_name}: {error}",
            "traceback": error.traceback,
        }
    return EndedTrial(claimed, Outcome.FAILED, None, {**reason, **(attributes or {})})


def timed_out(claimed: FrozenTrial, limit: float, attributes: Mapping[str, Any]) -> EndedTrial:
    """Return the end of a trial that took longer than its study's `trial_timeout`, in seconds."""
    reason = {"fail_reason": f"{OVER_TIME} of {limit:g} s"}
    return EndedTrial(claimed, Outcome.TIMED_OUT, None, {**attributes, **reason})
