"""The table `[search]` of a study's definition."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from studies.definition.sampler_options import (
    DEFAULT_SAMPLER,
    IN_ROUNDS,
    NamedOptions,
    is_wilcoxon,
    read_pruner,
    read_sampler,
)
from studies.errors import DefinitionError

FEWEST_SEEDS = 4  # for which Wilcoxon's test can tell two trials apart at all
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

T = TypeVar("T")


def keyed(key: str, check: Callable[[], T]) -> T:
    """Call `check`, and turn its `ValueError` into one that names a line of the definition.

    Args:
        key: The line.
        check: Checks the line's value, and may return something made from it.

    Raises:
        DefinitionError: `check` raised a `ValueError`.
    """
    try:
        return check()
    except ValueError as error:
        raise DefinitionError(key, str(error)) from None


class SearchOptions(BaseModel):
    """The table `[search]`: how points are chosen, and how many."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    design: Literal["grid", "one-factor-at-a-time", "orthogonal", "random", "settings"] | None = (
        None
    )
    sampler: NamedOptions | None = None
    pruner: NamedOptions = "none"
    n_trials: int | None = Field(None, ge=1)
    timeout: float | None = Field(None, gt=0)  # seconds
    trial_timeout: float | None = Field(None, gt=0)  # seconds after which a trial fails
    seed: int = Field(0, ge=0)
    replicates: int = Field(1, ge=1, le=1000)
    enqueue: list[dict[str, Any]] = []
    default: dict[str, Any] = {}
    # Whether a factor may stand in a column of an orthogonal array that has more levels, of which
    # some then repeat its first one; or, by factor, the level that is repeated.
    dummy_levels: bool | dict[str, Any] = False
    # What to do when a sampler proposes a point that the study already has with the same seed.
    repeats: Literal["resample", "reuse", "train"] = "resample"

    @property
    def n_seeds(self) -> int:
        """How many seeds a trial has. Those of a design's point are a trial each."""
        return 1 if self.design else self.replicates

    @property
    def one_by_one(self) -> bool:
        """Whether a trial's seeds are trained one after the other, for the pruner to compare."""
        return self.n_seeds > 1 and is_wilcoxon(self.pruner)

    @field_validator("timeout", "trial_timeout", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not (match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value.strip())):
            raise ValueError(
                f'Expected a duration such as "90s", "30m", "6h". Received: {value!r}.'
            )
        return float(match[1]) * UNITS[match[2]]

    # Of single lines, so that their mistakes are told beside those of others.
    @field_validator("sampler")
    @classmethod
    def _known_sampler(cls, value: NamedOptions | None) -> NamedOptions | None:
        keyed("search.sampler", lambda: read_sampler(value or DEFAULT_SAMPLER))
        return value

    @field_validator("pruner")
    @classmethod
    def _known_pruner(cls, value: NamedOptions) -> NamedOptions:
        keyed("search.pruner", lambda: read_pruner(value))
        return value

    @property
    def sampler_name(self) -> str:
        """The name of the sampler, whether or not there is one of that name."""
        spec = self.sampler or DEFAULT_SAMPLER
        return spec if isinstance(spec, str) else str(spec.get("name", ""))

    @property
    def in_rounds(self) -> bool:
        """Whether the trials are queued in rounds, which end by a rule of their own."""
        return self.design is None and self.sampler_name in IN_ROUNDS

    @property
    def varies_in_turn(self) -> bool:
        """Whether one factor after the other is varied, from `[search.default]`."""
        return self.in_rounds and self.sampler_name == "coordinate"

    @property
    def lists_points(self) -> bool:
        """Whether a trial has all its parameters when it is queued, by a design or in rounds."""
        return self.design is not None or self.in_rounds

    @property
    def needs_space(self) -> bool:
        """Whether its points are made of the levels of factors."""
        return self.lists_points and self.design != "settings"

    @model_validator(mode="after")
    def _consistent(self) -> SearchOptions:
        if self.design and self.sampler:
            raise ValueError(
                f"Expected a design or a sampler. Received: design={self.design!r} and "
                f"sampler={self.sampler!r}."
            )
        if self.repeats != "resample" and self.design:
            raise ValueError(
                "Expected no repeats with a design, which trains all its points. "
                f"Received: repeats={self.repeats!r}."
            )
        if self.repeats != "resample" and self.in_rounds:
            raise ValueError(
                f"Expected no repeats with the sampler {self.sampler_name}, which trains no point "
                f"twice. Received: repeats={self.repeats!r}."
            )
        has_end = self.in_rounds or self.design not in (None, "random")
        if not self.n_trials and not self.timeout and not has_end:
            what = "a random design" if self.design else "a sampler"
            raise ValueError(f"Expected n_trials, or a timeout, for {what}. Received: neither.")
        if self.design == "random" and not self.n_trials:
            raise ValueError("Expected n_trials for a random design. Received: none.")
        if self.design == "settings" and not self.enqueue:
            raise ValueError(
                "Expected settings in enqueue for design settings, which trains these and nothing "
                "else. Received: none. Write them as [[search.enqueue]]."
            )
        begins = self.design == "one-factor-at-a-time" or self.varies_in_turn
        if bool(self.default) != begins:
            raise ValueError(
                "Expected [search.default] with design one-factor-at-a-time or sampler coordinate, "
                f"and only there. Received: design={self.design!r}, sampler={self.sampler!r}, "
                f"default={self.default!r}."
            )
        if self.dummy_levels and self.design != "orthogonal":
            raise ValueError(
                "Expected dummy_levels with design orthogonal, and only there. "
                f"Received: design={self.design!r}, dummy_levels={self.dummy_levels!r}."
            )
        return self


def check_seeds(search: SearchOptions, *, is_function: bool) -> None:
    """Check that a new study's trials can have several seeds, and enough of them for its pruner.

    A function reports by itself what the pruner wilcoxon compares, instance by instance.

    Raises:
        ValueError: They cannot.
    """
    n = search.replicates
    if search.n_seeds > 1 and is_function:
        raise ValueError(
            "Expected 1 for a function with a sampler: it is called once a trial. Received: "
            f"replicates={n}. Let it compute each seed itself and return the mean, or take a "
            "design, whose seeds are trials."
        )
    if is_function or not is_wilcoxon(search.pruner):
        return
    if search.design:
        raise ValueError(
            "Expected a sampler with the pruner wilcoxon, which compares a trial's seeds: those of "
            f"a design's point are trials of their own. Received: design={search.design!r}."
        )
    if search.n_seeds < FEWEST_SEEDS:
        raise ValueError(
            f"Expected at least {FEWEST_SEEDS} with the pruner wilcoxon, which compares the seeds "
            f"of trials one by one. Received: replicates={n}."
        )
