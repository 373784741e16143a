"""Draw the face of an analogue clock, upright and seen from the front."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]
NUMERALS = ("12", *map(str, range(1, 12)))


@dataclass(frozen=True)
class Style:
    """The style of a clock. Lengths are fractions of the dial's radius; shades are 0 to 255.

    Attributes:
        face: Shade of the dial.
        ink: Shade of numerals and ticks.
        hands: Shade of the hands.
        rim: Shade of the ring around the dial.
        rim_width: Width of that ring.
        numerals_every: Hours from one numeral to the next.
        numeral_size: Height of a numeral.
        numeral_radius: Distance of a numeral's middle from the dial's.
        hour_tick: Length of the hour ticks.
        minute_tick: Length of the minute ticks; zero for none.
        hour_hand: Length and width of the hour hand.
        minute_hand: Length and width of the minute hand.
        tail: Length of the hands beyond the middle.
        taper: Width of a hand's tip as a fraction of its width.
    """

    face: int
    ink: int
    hands: int
    rim: int
    rim_width: float
    numerals_every: int
    numeral_size: float
    numeral_radius: float
    hour_tick: float
    minute_tick: float
    hour_hand: Point
    minute_hand: Point
    tail: float
    taper: float


def draw_style(rng: np.random.Generator) -> Style:
    """Choose the style of a clock at random."""
    face, ink = int(rng.integers(190, 256)), int(rng.integers(0, 60))
    # Hands contrast with the face, though not always as much as the numerals.
    hands = int(face + (ink - face) * rng.uniform(0.8, 1))
    minute_length = rng.uniform(0.68, 0.88)
    return Style(
        face=face,
        ink=ink,
        hands=hands,
        rim=int(rng.integers(20, 236)),
        rim_width=rng.uniform(0.04, 0.12),
        numerals_every=int(rng.choice([1, 3])),
        numeral_size=rng.uniform(0.19, 0.25),
        numeral_radius=rng.uniform(0.66, 0.72),
        hour_tick=rng.uniform(0.06, 0.12),
        minute_tick=rng.uniform(0.03, 0.05) if rng.random() < 0.6 else 0.0,
        hour_hand=(minute_length * rng.uniform(0.55, 0.7), rng.uniform(0.07, 0.11)),
        minute_hand=(minute_length, rng.uniform(0.045, 0.075)),
        tail=rng.uniform(0.0, 0.18),
        taper=rng.uniform(0.3, 1.0),
    )


def draw_dial(minute: int, style: Style, side: int) -> Image.Image:
    """Draw a clock.

    Args:
        minute: The time that it shows, from 0 to 719. The hour hand moves between the hours.
        style: Its style.
        side: Height and width of the picture in pixels; the clock touches its edges.

    Returns:
        A picture of mode "LA", transparent around the clock.
    """
    picture = Image.new("LA", (side, side), (style.rim, 0))
    pen = _Pen(ImageDraw.Draw(picture), side / 2)
    pen.disc(1.0, style.rim)
    pen.disc(1 - style.rim_width, style.face)
    inner = 0.97 - style.rim_width
    for tick in range(60):
        length = style.hour_tick if tick % 5 == 0 else style.minute_tick
        width = 0.035 if tick % 5 == 0 else 0.018
        if length > 0:
            pen.bar(tick * 6, inner - length, inner, width, style.ink)
    pen.polygon([pen.at(-7, inner), pen.at(7, inner), pen.at(0, inner - 0.17)], style.ink)
    _draw_numerals(picture, style)
    for angle, (length, width) in (
        (minute / 2, style.hour_hand),
        (minute % 60 * 6, style.minute_hand),
    ):
        pen.bar(angle, -style.tail, length, width, style.hands, style.taper)
    pen.disc(0.06, style.hands)
    return picture


def _draw_numerals(picture: Image.Image, style: Style) -> None:
    radius = picture.width / 2
    size = style.numeral_size * radius
    font = ImageFont.load_default(size)
    for hour in range(0, 12, style.numerals_every):
        angle = math.radians(hour * 30)
        # The numeral of 12 stands a little further in, below the triangle that marks it.
        away = radius * (style.numeral_radius - (0.08 if hour == 0 else 0.0))
        x, y = radius + away * math.sin(angle), radius - away * math.cos(angle)
        glyphs = Image.new("L", (int(3 * size), int(2 * size)))
        middle = (glyphs.width / 2, glyphs.height / 2)
        pen = ImageDraw.Draw(glyphs)
        pen.text(middle, NUMERALS[hour], fill=255, font=font, anchor="mm", stroke_width=size / 20)
        corner = (round(x - glyphs.width / 2), round(y - glyphs.height / 2))
        picture.paste(Image.new("LA", glyphs.size, (style.ink, 255)), corner, glyphs)


class _Pen:
    """Draws in units of the dial's radius, from its middle; angles in degrees from 12 o'clock."""

    def __init__(self, draw: ImageDraw.ImageDraw, radius: float) -> None:
        self._draw = draw
        self._radius = radius

    def at(self, angle: float, distance: float, aside: float = 0.0) -> Point:
        """Return the pixel at a distance along an angle, and some way to its right."""
        sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        x, y = distance * sine + aside * cosine, -distance * cosine + aside * sine
        return self._radius * (1 + x), self._radius * (1 + y)

    def disc(self, radius: float, shade: int) -> None:
        """Draw a disc around the middle."""
        x, y, r = self._radius, self._radius, radius * self._radius
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=(shade, 255))

    def bar(
        self, angle: float, low: float, high: float, width: float, shade: int, taper: float = 1.0
    ) -> None:
        """Draw a bar along an angle, from a distance to another."""
        self.polygon(list(self._corners(angle, low, high, width / 2, taper)), shade)

    def polygon(self, corners: list[Point], shade: int) -> None:
        self._draw.polygon(corners, fill=(shade, 255))

    def _corners(
        self, angle: float, low: float, high: float, half: float, taper: float
    ) -> Iterator[Point]:
        yield self.at(angle, low, -half)
        yield self.at(angle, high, -half * taper)
        yield self.at(angle, high, half * taper)
        yield self.at(angle, low, half)
