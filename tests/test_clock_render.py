"""Rendered clocks: the same for a seed in every size, with hands that show the time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from objectives.clock.dial import draw_dial, draw_style
from objectives.clock.render import render
from objectives.clock.render_options import RENDERER_VERSION

# The mean shades of 4x4 parts of one picture.
BLOCKS = [[74, 91, 110, 98], [90, 134, 162, 119], [101, 171, 176, 142], [104, 141, 133, 134]]


def test_a_seed_gives_the_same_picture_and_another_seed_another() -> None:
    one = render(100, 75, (0, 7))
    assert (one.shape, one.dtype) == ((75, 75), np.uint8)
    np.testing.assert_array_equal(one, render(100, 75, (0, 7)))
    for other in ((0, 8), (1, 7)):
        assert (render(100, 75, other) != one).mean() > 0.5


def test_sizes_show_the_same_clock() -> None:
    small = [render(200, 50, (0, seed)).ravel() for seed in range(6)]
    large = [render(200, 150, (0, seed)) for seed in range(6)]
    reduced = [picture.reshape(50, 3, 50, 3).mean(axis=(1, 3)).ravel() for picture in large]
    likeness = np.corrcoef(small, reduced)[:6, 6:]  # but for the noise, which is each size's own
    assert np.diag(likeness).min() > likeness[~np.eye(6, dtype=bool)].max()


def test_hands_show_the_minute_and_the_hour_hand_moves_between_the_hours() -> None:
    style = draw_style(np.random.default_rng(0))
    dials = [np.asarray(draw_dial(minute, style, 300).getchannel("L")) for minute in range(720)]
    assert len({dial.tobytes() for dial in dials}) == 720
    # An hour apart the minute hand is the same and only the middle of the dial differs.
    different = np.argwhere(dials[60] != dials[0])
    assert np.hypot(*(different - 150).T).max() < 0.7 * 150
    # Half an hour apart the minute hand points the other way, which the rim's side shows.
    different = np.argwhere(dials[30] != dials[0])
    assert np.hypot(*(different - 150).T).max() > 0.6 * 150


def test_the_hands_point_where_the_time_says() -> None:
    """The hour hand half a degree a minute, the minute hand six, clockwise from the top."""
    style = draw_style(np.random.default_rng(0))
    hands = replace(
        style, ink=style.face, rim=style.face, hands=0, tail=0.0, taper=1.0,
        hour_hand=(0.5, 0.03), minute_hand=(0.9, 0.03),
    )  # fmt: skip
    y, x = np.indices((400, 400)) - 199.5
    angle, distance = np.degrees(np.arctan2(x, -y)) % 360, np.hypot(x, y) / 200
    for minute in (0, 1, 90, 215, 347, 480, 661, 719):
        dark = np.asarray(draw_dial(minute, hands, 400).getchannel("L")) < style.face / 2
        far = dark & (distance > 0.6) & (distance < 0.85)
        assert apart(angle[far], minute % 60 * 6).max() < 3
        near = dark & (distance > 0.3) & (distance < 0.45)
        others = near & (apart(angle, minute % 60 * 6) > 4)
        if minute != 0:
            assert others.any()
            assert apart(angle[others], minute / 2).max() < 4


def apart(one: Any, other: float) -> Any:
    """Return the degrees between angles, the shorter way round."""
    return np.abs((one - other + 180) % 360 - 180)


def test_a_version_of_the_renderer_has_its_own_pictures() -> None:
    """Sets are kept by the version, so so a change of what is rendered must raise it."""
    assert RENDERER_VERSION == 2
    picture = render(200, 60, (5,)).astype(float)
    blocks = picture.reshape(4, 15, 4, 15).mean(axis=(1, 3))
    np.testing.assert_allclose(blocks, BLOCKS, atol=3)  # libraries may round in their own ways


def test_twelve_is_anywhere_unless_dials_are_not_turned() -> None:
    def turn_of(rotation: float, seed: int) -> int:
        """Return by how many quarters a dial is turned, as the hour hand at 12 and 6 tells."""
        # What differs between 12:00 and 6:00 is the hour hand: darker or brighter, up or down.
        noon, six = (render(minute, 60, (seed,), rotation).astype(float) for minute in (0, 360))
        y, x = np.indices(noon.shape) - 29.5
        inside = np.hypot(x, y) < 18
        change = (noon - six) * inside
        angle = np.arctan2((change * x).sum(), -(change * y).sum())
        return round(angle / (np.pi / 2)) % 4

    assert len({turn_of(0.0, seed) for seed in range(12)}) == 1
    assert len({turn_of(180.0, seed) for seed in range(24)}) == 4
