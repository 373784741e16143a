"""The trial that a user's function gets: with the levels that the study's author wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from studies.space.factor import Scalar, same
from studies.space.space import Space


class FunctionTrial(optuna.Trial):
    """Optuna's trial, whose levels are not the labels under which the database has them.

    A level `[16]` of `[space]` is stored as the text `16`; the function gets the list. A level that
    sets several parameters sets them, one that sets nothing leaves its parameter out.

    Args:
        trial: Optuna's trial. Both are the same trial from then on.
        space: The study's space.
        params: The trial's parameters in that space, as `prepare_trial` returns them.
        seed: The seed of its point.
        n_seeds: How many seeds the trial has, from that one on; each is a call of the function.

    Attributes:
        seed: The seed of this call. Of a design's replicates each is a trial, and has its own.
        seed_number: Which of the trial's seeds it is, from 0; None where it has one.
        has_reported: Whether the function has reported values of its own that are not kept, since
            the trial has several seeds.
    """

    def __init__(
        self,
        trial: optuna.Trial,
        space: Space,
        params: Mapping[str, Scalar],
        seed: int,
        n_seeds: int = 1,
    ) -> None:
        # Not Optuna's constructor, which would ask the sampler a second time.
        self.__dict__.update(trial.__dict__)
        self.seed = seed
        self.seed_number = None if n_seeds == 1 else 0
        self.has_reported = False
        self._set = space.resolve(params)
        factors = [space.factors[name] for name in params if space.factors[name].meaning]
        self._settable = {n for each in factors for sets in each.meaning.values() for n in sets}

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by name, with the levels as the study's author wrote them."""
        stored = {n: v for n, v in super().params.items() if n not in self._settable}
        return {**stored, **self._set}

    def next_seed(self) -> None:
        """Let the next call have the next seed."""
        if self.seed_number is not None:
            self.seed, self.seed_number = self.seed + 1, self.seed_number + 1

    def report_seed(self, value: float) -> None:
        """Report what the call with this seed came to: the first is step 1, as for networks."""
        super().report(value, (self.seed_number or 0) + 1)

    def report(self, value: float, step: int) -> None:
        """Report a value at a step; of several seeds, whose steps are others, it is not kept."""
        if self.seed_number is None:
            super().report(value, step)
        self.has_reported |= self.seed_number is not None

    def should_prune(self) -> bool:
        """Ask the pruner; of several seeds it is asked between the calls, and not within one."""
        return self.seed_number is None and super().should_prune()

    def is_worse(self) -> bool:
        """Ask the pruner whether to end the trial after this seed."""
        return super().should_prune()

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return the level of a parameter of the study's space, or choose one of another.

        Raises:
            ValueError: The study's space has another level than these.
        """
        if name not in self._settable:
            return super().suggest_categorical(name, choices)
        level = self._set.get(name)
        if not any(same(level, choice) for choice in choices):
            raise ValueError(
                f"Expected {name} to have the levels of the study's [space]. "
                f"Received: {list(choices)!r}, without {level!r}."
            )
        return level

    def suggest_float(self, name: str, low: float, high: float, **options: Any) -> Any:
        """Return the level of a parameter of the study's space, or choose a value of another."""
        if name in self._settable:
            return self._set.get(name)
        return super().suggest_float(name, low, high, **options)

    def suggest_int(self, name: str, low: int, high: int, **options: Any) -> Any:
        """Return the level of a parameter of the study's space, or choose a value of another."""
        if name in self._settable:
            return self._set.get(name)
        return super().suggest_int(name, low, high, **options)
