"""Check a range of `[space]`: its ends, its step, and how many programs it would need."""

from __future__ import annotations

from math import inf

from studies.errors import DefinitionError

MAX_WITHOUT_STEP = 8  # values of a structural range without a step; each compiles a program


def check_ends(key: str, low: float, high: float, step: float | None, log: bool) -> None:
    """Check the ends and the step of a range.

    Raises:
        DefinitionError: The line `key` breaks a rule.
    """
    if low > high or (log and (low <= 0 or step is not None)):
        raise DefinitionError(
            key,
            "Expected low <= high, and with log = true a low above 0 and no step. "
            f"Received: low={low}, high={high}, step={step}, log={log}.",
        )
    if step is not None and (step <= 0 or abs((high - low) / step % 1 - 0.5) < 0.5 - 1e-9):
        raise DefinitionError(
            key, f"Expected a step that divides high - low. Received: step={step}."
        )


def check_number_of_programs(
    key: str, name: str, low: float, high: float, *, log: bool, is_whole: bool
) -> None:
    """Check that a structural range without a step does not need a program for every trial.

    Raises:
        DefinitionError: It does.
    """
    n_programs = high - low + 1 if is_whole else inf
    if low < high and n_programs > MAX_WITHOUT_STEP:
        these_are = f"{n_programs:g}" if is_whole else "without number"
        raise DefinitionError(
            key,
            f"Expected {'a list of levels' if log else 'a step'}: every value of {name} is a "
            f"program to compile, and these are {these_are}. Received: low={low}, high={high}.",
        )
