"""A setting of a network that a user builds: what training reads, what its function asks for."""

from typing import Any

import pydantic

from objectives.fields import schedule
from objectives.own.parameter import Value
from objectives.training_hyperparameters import TrainingHyperparameters


class OwnHyperparameters(TrainingHyperparameters):
    """What training reads, and values under any other name, which only `build(trial)` knows.

    Which of those names there are shows when the function is called.
    """

    model_config = pydantic.ConfigDict(extra="allow")

    steps_per_epoch: int | None = schedule(
        None,
        "Batches of an epoch, where the data come batch by batch; needed where they do not end.",
        ge=1,
        le=100_000_000,
    )
    validation_steps: int | None = schedule(
        None, "Likewise of the data to validate on.", ge=1, le=100_000_000
    )

    @classmethod
    def check(cls, name: str, value: Any, none: str = "None") -> Any:
        """Validate a value that training reads; see `TrainingHyperparameters.check`."""
        return super().check(name, value, none) if name in cls.model_fields else value

    def given(self) -> dict[str, Value]:
        """Return all values by name, which the function may ask for: training's own ones too.

        Those that nobody has set are left out, as a batch size that the function chooses.
        """
        return {name: getattr(self, name) for name in self.model_fields_set}

    def check_input(self, input_shape: tuple[int, ...]) -> None:
        """Accept: only building the network tells what it takes."""
