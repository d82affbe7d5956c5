"""`scenes`: seven classes of drawn aerial pictures, after RSSCN7's seven, each with its true difficulty.

Every class takes its ground from one shared palette, so colour alone does not tell them apart; shape and texture do.
S = image size in pixels; see drawing.py for what difficulty does.
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
    Sketch,
    between,
    degrade,
    difficulties,
    fractal_noise,
    pick,
    picture_rng,
    shade,
    two_tone,
    vary,
)

GROUNDS = ((92, 116, 70), (118, 122, 74), (142, 122, 88), (120, 116, 108), (80, 98, 78), (156, 146, 116))
ROOFS = ((176, 92, 76), (150, 150, 156), (196, 190, 178), (110, 118, 140), (132, 100, 82), (92, 96, 98))
CARS = ((225, 225, 225), (40, 42, 48), (170, 48, 44), (60, 84, 140), (150, 152, 156), (196, 180, 120))
CROWNS = ((64, 92, 54), (84, 104, 56), (108, 112, 64), (124, 100, 60), (58, 80, 66))
WATERS = ((72, 96, 104), (86, 104, 84), (116, 110, 86), (60, 78, 92), (104, 122, 124))


def _ground(rng: np.random.Generator, size: int, contrast: float = 0.15, octaves: int = 2) -> Image.Image:
    """Mottled earth, the first layer of every scene; more octaves make it finer."""
    colour = vary(rng, pick(rng, GROUNDS))
    field = fractal_noise(rng, size, int(rng.integers(3, 7)), octaves, falloff=0.85)
    return two_tone(field, shade(colour, 1 - contrast), shade(colour, 1 + contrast))


def _sketch(rng: np.random.Generator, ground: Image.Image) -> Sketch:
    return Sketch(ground, between(rng, 0, math.pi))


def _winding(rng: np.random.Generator, swing: float) -> list[tuple[float, float]]:
    """Points of a curve that crosses the picture from one side to the other."""
    phase, waves, offset = between(rng, 0, 6.28), between(rng, 0.5, 1.3), between(rng, -0.2, 0.2)
    steps = np.linspace(-0.75, 0.75, 16)
    return [(float(x), offset + swing * math.sin(phase + 6.28 * waves * x)) for x in steps]


def _grass(rng: np.random.Generator, size: int) -> Image.Image:
    """Open ground: mottles, now and then a trodden path and a few bushes."""
    sketch = _sketch(rng, _ground(rng, size, contrast=0.5, octaves=4))
    if rng.random() < 0.35:
        sketch.line(_winding(rng, 0.08), between(rng, 0.012, 0.03), vary(rng, pick(rng, GROUNDS)))
    for _ in range(int(rng.integers(0, 5))):
        _crown(rng, sketch, between(rng, -0.5, 0.5), between(rng, -0.5, 0.5), 0.03, pick(rng, CROWNS))
    return sketch.picture()


def _field(rng: np.random.Generator, size: int) -> Image.Image:
    """Strips of farmland, each of its own colour and with its own furrows."""
    sketch = _sketch(rng, _ground(rng, size))
    x = -0.8
    while x < 0.8:
        width, soil = between(rng, 0.25, 0.6), vary(rng, pick(rng, GROUNDS))
        sketch.box(x, -0.8, width, 1.6, soil)
        furrow, spacing = shade(soil, between(rng, 0.66, 0.8)), between(rng, 0.05, 0.09)
        for step in np.arange(0, width, spacing):
            sketch.line([(x + step, -0.8), (x + step, 0.8)], spacing * 0.4, furrow)
        x += width + 0.02
    return sketch.picture()


def _industry(rng: np.random.Generator, size: int) -> Image.Image:
    """A few large halls with ribbed roofs and shadows, and round tanks."""
    sketch = _sketch(rng, _ground(rng, size))
    for x in (-0.62, -0.14, 0.34):
        y = -0.7 + between(rng, 0, 0.3)
        while y < 0.6:
            width, height = between(rng, 0.28, 0.42), between(rng, 0.25, 0.6)
            if rng.random() < 0.75:
                _hall(rng, sketch, x, y, width, height)
            else:
                sketch.disc(x + 0.15, y + 0.12, between(rng, 0.06, 0.11), vary(rng, pick(rng, ROOFS)))
            y += height + between(rng, 0.05, 0.15)
    return sketch.picture()


def _hall(rng: np.random.Generator, sketch: Sketch, x: float, y: float, width: float, height: float) -> None:
    roof = vary(rng, pick(rng, ROOFS))
    sketch.box(x + 0.03, y + 0.03, width, height, (52, 52, 54))
    sketch.box(x, y, width, height, roof)
    for rib in np.arange(0.05, height, 0.09):
        sketch.line([(x, y + rib), (x + width, y + rib)], 0.012, shade(roof, 0.82))


def _river(rng: np.random.Generator, size: int) -> Image.Image:
    """A band of smooth water with lighter banks winding across the picture."""
    sketch = _sketch(rng, _ground(rng, size))
    course, width, water = _winding(rng, between(rng, 0.06, 0.22)), between(rng, 0.18, 0.4), pick(rng, WATERS)
    sketch.line(course, width + 0.05, shade(pick(rng, GROUNDS), 1.15))
    sketch.line(course, width, vary(rng, water))
    for _ in range(int(rng.integers(0, 6))):
        _crown(rng, sketch, between(rng, -0.5, 0.5), between(rng, -0.5, 0.5), 0.035, pick(rng, CROWNS))
    return sketch.picture()


def _crown(rng: np.random.Generator, sketch: Sketch, x: float, y: float, radius: float, leaf: Colour) -> None:
    sketch.disc(x + 0.35 * radius, y + 0.35 * radius, radius, shade(leaf, 0.55))
    sketch.disc(x, y, 0.85 * radius, vary(rng, leaf, 0.25))


def _forest(rng: np.random.Generator, size: int) -> Image.Image:
    """Crown beside crown, each with its shadow; the odd clearing."""
    sketch = _sketch(rng, _ground(rng, size))
    leaf, spacing = pick(rng, CROWNS), between(rng, 0.1, 0.14)
    for row in np.arange(-0.72, 0.72, spacing):
        for column in np.arange(-0.72, 0.72, spacing):
            if sketch.sees(column, row) and rng.random() < 0.9:
                x, y = column + between(rng, -0.03, 0.03), row + between(rng, -0.03, 0.03)
                _crown(rng, sketch, x, y, spacing * between(rng, 0.45, 0.7), leaf)
    return sketch.picture()


def _homes(rng: np.random.Generator, size: int) -> Image.Image:
    """Rows of small two-sided roofs along streets, with trees in the gardens."""
    sketch = _sketch(rng, _ground(rng, size))
    plot, depth, street = between(rng, 0.15, 0.21), between(rng, 0.24, 0.32), shade((120, 118, 114), 0.95)
    for row in np.arange(-0.75, 0.75, depth):
        sketch.line([(-0.8, row), (0.8, row)], 0.035, street)
        for column in np.arange(-0.75, 0.75, plot):
            if not sketch.sees(column, row, margin=0.3):
                continue
            if rng.random() < 0.85:
                _house(rng, sketch, column + between(rng, 0, 0.03), row + 0.05, plot)
            _crown(rng, sketch, column, row + depth * 0.8, between(rng, 0.02, 0.035), pick(rng, CROWNS))
    return sketch.picture()


def _house(rng: np.random.Generator, sketch: Sketch, x: float, y: float, plot: float) -> None:
    roof, width, height = vary(rng, pick(rng, ROOFS)), plot * 0.68, between(rng, 0.09, 0.13)
    sketch.box(x + 0.015, y + 0.015, width, height, (54, 54, 52))
    sketch.box(x, y, width, height / 2, shade(roof, 1.15))
    sketch.box(x, y + height / 2, width, height / 2, shade(roof, 0.78))


def _parking(rng: np.random.Generator, size: int) -> Image.Image:
    """Rows of small cars in marked bays on even ground."""
    sketch = _sketch(rng, _ground(rng, size, contrast=0.06))
    bay, row, filled = between(rng, 0.065, 0.085), -0.75, between(rng, 0.55, 0.95)
    while row < 0.75:
        for column in np.arange(-0.75, 0.75, bay):
            if not sketch.sees(column, row):
                continue
            sketch.line([(column, row), (column, row + 0.11)], 0.006, (200, 200, 196))
            if rng.random() < filled:
                sketch.box(column + 0.2 * bay, row + 0.01, 0.62 * bay, 0.085, vary(rng, pick(rng, CARS)))
        row += 0.115 if rng.random() < 0.5 else between(rng, 0.19, 0.25)
    return sketch.picture()


_PAINTERS: dict[str, Callable[[np.random.Generator, int], Image.Image]] = {
    "grass": _grass,
    "field": _field,
    "industry": _industry,
    "river": _river,
    "forest": _forest,
    "homes": _homes,
    "parking": _parking,
}

CLASSES = tuple(_PAINTERS)


def draw(count: int, size: int, seed: int) -> Drawn:
    """The first `count` scenes of `seed`; a larger count begins with the same pictures."""
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    return Drawn(_pictures(count, size, seed), labels, difficulties(count, seed))


def _pictures(count: int, size: int, seed: int) -> Iterator[Pixels]:
    painters = list(_PAINTERS.values())
    for index in range(count):
        rng = picture_rng(seed, index)
        difficulty, label = rng.random(), index % len(painters)
        other = (label + int(rng.integers(1, len(painters)))) % len(painters)
        yield degrade(rng, painters[label](rng, size), partial(painters[other], rng, size), difficulty)
