"""Sheets of pictures that show what a difficulty calls easy and hard. values (N,), higher is harder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont
from PIL.ImageFont import ImageFont as BitmapFont

from console.wording import many, printable
from trainables.data.dataset import Dataset, Floats, Ints

GROUPS = ("easiest", "median", "hardest")  # of each class, from left to right
SHOWN = 4  # images of each group and class
CLASSES = 12  # on one sheet, which is then about as high as two screens
SHEETS = 6  # at most: of more classes the hardest are shown
CELL, GAP, EDGE, LINE = 84, 6, 14, 13  # pixels: of an image, between two, around groups, of a line of small text
HEAD, BAND = 62, 24  # pixels: above the first class, above the images of each
LETTERS = 60  # of a name or a title, at most
INK, SOFT, STRIPE = "#1B1F24", "#5B6570", "#EEF1F4"
WIDTH = len(GROUPS) * (SHOWN * (CELL + GAP) + EDGE) + EDGE


@dataclass(frozen=True)
class Numbering:
    """How a sheet says which image is which."""

    word: str = "image"
    first: int = 0  # the number of image 0
    meaning: str = "its number in the data set"

    def of(self, index: int) -> str:
        return f"{self.word} {index + self.first}"


IN_CSV = Numbering("row", 2, "its row of the CSV")  # the first row of a CSV holds its headings


def groups(data: Dataset, values: Floats, label: int) -> tuple[Ints, Ints, Ints]:
    """Numbers of the easiest, median and hardest images of one class; of few images some are in several groups."""
    members = np.flatnonzero(data.labels == label)
    ranked = members[np.argsort(values[members], kind="stable")]
    middle = max(0, len(ranked) // 2 - SHOWN // 2)
    return ranked[:SHOWN], ranked[middle : middle + SHOWN], ranked[-SHOWN:]


def shown_classes(data: Dataset, values: Floats, most: int = CLASSES * SHEETS) -> list[int]:
    """All classes, or the `most` with the highest mean difficulty where there are more; in the order of the data."""
    means = [float(values[data.labels == label].mean()) for label in range(len(data.classes))]
    return sorted(int(label) for label in np.argsort(means)[::-1][:most])


def sheets(
    data: Dataset, values: Floats, classes: Sequence[int], title: str, numbering: Numbering
) -> list[Image.Image]:
    """Of these classes, CLASSES on each sheet."""
    parts = [classes[start : start + CLASSES] for start in range(0, len(classes), CLASSES)]
    more = [f", sheet {place + 1} of {len(parts)}" if len(parts) > 1 else "" for place in range(len(parts))]
    return [_sheet(data, values, part, title + said, numbering) for part, said in zip(parts, more, strict=True)]


def _sheet(data: Dataset, values: Floats, classes: Sequence[int], title: str, numbering: Numbering) -> Image.Image:
    """Headings, then a row per class: its easiest, its median and its hardest images, from left to right."""
    row = BAND + CELL + 2 * LINE + GAP
    picture = Image.new("RGB", (WIDTH, HEAD + len(classes) * row + GAP), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((EDGE, 8), _short(title), INK, _font(16))
    word = f"Under each image: {numbering.meaning} and its score; higher is harder."
    draw.text((WIDTH - EDGE, 12), word, SOFT, _font(11), anchor="ra")
    for place, name in enumerate(GROUPS):
        draw.text((_left(place), 38), name, INK, _font(14))
    for place, label in enumerate(classes):
        top = HEAD + place * row
        draw.rectangle((0, top, WIDTH, top + BAND - GAP), STRIPE)
        count = int(np.sum(data.labels == label))
        draw.text((EDGE, top + 2), f"{_short(data.classes[label])}, {many(count, 'image')}", INK, _font(12))
        for group, chosen in enumerate(groups(data, values, label)):
            for column, index in enumerate(chosen.tolist()):
                at = _left(group) + column * (CELL + GAP), top + BAND
                _paste(picture, data, values, index, at, numbering)
    return picture


def _left(group: int) -> int:
    return EDGE + group * (SHOWN * (CELL + GAP) + EDGE)


def _paste(
    picture: Image.Image, data: Dataset, values: Floats, index: int, at: tuple[int, int], numbering: Numbering
) -> None:
    """One image with its number and its score below; a small one shows its own pixels."""
    small = data.image_size < CELL
    image = Image.fromarray(data.images[index])
    picture.paste(image.resize((CELL, CELL), Image.Resampling.NEAREST if small else Image.Resampling.BICUBIC), at)
    draw, (x, y) = ImageDraw.Draw(picture), at
    draw.text((x, y + CELL + 1), numbering.of(index), INK, _font(10))
    draw.text((x, y + CELL + 1 + LINE), _score(values[index]), SOFT, _font(10))


def _score(value: float) -> str:
    return "< 0.01" if 0 < value < 0.01 else f"{value + 0.0:.2g}"  # no -0


def _short(text: str) -> str:
    return printable(text if len(text) <= LETTERS else text[: LETTERS - 1] + "…").replace("\n", " ")


@lru_cache(maxsize=8)
def _font(size: int) -> FreeTypeFont | BitmapFont:
    """DejaVu Sans as it lies in matplotlib, which need not be loaded for it: Pillow's own font has no "ł" and no "ß"."""
    found = find_spec("matplotlib")
    path = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if found and found.origin else Path()
    return ImageFont.truetype(path, size) if path.is_file() else ImageFont.load_default(size)
