"""`textures`: eight classes of drawn patterns to pretrain on, the sister of scenes.py with the same interface.

No scene is a texture of this set and no colour is reserved to a class. S = image size in pixels.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from PIL import Image

from trainables.data.dataset import Pixels
from trainables.data.drawing import (
    Colour,
    Drawn,
    Field,
    between,
    degrade,
    difficulties,
    fractal_noise,
    picture_rng,
    smooth_noise,
    turned_grid,
    two_tone,
)

Pattern = Callable[[np.random.Generator, int], Field]  # -> (S, S) in about [0, 1]


def _edge(field: Field) -> Field:
    """A field in [-1, 1] pushed towards 0 and 1, with soft edges."""
    soft: Field = np.clip(0.5 + 2.5 * field, 0, 1)
    return soft


def _stripes(rng: np.random.Generator, size: int) -> Field:
    across, _ = turned_grid(rng, size)
    return _edge(np.sin(2 * math.pi * across * between(rng, 5, 9)))


def _waves(rng: np.random.Generator, size: int) -> Field:
    across, along = turned_grid(rng, size)
    bend = between(rng, 0.08, 0.13) * np.sin(2 * math.pi * along * between(rng, 1.5, 3))
    return _edge(np.sin(2 * math.pi * (across + bend) * between(rng, 4, 8)))


def _cells(rng: np.random.Generator, size: int) -> tuple[Field, Field]:
    """Two fields in [-0.5, 0.5]: the place within the cells of a turned square lattice."""
    across, along = turned_grid(rng, size)
    number = between(rng, 4, 8)
    return (across * number) % 1 - 0.5, (along * number) % 1 - 0.5


def _dots(rng: np.random.Generator, size: int) -> Field:
    x, y = _cells(rng, size)
    return _edge(4 * (between(rng, 0.22, 0.38) - np.hypot(x, y)))


def _checks(rng: np.random.Generator, size: int) -> Field:
    across, along = turned_grid(rng, size)
    number = between(rng, 2, 4)
    return _edge(3 * np.sin(2 * math.pi * across * number) * np.sin(2 * math.pi * along * number))


def _net(rng: np.random.Generator, size: int) -> Field:
    x, y = _cells(rng, size)
    return _edge(6 * (np.maximum(np.abs(x), np.abs(y)) - between(rng, 0.36, 0.44)))


def _rings(rng: np.random.Generator, size: int) -> Field:
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    distance = np.hypot(axis - between(rng, 0.2, 0.8), (axis - between(rng, 0.2, 0.8))[:, None])
    return _edge(np.sin(2 * math.pi * (distance * between(rng, 5, 10) + rng.random())))


def _bricks(rng: np.random.Generator, size: int) -> Field:
    across, along = turned_grid(rng, size)
    courses = between(rng, 5, 8)
    course = np.floor(across * courses)
    joint_along = np.abs((along * courses / 2 + 0.5 * (course % 2)) % 1 - 0.5)
    joint_across = np.abs((across * courses) % 1 - 0.5)
    return _edge(8 * np.minimum(0.44 - joint_along, 0.38 - joint_across))


def _grain(rng: np.random.Generator, size: int) -> Field:
    return _edge(4 * (smooth_noise(rng, size, int(rng.integers(10, 24))) - 0.5))


_PATTERNS: dict[str, Pattern] = {
    "stripes": _stripes,
    "waves": _waves,
    "dots": _dots,
    "checks": _checks,
    "net": _net,
    "rings": _rings,
    "bricks": _bricks,
    "grain": _grain,
}

CLASSES = tuple(_PATTERNS)


def draw(count: int, size: int, seed: int) -> Drawn:
    """The first `count` textures of `seed`; a larger count begins with the same pictures."""
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    return Drawn(_pictures(count, size, seed), labels, difficulties(count, seed))


def _pictures(count: int, size: int, seed: int) -> Iterator[Pixels]:
    patterns = list(_PATTERNS.values())
    for index in range(count):
        rng = picture_rng(seed, index)
        difficulty, label = rng.random(), index % len(patterns)
        other = (label + int(rng.integers(1, len(patterns)))) % len(patterns)
        low, high = _colours(rng)
        picture = _worn(rng, patterns[label], size, low, high)
        yield degrade(rng, picture, partial(_worn, rng, patterns[other], size, low, high), difficulty)


def _worn(rng: np.random.Generator, pattern: Pattern, size: int, low: Colour, high: Colour) -> Image.Image:
    """The pattern in two colours and with uneven wear, as no real surface is even."""
    return two_tone(0.75 * pattern(rng, size) + 0.25 * fractal_noise(rng, size, 4), low, high)


def _colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """A dark and a light colour, both near grey: what there is to see is the pattern."""
    dark, light = between(rng, 45, 90), between(rng, 150, 200)
    return _tinted(rng, dark), _tinted(rng, light)


def _tinted(rng: np.random.Generator, brightness: float) -> Colour:
    red, green, blue = (round(brightness + tint) for tint in rng.uniform(-22, 22, size=3))
    return red, green, blue
