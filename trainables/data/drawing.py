"""Drawing primitives shared by the two embedded sets, and what difficulty does to a picture.

S = image size in pixels. Positions and lengths are fractions of the image's side, so a picture is the same picture at
any size. A finished picture is (S, S, 3) uint8. All randomness comes from the generator that is passed in.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from trainables.data.dataset import Floats, Ints, Pixels

Colour = tuple[int, int, int]
Field = npt.NDArray[np.floating[Any]]  # (S, S) of float32

# Part of the cache key: raise it when any drawing changes, or old caches would be taken for the new pictures.
DRAWING_VERSION = 1

_OVERSAMPLING = 2  # shapes are drawn twice as large and averaged down, for edges without stairs
_MIXED_FROM = 0.3  # the difficulty from which another class shines through; easier pictures need not draw one


class Drawn(NamedTuple):
    """N pictures: the iterator draws them one by one in index order, the arrays are known before."""

    images: Iterator[Pixels]  # N of (S, S, 3)
    labels: Ints  # (N,)
    difficulty: Floats  # (N,) in [0, 1]


def picture_rng(seed: int, index: int) -> np.random.Generator:
    """The generator of one picture: its first draw is the difficulty, and no other picture disturbs it."""
    return np.random.default_rng([seed, index])


def difficulties(count: int, seed: int) -> Floats:
    """(count,) in [0, 1): what each picture's own generator gives first."""
    return np.array([picture_rng(seed, index).random() for index in range(count)])


