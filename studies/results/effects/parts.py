"""The trials of a design in parts: all of them, and those that have a conditional factor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from studies.results.effects.trials import Level, Trial, Trials
from studies.statistics.factorial import Array, Codes


@dataclass(frozen=True)
class Part:
    """Trials that are analysed together.

    Attributes:
        within: What these trials have in common, in words; empty for all of them.
        trials: The trials, with the factors of the model: those that all of them have.
        told: The factors that are told here; the others are told of the whole.
    """

    within: str
    trials: Trials
    told: tuple[str, ...]

    @cached_property
    def levels(self) -> dict[str, list[Level]]:
        """Factor -> the levels that have a value, for factors with two of these or more."""
        found = {
            name: [x for x in levels if any(t.levels[name] == x for t in self.complete)]
            for name, levels in self.trials.factors.items()
        }
        return {name: levels for name, levels in found.items() if len(levels) > 1}

    @cached_property
    def complete(self) -> list[Trial]:
        """The trials that have a value."""
        return self.trials.complete

    @cached_property
    def values(self) -> Array:
        """Their values."""
        return np.asarray([trial.value for trial in self.complete], dtype=float)

    def codes(self, trials: Sequence[Trial]) -> Codes:
        """Return the number of the level of each factor of the model, by trial."""
        return {
            name: np.asarray([levels.index(t.levels[name]) for t in trials], dtype=np.intp)
            for name, levels in self.levels.items()
        }

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The number of levels of each factor of the model."""
        return {name: len(levels) for name, levels in self.levels.items()}

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds of the trials that have a value, where seeds are blocks; else none.

        They are where most points were queued with the same two seeds or more, whatever their
        trials have come to, and the others with one of these, as where a budget ends within a
        point. An array that has a point twice gives it further seeds, which are blocks too.
        """
        own: dict[Hashable, set[int | None]] = {}
        for trial in self.trials.trials:
            own.setdefault(trial.point, set()).add(trial.seed)
        several = [seeds for seeds in own.values() if len(seeds) > 1]
        if 2 * len(several) <= len(own) or any(None in seeds for seeds in own.values()):
            return []
        shared = set.intersection(*several)
        if len(shared) < 2 or any(not seeds & shared for seeds in own.values()):
            return []
        return sorted({trial.seed for trial in self.complete if trial.seed is not None})

    @cached_property
    def has_conditional(self) -> bool:
        """Whether some of the trials have factors that others have not."""
        return any(len(t.levels) > len(self.trials.factors) for t in self.trials.trials)

    @cached_property
    def is_balanced(self) -> bool:
        """Whether all points have equally many values, and none lacks one."""
        counts = Counter(trial.point for trial in self.complete)
        every = Counter(trial.point for trial in self.trials.trials)
        return counts == every and len(set(counts.values())) == 1


def parts_of(trials: Trials) -> list[Part]:
    """Return the whole with the factors that all trials have, then a part for each condition."""
    varied = [name for name, levels in trials.factors.items() if len(levels) > 1]
    having: dict[frozenset[int], list[str]] = {}
    for name in varied:
        numbers = frozenset(t.number for t in trials.trials if name in t.levels)
        having.setdefault(numbers, []).append(name)
    found = []
    for numbers, names in sorted(having.items(), key=lambda each: -len(each[0])):
        own = [t for t in trials.trials if t.number in numbers]
        common = [n for n in trials.factors if all(n in t.levels for t in own)]
        inner = trials.within(own, common)
        found.append(Part(_in_words(trials, inner), inner, tuple(names)))
    return found


def _in_words(whole: Trials, inner: Trials) -> str:
    """Return what trials have in common: the levels of the factors that have fewer there."""
    if len(inner.trials) == len(whole.trials):
        return ""
    fewer = {
        name: levels
        for name, levels in inner.factors.items()
        if len(levels) < len(whole.factors[name])
    }
    words = [f"{name} {' or '.join(map(str, levels))}" for name, levels in fewer.items()]
    return ", ".join(words) or f"{len(inner.trials)} trials that have it"
