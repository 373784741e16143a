"""What training reads of a setting, whatever the network: built-in ones and those of users.

Each field has a kind. A *structural* one changes the compiled program, a *tunable* one is a number
inside it, and a *schedule* one is read by the training loop only.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, model_validator

from objectives import fields
from objectives.errors import unknown_name
from objectives.fields import HyperparameterInfo, schedule, structural

METRIC_SETTINGS = ("plateau_metric", "early_stopping_metric")
"""The settings that name a metric beside the study's."""


def _class_weight(value: Any) -> Any:
    if value is None or value == "balanced":
        return value
    # A frozen value is hashable, and a table of TOML is not.
    pairs = tuple(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, tuple) or not all(_is_weight(weight) for _, weight in pairs):
        raise ValueError("neither 'balanced' nor a table of weights")
    return tuple((str(label), float(weight)) for label, weight in pairs)


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6


class TrainingHyperparameters(pydantic.BaseModel):
    """What training reads, whatever the network: passes over the data, schedule, early stopping.

    Raises:
        pydantic.ValidationError: A name is unknown, or a value is out of bounds.
    """

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )

    batch_size: int = structural(
        128, "Pictures a gradient step; at most the training part.", ge=1, le=8192
    )
    epochs: int = schedule(
        10, "Passes over the training part.", needs={"steps": (None,)}, ge=1, le=10_000
    )
    steps: int | None = schedule(
        None,
        "Gradient steps in all, instead of epochs; the last epoch may be shorter.",
        ge=1,
        le=100_000_000,
    )
    class_weight: Annotated[Any, BeforeValidator(_class_weight)] = schedule(
        None, "What each class counts in the loss: 'balanced', or a table of labels and weights."
    )
    learning_rate_schedule: Literal["constant", "linear", "cosine", "exponential"] = schedule(
        "constant", "How the learning rate goes to its final value, epoch by epoch."
    )
    learning_rate_final: float = schedule(
        0.01,
        "Fraction of the first learning rate that the last epoch reaches.",
        needs={"learning_rate_schedule": ("linear", "cosine", "exponential")},
        gt=0,
        le=1,
    )
    plateau_patience: int | None = schedule(
        None,
        "Epochs without improvement before the learning rate is reduced; None: never.",
        ge=1,
        le=10_000,
    )
    plateau_factor: float = schedule(
        0.1,
        "What the learning rate is multiplied by on a plateau.",
        needs={"plateau_patience": None},
        gt=0,
        lt=1,
    )
    plateau_metric: str | None = schedule(
        None,
        "The metric that shows a plateau; None: the study's.",
        needs={"plateau_patience": None},
    )
    early_stopping_patience: int | None = schedule(
        None, "Epochs without improvement before training stops; None: never.", ge=1, le=10_000
    )
    early_stopping_min_delta: float = schedule(
        0.0,
        "The least change that counts as an improvement.",
        needs={"early_stopping_patience": None},
        ge=0,
        le=100,
    )
    early_stopping_metric: str | None = schedule(
        None,
        "The metric that stops training early; None: the study's.",
        needs={"early_stopping_patience": None},
    )
    restore_best_weights: bool = schedule(
        True, "Keep the best epoch's weights instead of the last one's."
    )

    @model_validator(mode="before")
    @classmethod
    def _check_names_and_values(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name, value in data.items():
                cls.check(name, value)
        return data

    def weights_of_classes(self) -> str | dict[str, float] | None:
        """Return `class_weight`; a table as a dict."""
        given = self.class_weight
        return dict(given) if isinstance(given, tuple) else given

    def changes_rate(self) -> bool:
        """Tell whether the learning rate changes from epoch to epoch."""
        return self.learning_rate_schedule != "constant" or self.plateau_patience is not None

    @classmethod
    def describe(cls) -> list[HyperparameterInfo]:
        """List every hyperparameter with its type, bounds, default, levels, kind and help."""
        # A network's own come first; those that all have are the last.
        names = sorted(
            cls.model_fields, key=lambda name: name in TrainingHyperparameters.model_fields
        )
        return [fields.describe(name, cls.model_fields[name]) for name in names]

    @classmethod
    def check(cls, name: str, value: Any, none: str = "None") -> Any:
        """Validate one value without making the whole setting.

        Args:
            name: The name of the hyperparameter.
            value: Its value.
            none: How None is written where the value comes from, for the error.

        Returns:
            The value as the field holds it: an int is converted to a float where one is expected,
            a list to a tuple, and nothing else.

        Raises:
            UnknownNameError: The name is unknown.
            SettingError: The value has another type or is out of bounds.
        """
        if name not in cls.model_fields:
            raise unknown_name("a hyperparameter", name, cls.model_fields)
        try:
            return _adapter(cls, name).validate_python(value)
        except pydantic.ValidationError:
            raise fields.broken_rule(name, cls.model_fields[name], value, none) from None

    def structure(self, levels: Mapping[str, Sequence[Any]] = {}) -> Hashable:
        """Return what the compiled program depends on: settings with equal values share one.

        A dropout layer, a penalty or a momentum costs time even at zero, so its presence is
        structural although its amount is not. Compiling costs more, though: where the trials of a
        study differ in their activation, or in the presence of a penalty, a dropout or a momentum,
        one program serves them all.

        Args:
            levels: Hyperparameter name -> the values that trials of the study can have, the default
                included if a trial can leave it out; for a range, both ends.
        """
        return tuple((name, self._served(name, levels)) for name in type(self).model_fields)

    def check_input(self, input_shape: tuple[int, ...]) -> None:
        """Check that the network can take pictures of a shape (height, width, channels).

        Raises:
            SettingError: The pictures are too small for the network.
        """

    def _served(self, name: str, levels: Mapping[str, Sequence[Any]]) -> frozenset[Hashable]:
        field = type(self).model_fields[name]
        return fields.served(field, getattr(self, name), levels.get(name, ()))


def defaults_of(hyperparameters: type[TrainingHyperparameters]) -> dict[str, Any]:
    """Return the default of every hyperparameter, as JSON.

    That of a field which the value of another decides stays None.
    """
    return hyperparameters.model_construct().model_dump(mode="json")


@cache
def _adapter(
    hyperparameters: type[TrainingHyperparameters], name: str
) -> pydantic.TypeAdapter[Any]:
    # Cached: a design of thousands of points checks every value of every point.
    return fields.adapter(hyperparameters.model_fields[name])
