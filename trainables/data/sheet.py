"""A sheet of pictures that shows what a difficulty calls easy and hard. values (N,), higher is harder."""

import numpy as np
from PIL import Image

from trainables.data.dataset import Dataset, Floats

SHOWN = 4  # images of each level and class on the sheet


def sheet(data: Dataset, values: Floats) -> Image.Image:
    """One row per class: its easiest, its median and its hardest images, from left to right."""
    size, gap = min(96, data.image_size), 4
    picture = Image.new("RGB", (3 * (SHOWN * (size + gap) + 2 * gap), len(data.classes) * (size + gap) + gap), "white")
    for row in range(len(data.classes)):
        members = np.flatnonzero(data.labels == row)
        ranked = members[np.argsort(values[members], kind="stable")]
        middle = max(0, len(ranked) // 2 - SHOWN // 2)
        for group, chosen in enumerate((ranked[:SHOWN], ranked[middle : middle + SHOWN], ranked[-SHOWN:])):
            for column, index in enumerate(chosen):
                x = group * (SHOWN * (size + gap) + 2 * gap) + column * (size + gap) + gap
                picture.paste(Image.fromarray(data.images[index]).resize((size, size)), (x, row * (size + gap) + gap))
    return picture
