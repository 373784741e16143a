"""What stands out in the effects of a study: levels that fail, factors that depend on others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from studies.results.effects.design import PartEffects, told_rows
from studies.results.effects.levels import endings_of, in_words, n_broken
from studies.results.effects.trials import BROKEN, OPEN, Trial

LEVEL = 0.05  # of a test below which something is told as a finding
MOST = 10  # interactions that are told


def findings(
    trials: Sequence[Trial], rows: Sequence[Mapping[str, Any]], parts: Sequence[PartEffects]
) -> list[str]:
    """Return what stands out, a sentence each.

    Args:
        trials: The trials.
        rows: The level means.
        parts: The effects; none of a search.
    """
    return [*_endings(trials), *_levels(rows), *_interactions(parts)]


def _endings(trials: Sequence[Trial]) -> list[str]:
    counts, n = Counter(trial.ending for trial in trials), len(trials)
    found = []
    broken = {ending: counts[ending] for ending in BROKEN}
    if any(broken.values()):
        words = in_words(broken, n)
        found.append(f"{words} in all: they are in no mean, so that means may be too good.")
    if counts[OPEN]:
        found.append(f"{counts[OPEN]} of {n} have not ended: all of this may change.")
    return found


def _levels(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the levels whose trials failed more often than those of the factor's other levels."""
    from scipy.stats import fisher_exact

    found = []
    for row in rows:
        own, n = n_broken(row), row["n_trials"]
        others = [r for r in rows if r["factor"] == row["factor"] and r is not row]
        rest, n_rest = sum(map(n_broken, others)), sum(r["n_trials"] for r in others)
        if not own:
            continue
        table = [[own, n - own], [rest, n_rest - rest]]
        is_rare = float(fisher_exact(table, alternative="greater").pvalue) >= LEVEL
        if own < n and is_rare:
            continue
        words = f"{row['factor']} {row['level']}: {in_words(endings_of(row), n)}"
        found.append(f"{words}; of its other levels {rest} of {n_rest}." if others else f"{words}.")
    return found


def _interactions(parts: Sequence[PartEffects]) -> list[str]:
    rows = [row for part in parts for row in told_rows(part) if len(row.term) > 1]
    rows = sorted((row for row in rows if row.p is not None and row.p < LEVEL), key=_p)
    found = [
        f"{' x '.join(row.term)}: the effect of the one depends on the other (p {p_text(row.p)})."
        for row in rows[:MOST]
    ]
    if len(rows) > MOST:
        found.append(f"So it is with {len(rows) - MOST} more interactions.")
    for part in parts:
        if part.part.has_conditional:
            continue
        lack = None if part.anova is None else part.anova.lack
        if lack is not None and lack.p is not None and lack.p < LEVEL:
            where = f" within {part.part.within}" if part.part.within else ""
            found.append(
                f"Interactions that no line tells are there{where}: points differ by more than "
                f"these lines and the seeds explain (p {p_text(lack.p)})."
            )
    return found


def p_text(p: float | None) -> str:
    """Return a p value after a sign: `= 0.0213`, or `< 0.0001`."""
    if p is None:
        return ""
    return "< 0.0001" if p < 1e-4 else f"= {p:.4f}"


def _p(row: Any) -> float:
    return float(row.p)
