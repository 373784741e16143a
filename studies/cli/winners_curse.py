"""The winner's curse in one line: the value that was chosen, and that of fresh seeds."""

from __future__ import annotations

from math import isnan

import optuna

from storage.seeds import mean, spread
from studies.cli.format import number
from studies.lookup import as_argument
from studies.results.confirmed.fresh_values import fresh_values
from studies.results.confirmed.link import confirmations
from studies.statistics.intervals import interval

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def curse_line(
    trial: int,
    searched: float,
    fresh: float | None,
    low: float | None,
    n: int,
    unit: str = "seeds",
) -> str | None:
    """Return what the best setting of a search had there, and what it comes to anew.

    Args:
        trial: The trial that the search ranks first.
        searched: The value that it ranks it by.
        fresh: The mean over its fresh seeds, or new divisions.
        low: The lower end of Student's t interval of that mean; None or NaN where it has none.
        n: How many there are.
        unit: What is counted: `seeds` or `divisions`.

    Returns:
        None where there is no fresh value yet.
    """
    if not n or fresh is None:
        return None
    count = WORDS[n] if n < len(WORDS) else str(n)
    kind = f"{'fresh' if unit == 'seeds' else 'new'} {unit if n > 1 else unit[:-1]}"
    words = f"Trial {trial}: searched {number(searched)}, {count} {kind} {number(fresh)}"
    if low is None or isnan(low):
        return f"{words}."
    return f"{words} ± {number(fresh - low)} (95 %, Student's t over the {unit})."


def confirmed_lines(study: optuna.Study) -> list[str]:
    """Return such a line for each confirmation of a study's best settings, and where more is."""
    fresh, lines = fresh_values(study), []
    for name, link in confirmations(study).items():
        own = fresh.get(link.trials[0])
        if own is None or own.study != name:
            continue
        n, center = len(own.values), mean(own.values)
        ends = interval(center, spread(own.values), n)
        low = None if ends is None else ends[0]
        line = curse_line(link.trials[0], link.values[0], center, low, n)
        if line is not None:
            lines.append(f"{line} All of {name}: hpo confirm {as_argument(name)}")
    return lines
