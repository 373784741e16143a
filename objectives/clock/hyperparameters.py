"""The hyperparameters of a network that reads the time from pictures of clocks."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import model_validator

from objectives.errors import SettingError
from objectives.fields import structural, tunable
from objectives.hyperparameters import Hyperparameters, Widths

Head = Literal[
    "regression",
    "regression_periodic",
    "classification",
    "two_heads",
    "hour_hand",
    "both_hands",
    "soft_circular",
    "von_mises",
    "hour_class_minute_circle",
]
HEAD_NUMBERS = ("minute_weight", "label_width")
"""The numbers that a head reads; see `objectives.objective.Objective.head_numbers`."""
DEFAULTS_BEFORE = {
    "batch_normalization": False,
    "n_classes": 720,
    "normalization_momentum": 0.99,
}
"""Of studies that were made before studies stored their defaults."""
# With which heads some hyperparameters have an effect.
TWO_HEADS = {"head": ("two_heads",)}
SOFT_LABELS = {"head": ("soft_circular", "hour_class_minute_circle")}
HANDS = {"head": ("hour_hand", "both_hands", "hour_class_minute_circle")}
OF_CLASSES = ("classification", "two_heads", "soft_circular")  # by their defaults
OTHER_HEADS = tuple(head for head in get_args(Head) if head not in OF_CLASSES)


class ClockHyperparameters(Hyperparameters):
    """What a network that reads the time can vary."""

    head: Head = structural(
        "both_hands", "What the network says of the time; see objectives.clock.heads."
    )
    regression_loss: Literal["mse", "mae"] = structural(
        "mse",
        "Loss of outputs that are a number.",
        needs=(
            {"head": ("regression",)},
            TWO_HEADS | {"hour_output": ("regression",)},
            TWO_HEADS | {"minute_output": ("regression",)},
        ),
    )
    n_classes: int = structural(
        72,
        "Classes of the dial, a divisor of 720; soft_circular has 60 of the minute too.",
        needs={"head": ("classification", "soft_circular")},
        ge=2,
        le=720,
    )
    hour_output: Literal["class", "regression"] = structural(
        "class", "How two_heads says the hour.", needs=TWO_HEADS
    )
    minute_output: Literal["class", "regression"] = structural(
        "class", "How two_heads says the minute.", needs=TWO_HEADS
    )
    minute_classes: int = structural(
        60,
        "Classes of the minute, a divisor of 60.",
        needs=TWO_HEADS | {"minute_output": ("class",)},
        ge=2,
        le=60,
    )
    hand_activation: Literal["tanh", "unit_norm"] = structural(
        "tanh",
        "Activation of sine and cosine: each by itself, or both to the length 1.",
        needs=HANDS,
    )
    separate_outputs: bool = structural(
        False,
        "Give a hand's sine and cosine the dense layers of head_units each for itself.",
        needs={"head_units": None, "head": (*HANDS["head"], "von_mises")},
    )
    decoding: Literal["independent", "joint"] = structural(
        "joint",
        "Hour and minute each by its own outputs, or the time that agrees with both.",
        needs={"head": ("both_hands", "soft_circular", "von_mises", "hour_class_minute_circle")},
    )
    label_shape: Literal["gaussian", "von_mises"] = structural(
        "gaussian",
        "Shape of soft labels.",
        needs=SOFT_LABELS,
    )
    label_width: float = tunable(
        1.0,
        "Deviation of soft labels, in classes.",
        needs=SOFT_LABELS,
        ge=0.05,
        le=100,
    )
    minute_weight: float = tunable(
        1.0,
        "Weight of the minute's loss where the hour has another.",
        needs={
            "head": (
                "two_heads",
                "both_hands",
                "soft_circular",
                "von_mises",
                "hour_class_minute_circle",
            )
        },
        ge=0,
        le=1000,
    )
    first_filters: int = structural(
        32, "Filters of the first pattern; each further one has twice as many.", ge=1, le=512
    )
    patterns: int = structural(3, "Patterns of convolutions and a 2x2 max pooling.", ge=1, le=7)
    convs_per_pattern: int = structural(2, "Convolutions in a pattern.", ge=1, le=4)
    kernel_size: int = structural(3, "Height and width of a convolution's kernel.", ge=1, le=11)
    strides: Literal["1x1", "2x2", "2x1 1x2"] = structural(
        "1x1", "Steps of the first convolutions, down and right: of one, or of one after another."
    )
    average_pooling: bool = structural(False, "Halve the picture's sides before all else.")
    gamma: float = structural(1.0, "Exponent of the pixels, from 0 to 1.", gt=0, le=10)
    coordinates: bool = structural(False, "Give each pixel its place, as two more channels.")
    augmentation: Literal["none", "light", "rotation"] = structural(
        "none",
        "While training, move the picture a little, change its brightness and raise its contrast; "
        "with rotation, turn it any way round too.",
    )
    conv_dropout: float = tunable(
        0.0, "Dropout rate after each pattern.", presence=True, shared=True, ge=0, lt=1
    )
    flat_dropout: float = tunable(
        0.0, "Dropout rate of the last pattern's outputs.", presence=True, shared=True, ge=0, lt=1
    )
    hidden_units: Widths = structural(
        (256,), "Units of each dense layer that the outputs share.", min_length=0, max_length=6
    )
    head_units: Widths = structural(
        (), "Units of the dense layers that each part of the head has.", min_length=0, max_length=4
    )
    dropout: float = tunable(
        0.0,
        "Dropout rate after each dense layer.",
        presence=True,
        shared=True,
        needs=({"hidden_units": None}, {"head_units": None}),
        ge=0,
        lt=1,
    )
    # Without it, classes alone are not learned: all labels together pull each activation of the
    # first steps at random, and what they have in common to zero, until no unit is left. The
    # other heads begin without it, and come nearer: a hand's angle is told by sizes, and each batch
    # has others. Wider than the type of the class above, which mypy refuses: None is no setting.
    batch_normalization: bool | None = structural(  # type: ignore[assignment]
        None,
        f"{Hyperparameters.model_fields['batch_normalization'].description} "
        f"None: true with the heads {', '.join(OF_CLASSES)}, which need it, else false.",
    )
    dense_normalization: bool = structural(
        False,
        "Normalize each batch after the first dense layer, if not everywhere.",
        needs=(
            {"hidden_units": None, "batch_normalization": (False,)},
            {"hidden_units": None, "batch_normalization": (None,), "head": OTHER_HEADS},
        ),
    )
    # The first layers' outputs drift faster than Keras's .99 follows, and so for four epochs of
    # 3,456 pictures no validation shows what was learned.
    normalization_momentum: float = structural(
        0.9,
        Hyperparameters.model_fields["normalization_momentum"].description or "",
        needs=(
            {"batch_normalization": (True,)},
            {"batch_normalization": (None,), "head": OF_CLASSES},
            {"dense_normalization": (True,)},
        ),
        gt=0,
        lt=1,
    )
    output_penalty: bool = structural(
        False,
        "Put the penalty on the kernels of the output layers too.",
        needs={"regularizer": None, "regularizer_strength": None},
    )

    def for_reading(self) -> ClockHyperparameters:
        """Return this setting without what has an effect on training only.

        That includes augmentation: Keras's augmenting layers also change pictures when a network is
        called as a function.
        """
        return super().for_reading().model_copy(update={"augmentation": "none"})

    @model_validator(mode="before")
    @classmethod
    def _normalize_by_head(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("batch_normalization") is not None:
            return data
        head = data.get("head", cls.model_fields["head"].default)
        return {**data, "batch_normalization": head in OF_CLASSES}

    @model_validator(mode="after")
    def _check_strides(self) -> ClockHyperparameters:
        steps = len(self.conv_steps())
        if steps > self.patterns * self.convs_per_pattern:
            raise SettingError(
                f"Expected a convolution for each of {steps} strides. Received: "
                f"strides={self.strides!r} with patterns=1 and convs_per_pattern=1."
            )
        return self

    @model_validator(mode="after")
    def _check_classes(self) -> ClockHyperparameters:
        for name, whole in (("n_classes", 720), ("minute_classes", 60)):
            value = getattr(self, name)
            if whole % value:
                raise SettingError(
                    f"Expected a number that divides {whole}. Received: {name}={value}."
                )
        return self

    def conv_steps(self) -> list[tuple[int, int]]:
        """Return the strides, down and right, of the first convolutions; the others have none."""
        pairs = [step.split("x") for step in self.strides.split()]
        return [(int(down), int(right)) for down, right in pairs]

    def check_input(self, input_shape: tuple[int, ...]) -> None:
        """Check that pictures (height, width, channels) are large enough for every layer.

        Raises:
            SettingError: A pooling would have nothing left.
        """
        down, right = input_shape[:2]
        if self.average_pooling:
            down, right = down // 2, right // 2
        for step in self.conv_steps():
            down, right = -(-down // step[0]), -(-right // step[1])
        side = min(down, right)
        if side < 2**self.patterns:
            raise SettingError(
                f"Expected at least {2**self.patterns} pixels a side for {self.patterns} patterns. "
                f"Received: {side} left of the picture. Use fewer patterns or smaller strides."
            )
