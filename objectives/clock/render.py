"""Render pictures of analogue clocks: at any rotation, seen at an angle, behind glass, on a wall.

They replace a data set that cannot be downloaded freely: 18,000 grey pictures, 25 for each of the
720 minutes of the dial.
"""

import math

import numpy as np
from PIL import Image, ImageFilter

from objectives.clock.dial import draw_dial, draw_style
from objectives.clock.render_options import RENDERER_VERSION, Rendering
from objectives.types import Array

FINER = 3  # supersampling: each pixel is the mean of 3 x 3


def render(minute: int, size: int, seed: tuple[int, ...], rotation: float = 180.0) -> Array:
    """Render one clock.

    Args:
        minute: The time that it shows, from 0 to 719.
        size: Height and width in pixels.
        seed: The seed of everything random.
        rotation: The largest angle in degrees by which the dial is turned, either way.

    Returns:
        The picture, (size, size), uint8.
    """
    # One generator for each part: pictures of different sizes show the same clock in the same room.
    style, view, glass, wall, shadow, room, camera = np.random.default_rng(
        [RENDERER_VERSION, *seed]
    ).spawn(7)
    side = FINER * size
    dial = draw_dial(minute, draw_style(style), side)
    matrix = _view(view, side, math.radians(view.uniform(-rotation, rotation)))
    seen = dial.transform(
        (side, side), Image.Transform.PERSPECTIVE, _coefficients(matrix), Image.Resampling.BILINEAR
    ).reduce(FINER)
    shade, cover = (np.asarray(band, np.float32) for band in seen.split())
    cover /= 255
    clock = shade + _reflections(glass, size)
    behind = _wood(wall, size) * (1 - _shadow(shadow, seen.getchannel("A")))
    return _taken(camera, (behind * (1 - cover) + clock * cover) * _light(room, size))


def render_picture(rendering: Rendering, i: int, minute: int) -> Array:
    """Render a picture of a set.

    Args:
        rendering: The set.
        i: Which of its pictures.
        minute: The time that this one shows: `rendering.minutes[i]`.

    Returns:
        The picture, (size, size), uint8.
    """
    return render(minute, rendering.size, (rendering.seed, i), rendering.rotation)


def _view(rng: np.random.Generator, side: int, turn: float) -> Array:
    """Return the 3x3 matrix that maps a point of the dial to its place in the picture."""
    half = side / 2
    tilt, towards = math.radians(rng.uniform(0, 30)), rng.uniform(0, 2 * math.pi)
    distance = rng.uniform(3, 6)  # of the camera, in radii
    scale, shift = rng.uniform(0.86, 0.98), rng.uniform(-0.03, 0.03, 2)
    spun = _rotation(turn)
    # Turn, then tilt towards the direction `towards`, then project from a distance.
    axis = _rotation(towards)
    lean = axis @ np.diag([1, math.cos(tilt), 1]) @ axis.T
    depth = np.array([0, math.sin(tilt), 0]) @ axis.T / distance
    lean[2] += depth
    place = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
    to_units = np.array([[1 / half, 0, -1], [0, 1 / half, -1], [0, 0, 1]])
    return np.asarray(np.linalg.inv(to_units) @ place @ lean @ spun @ to_units)


def _rotation(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _coefficients(matrix: Array) -> list[float]:
    """Return the coefficients that Pillow takes: they map the result back to the source."""
    back = np.linalg.inv(matrix)
    return list((back / back[2, 2]).ravel()[:8])


def _grid(size: int) -> tuple[Array, Array]:
    """Return x and y of each pixel, from -1 to 1."""
    line = np.linspace(-1, 1, size, dtype=np.float32)
    return line[None, :], line[:, None]


def _wood(rng: np.random.Generator, size: int) -> Array:
    """Return a wooden wall with a grain."""
    x, y = _grid(size)
    angle = rng.uniform(0, math.pi)
    along = math.cos(angle) * x + math.sin(angle) * y
    across = -math.sin(angle) * x + math.cos(angle) * y
    bend = rng.uniform(0.05, 0.3) * np.sin(rng.uniform(1, 3) * along + rng.uniform(0, 6))
    knot = np.hypot(along - rng.uniform(-1, 1), 2 * (across - rng.uniform(-1, 1)))
    rings = rng.uniform(8, 30) * (across + bend + 0.3 * np.exp(-4 * knot**2))
    grain = np.sin(rings) + 0.5 * np.sin(2.7 * rings + 4 * along)
    fibre = rng.normal(0, 1, (1, size)).astype(np.float32)[:, (np.arange(size) * 7) % size]
    tone, depth = rng.uniform(60, 190), rng.uniform(8, 28)
    return np.asarray(tone + depth * grain + 2 * fibre, np.float32)


def _shadow(rng: np.random.Generator, cover: Image.Image) -> Array:
    """Return the share of the light that the clock blocks, for each pixel of the wall."""
    away = rng.uniform(-0.06, 0.06, 2) * cover.width
    shape = cover.filter(ImageFilter.GaussianBlur(0.03 * cover.width))
    moved = shape.transform(
        cover.size, Image.Transform.AFFINE, (1, 0, float(away[0]), 0, 1, float(away[1]))
    )
    return np.asarray(moved, np.float32) / 255 * np.float32(rng.uniform(0.2, 0.6))


def _reflections(rng: np.random.Generator, size: int) -> Array:
    """Return the light that the glass reflects: up to two windows, and a sheen."""
    x, y = _grid(size)
    light = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(0, 3)):
        angle, (cx, cy) = rng.uniform(0, math.pi), rng.uniform(-0.7, 0.7, 2)
        u = math.cos(angle) * (x - cx) + math.sin(angle) * (y - cy)
        v = -math.sin(angle) * (x - cx) + math.cos(angle) * (y - cy)
        half = rng.uniform(0.08, 0.3), rng.uniform(0.15, 0.6)
        edge = 0.06
        inside = np.clip((half[0] - abs(u)) / edge, 0, 1) * np.clip((half[1] - abs(v)) / edge, 0, 1)
        light += rng.uniform(10, 60) * inside
    turn = rng.uniform(0, 2 * math.pi)
    sheen = np.clip(math.cos(turn) * x + math.sin(turn) * y, 0, None) ** 2
    return np.asarray(light + rng.uniform(0, 40) * sheen, np.float32)


def _light(rng: np.random.Generator, size: int) -> Array:
    """Return the brightness of the room, which changes from one side to the other."""
    x, y = _grid(size)
    turn = rng.uniform(0, 2 * math.pi)
    slope = rng.uniform(0, 0.3) * (math.cos(turn) * x + math.sin(turn) * y)
    return np.asarray(rng.uniform(0.6, 1.05) * (1 + slope), np.float32)


def _taken(rng: np.random.Generator, picture: Array) -> Array:
    """Return the picture as a camera takes it: slightly out of focus, with noise."""
    sharp = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    blurred = sharp.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.008) * picture.shape[0]))
    noise = rng.normal(0, rng.uniform(1, 5), picture.shape)
    pixels: Array = np.asarray(blurred, np.float32) + noise
    return pixels.clip(0, 255).round().astype(np.uint8)
