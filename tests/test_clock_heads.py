"""The heads: every minute comes back from its code, and readings are those that agree best."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from clock_heads import HEADS, NAMES, head_of
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.clock.heads import ClockHead, Output
from objectives.clock.hyperparameters import ClockHyperparameters
from objectives.clock.metrics import common_sense_error, summarize
from objectives.clock.parts import Hand

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
MINUTES = np.arange(720)
minutes = st.integers(0, 719)
# Labels so narrow that minutes in the middle of a class have nearly hard ones, and wide ones.
WIDTHS = [
    {"head": head, "n_classes": 72, "label_shape": shape, "label_width": width}
    for head in ("soft_circular", "hour_class_minute_circle")
    for shape in ("gaussian", "von_mises")
    for width in (0.2, 0.3, 0.5, 3.0)
]


def ideal(head: ClockHead) -> Any:
    """Return outputs that are right about each minute."""
    return np.concatenate([output.part.ideal() for output in head.outputs], 1).astype(np.float32)


def read(head: ClockHead, outputs: Any) -> Any:
    return keras.ops.convert_to_numpy(head.predict(np.asarray(outputs, np.float32)))


def test_every_head_is_tried() -> None:
    (known,) = [info.levels for info in ClockHyperparameters.describe() if info.name == "head"]
    assert {setting["head"] for setting, _ in HEADS} == set(known or ())


# The measure.


def test_error_is_the_shorter_way_round() -> None:
    assert common_sense_error(11 * 60 + 55, 5) == 10
    assert common_sense_error(5, 11 * 60 + 55) == 10
    np.testing.assert_array_equal(common_sense_error(np.array([0, 0, 1]), np.array([360, 361, 1])),
                                  [360, 359, 0])  # fmt: skip


@settings(deadline=None)
@given(minutes, minutes, st.integers(-2000, 2000))
def test_error_is_a_distance_on_the_circle(a: int, b: int, turn: int) -> None:
    error = common_sense_error(a, b)
    assert 0 <= error <= 360
    assert error == common_sense_error(b, a) == common_sense_error((a + turn) % 720, b + turn)
    assert (error == 0) == (a == b)


def test_all_measures_of_some_readings() -> None:
    y = np.array([0, 60, 119, 719, 300])
    predicted = np.array([0, 61, 124, 9, 660])
    assert summarize(y, predicted) == {
        "common_sense_error": (0 + 1 + 5 + 10 + 360) / 5,
        "median_error": 5,
        "p95_error": pytest.approx(290),
        "within_1": 0.4,
        "within_5": 0.6,
        "within_10": 0.8,
        "hour_accuracy": 0.4,
    }


# Codecs.


@pytest.mark.parametrize("decoding", ["joint", "independent"])
@pytest.mark.parametrize(("setting", "most"), HEADS, ids=NAMES)
def test_every_minute_comes_back_from_its_code(
    setting: dict[str, Any], most: int, decoding: str
) -> None:
    head = head_of(**setting, decoding=decoding)
    outputs = ideal(head)
    assert common_sense_error(read(head, outputs), MINUTES).max() == most
    # No label has a smaller loss with the outputs that are right about another minute.
    own = keras.ops.convert_to_numpy(head.loss(MINUTES, outputs))
    for shift in (most + 1, 30, 360):
        other = keras.ops.convert_to_numpy(head.loss((MINUTES + shift) % 720, outputs))
        assert np.isfinite(other).all()
        if most == 0:
            assert (other > own).all()


@pytest.mark.parametrize("decoding", ["joint", "independent"])
@pytest.mark.parametrize("setting", WIDTHS, ids=str)
def test_every_minute_comes_back_from_soft_labels_of_any_width(
    setting: dict[str, Any], decoding: str
) -> None:
    head = head_of(**setting, decoding=decoding)
    outputs = ideal(head)
    assert common_sense_error(read(head, outputs), MINUTES).max() == 0
    # And nothing is left to learn.
    np.testing.assert_allclose(head.loss(MINUTES, outputs), 0, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_hard_hour_leaves_the_minute_to_its_own_outputs(seed: int) -> None:
    outputs = np.random.default_rng(seed).normal(0, 0.5, (50, 72))
    for minute_output, units in (("class", 72), ("regression", 13)):
        setting = {"head": "two_heads", "minute_output": minute_output}
        joint, apart = (
            read(head_of(**setting, decoding=decoding), outputs[:, :units])
            for decoding in ("joint", "independent")
        )
        np.testing.assert_array_equal(joint, apart)


@settings(max_examples=30, deadline=None)
@given(minute=minutes, aside=st.floats(-25, 25))
def test_together_the_hands_forgive_an_hour_hand_that_is_a_little_off(
    minute: int, aside: float
) -> None:
    """Up to half an hour of error in the hour hand costs nothing where the minute hand is right."""
    hour, hand = Hand(720), Hand(60)
    angle = 2 * np.pi * (minute + aside) / 720
    outputs = np.concatenate([[np.sin(angle), np.cos(angle)], hand.ideal()[minute]])[None]
    parts = [Output("hour", hour), Output("minute", hand)]
    assert read(ClockHead(parts, is_joint=True), outputs) == minute
    apart = int(read(ClockHead(parts, is_joint=False), outputs)[0])
    expected = round((minute + aside) % 720) % 720 // 60 * 60 + minute % 60
    if abs((minute + aside) % 60 - 59.5) > 0.01 and abs((minute + aside) % 60) > 0.51:
        assert apart == expected


@pytest.mark.parametrize("decoding", ["joint", "independent"])
@pytest.mark.parametrize("setting", [setting for setting, _ in HEADS], ids=NAMES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.0, 1.0, 100.0]))
def test_the_time_read_is_a_minute_of_the_dial_whatever_the_outputs(
    setting: dict[str, Any], decoding: str, seed: int, scale: float
) -> None:
    head = head_of(**setting, decoding=decoding)
    units = sum(output.part.units for output in head.outputs)
    found = read(head, np.random.default_rng(seed).normal(0, scale, (20, units)))
    assert found.min() >= 0
    assert found.max() <= 719


@settings(deadline=None)
@given(st.floats(-50, 50, width=32))
def test_a_number_beyond_the_dial_is_read_as_its_nearest_end(hours: float) -> None:
    found = read(head_of(head="regression"), [[hours]])[0]
    assert abs(found - min(max(hours * 60, 0), 719)) <= 0.51


def test_of_a_unit_hand_the_direction_counts() -> None:
    head = head_of(head="hour_hand", hand_activation="unit_norm")
    outputs = ideal(head)
    for length in (0.01, 50):
        assert common_sense_error(read(head, outputs * length), MINUTES).max() == 0
        loss = keras.ops.convert_to_numpy(head.loss(MINUTES, outputs * np.float32(length)))
        assert loss.max() < 1e-5
    assert np.isfinite(head.loss(MINUTES, np.zeros((720, 2), np.float32))).all()


def test_a_soft_hour_and_the_minute_hand_agree_where_the_hour_alone_is_in_doubt() -> None:
    """Just before 5:00 the hours 4 and 5 are as likely; the minute hand tells which."""
    outputs = ideal(head_of(head="hour_class_minute_circle"))
    joint, apart = (
        head_of(head="hour_class_minute_circle", decoding=decoding)
        for decoding in ("joint", "independent")
    )
    late = np.concatenate([outputs[302:303, :12], outputs[298:299, 12:]], axis=1)
    assert read(joint, late)[0] == 298
    assert read(apart, late)[0] == 5 * 60 + 58  # an hour too late


def test_the_weight_of_the_minute_counts() -> None:
    outputs = np.zeros((720, 4), np.float32)
    losses = [
        keras.ops.convert_to_numpy(head_of(minute_weight=weight).loss(MINUTES, outputs))
        for weight in (0.0, 1.0, 3.0)
    ]
    np.testing.assert_allclose(losses[2] - losses[0], 3 * (losses[1] - losses[0]), rtol=1e-5)


def test_wide_labels_are_softer() -> None:
    outputs = ideal(head_of(head="soft_circular", label_width=1.0))
    sharp, soft = (head_of(head="soft_circular", label_width=width) for width in (1.0, 4.0))
    assert np.mean(soft.loss(MINUTES, outputs)) > np.mean(sharp.loss(MINUTES, outputs)) + 1


@pytest.mark.parametrize("name", ["n_classes", "minute_classes"])
def test_classes_divide_the_dial(name: str) -> None:
    with pytest.raises(ValueError, match=rf"Expected a number that divides .*{name}=7"):
        ClockHyperparameters(**{name: 7})