def between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def pick(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made lighter (factor > 1) or darker (< 1)."""
    red, green, blue = colour
    return min(255, int(red * factor)), min(255, int(green * factor)), min(255, int(blue * factor))


def vary(rng: np.random.Generator, colour: Colour, amount: float = 0.12) -> Colour:
    return shade(colour, between(rng, 1 - amount, 1 + amount))


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Field:
    """(S, S) float32 in about [0, 1]: random values on a grid of `cells` x `cells`, smoothly enlarged."""
    grid = rng.random((cells, cells), dtype=np.float32)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))


def fractal_noise(rng: np.random.Generator, size: int, cells: int, octaves: int = 3, falloff: float = 0.6) -> Field:
    """(S, S) float32 in about [0, 1]: smooth noise of `cells` and of its doublings, each `falloff` times the last."""
    weights = [falloff**octave for octave in range(octaves)]
    layers = [weight * smooth_noise(rng, size, cells * 2**octave) for octave, weight in enumerate(weights)]
    return sum(layers[1:], layers[0]) / sum(weights)


def two_tone(field: Field, low: Colour, high: Colour) -> Image.Image:
    """The field's 0 painted `low`, its 1 painted `high`, and between them a blend; (S, S) in, an RGB picture out."""
    start, end = np.asarray(low, dtype=np.float32), np.asarray(high, dtype=np.float32)
    pixels = start + np.clip(field, 0, 1)[..., None] * (end - start)
    return Image.fromarray(pixels.astype(np.uint8))


def turned_grid(rng: np.random.Generator, size: int) -> tuple[Field, Field]:
    """Two (S, S) float32 coordinate fields across and along a random direction, in image sides, randomly shifted."""
    angle = between(rng, 0, math.pi)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    down, right = np.meshgrid(axis, axis, indexing="ij")
    across = right * math.cos(angle) + down * math.sin(angle) + between(rng, 0, 1)
    along = down * math.cos(angle) - right * math.sin(angle) + between(rng, 0, 1)
    return across, along


class Sketch:
    """Shapes in a turned frame on top of a picture: (0, 0) is the centre, the picture's side is 1."""

    def __init__(self, ground: Image.Image, angle: float = 0.0) -> None:
        self._side = ground.width * _OVERSAMPLING
        self._image = ground.resize((self._side, self._side), Image.Resampling.NEAREST)  # reduced, the same again
        self._pen = ImageDraw.Draw(self._image)
        self._cos, self._sin = math.cos(angle), math.sin(angle)

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        across, down = x * self._cos - y * self._sin, x * self._sin + y * self._cos
        return (across + 0.5) * self._side, (down + 0.5) * self._side

    def sees(self, x: float, y: float, margin: float = 0.12) -> bool:
        """Whether a shape at (x, y) that reaches no further than `margin` can show."""
        across, down = x * self._cos - y * self._sin, x * self._sin + y * self._cos
        return abs(across) < 0.5 + margin and abs(down) < 0.5 + margin

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A rectangle whose corner nearest the frame's origin is (x, y)."""
        left, top = self._pixel(x, y)
        wide, high = width * self._side, height * self._side
        right, below = left + wide * self._cos, top + wide * self._sin
        across, down = -high * self._sin, high * self._cos
        self._pen.polygon((left, top, right, below, right + across, below + down, left + across, top + down), colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        across, down = self._pixel(x, y)
        reach = radius * self._side
        self._pen.ellipse((across - reach, down - reach, across + reach, down + reach), fill=colour)

    def line(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        pixels = [self._pixel(*point) for point in points]
        self._pen.line(pixels, fill=colour, width=max(1, round(width * self._side)), joint="curve")

    def picture(self) -> Image.Image:
        """What has been drawn, at the size of the ground."""
        return self._image.reduce(_OVERSAMPLING)


def degrade(
    rng: np.random.Generator, picture: Image.Image, paint_other: Callable[[], Image.Image], difficulty: float
) -> Pixels:
    """The picture made as hard to name as `difficulty` in [0, 1] says: (S, S, 3).

    Each of these grows from nothing (or little) at 0: scattered objects that belong to no class lie on top, the whole
    is blurred, flattened and grainy, and, from _MIXED_FROM on, another class's picture shines through.
    """
    size = picture.width
    if difficulty > _MIXED_FROM:
        picture = _mix(rng, np.asarray(picture), np.asarray(paint_other()), difficulty)
    cluttered = _clutter(rng, picture, round(7 * difficulty))
    blurred = cluttered.filter(ImageFilter.GaussianBlur(0.012 * size * difficulty**1.5))
    pixels = np.asarray(blurred, dtype=np.float32)
    pixels = pixels.mean() + (pixels - pixels.mean()) * (1 - 0.45 * difficulty)
    light = rng.uniform(0.92, 1.08, size=3).astype(np.float32)
    grain = rng.standard_normal(pixels.shape, dtype=np.float32) * (3 + 8 * difficulty)
    worn: Pixels = np.clip(pixels * light + grain, 0, 255).astype(np.uint8)
    return worn


def _mix(rng: np.random.Generator, pixels: Pixels, other: Pixels, difficulty: float) -> Image.Image:
    """Let `other` shine through in cloud-like patches, never so far that it outweighs the picture itself."""
    strength = (difficulty - _MIXED_FROM) / (1 - _MIXED_FROM)
    patches = np.clip(smooth_noise(rng, len(pixels), 4) * 1.6 - 0.3, 0, 1)
    share = (strength * (0.05 + 0.4 * patches))[..., None]
    return Image.fromarray((pixels * (1 - share) + other * share).astype(np.uint8))


def _clutter(rng: np.random.Generator, picture: Image.Image, objects: int) -> Image.Image:
    sketch = Sketch(picture, between(rng, 0, math.pi))
    for _ in range(objects):
        red, green, blue = rng.integers(60, 190, size=3)
        colour, kind = (int(red), int(green), int(blue)), rng.integers(3)
        x, y, reach = between(rng, -0.6, 0.6), between(rng, -0.6, 0.6), between(rng, 0.02, 0.09)
        if kind == 0:
            sketch.disc(x, y, reach, colour)
        elif kind == 1:
            sketch.box(x, y, 2 * reach, between(rng, 1, 3) * reach, colour)
        else:
            sketch.line([(x, y), (x + between(rng, -0.5, 0.5), y + between(rng, -0.5, 0.5))], 0.02, colour)
    return sketch.picture()
