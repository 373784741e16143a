"""The table `[search]` of a study's definition."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from studies.definition.sampler_options import (
    DEFAULT_SAMPLER,
    NamedOptions,
    read_pruner,
    read_sampler,
)
from studies.errors import DefinitionError, Mistakes

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

    design: Literal["grid", "one-factor-at-a-time", "orthogonal", "random"] | None = None
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

    @model_validator(mode="after")
    def _consistent(self) -> SearchOptions:
        if self.design and self.sampler:
            raise ValueError(
                f"Expected a design or a sampler. Received: design={self.design!r} and "
                f"sampler={self.sampler!r}."
            )
        if self.replicates > 1 and not self.design:
            raise ValueError(
                "Expected a design with replicates: a sampler chooses its own points. "
                f"Received: replicates={self.replicates}."
            )
        if self.repeats != "resample" and self.design:
            raise ValueError(
                "Expected no repeats with a design, which trains all its points. "
                f"Received: repeats={self.repeats!r}."
            )
        if not self.n_trials and not self.timeout and self.design in (None, "random"):
            what = "a random design" if self.design else "a sampler"
            raise ValueError(f"Expected n_trials, or a timeout, for {what}. Received: neither.")
        if self.design == "random" and not self.n_trials:
            raise ValueError("Expected n_trials for a random design. Received: none.")
        if bool(self.default) != (self.design == "one-factor-at-a-time"):
            raise ValueError(
                "Expected [search.default] with design one-factor-at-a-time, and only there. "
                f"Received: design={self.design!r}, default={self.default!r}."
            )
        if self.dummy_levels and self.design != "orthogonal":
            raise ValueError(
                "Expected dummy_levels with design orthogonal, and only there. "
                f"Received: design={self.design!r}, dummy_levels={self.dummy_levels!r}."
            )
        mistakes = Mistakes()
        with mistakes.noted():
            keyed("search.sampler", lambda: read_sampler(self.sampler or DEFAULT_SAMPLER))
        with mistakes.noted():
            keyed("search.pruner", lambda: read_pruner(self.pruner))
        mistakes.tell()
        return self
