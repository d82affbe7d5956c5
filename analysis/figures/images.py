"""Figures that show images, sheets with captions, and a square table of correlations."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import rcParams
from matplotlib.figure import Figure

from analysis.figures.style import panels, styled

ACROSS = 6  # images in a row
Pixels = npt.NDArray[np.uint8]  # (H, W, 3)


def image_sheet(images: Sequence[Pixels], captions: Sequence[str], title: str) -> Figure:
    """Images (H, W, 3) uint8 in rows, each with its caption above."""
    rows = -(-len(images) // ACROSS)
    with styled():
        figure, places = panels(rows, ACROSS, figsize=(11, 2.25 * rows + 0.4), layout="constrained", squeeze=False)
        for axes in places.flat:
            axes.axis("off")
        for axes, image, caption in zip(places.flat, images, captions, strict=False):
            axes.imshow(image)
            axes.set_title(caption, fontsize=8)
        figure.suptitle(title, fontsize=11)
        return figure


def whole_image(image: Pixels) -> Figure:
    """One image (H, W, 3) uint8 as it is, pixel for pixel."""
    with styled():
        dots = rcParams["figure.dpi"]
        figure, axes = panels(figsize=(image.shape[1] / dots, image.shape[0] / dots))
        axes.set_position((0, 0, 1, 1))
        axes.imshow(image)
        axes.axis("off")
        return figure


def correlations(table: pd.DataFrame, title: str) -> Figure:
    """A square table of rank correlations as a map with its numbers."""
    with styled():
        side = 0.75 * len(table) + 1.8
        figure, axes = panels(figsize=(side + 0.6, side), layout="constrained")
        axes.imshow(table.to_numpy(), cmap="RdBu", vmin=-1, vmax=1)
        for (row, column), value in np.ndenumerate(table.to_numpy()):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8,
                      color="white" if abs(value) > 0.6 else "black")  # fmt: skip
        axes.set_xticks(range(len(table)), table.columns, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(range(len(table)), table.index, fontsize=8)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=11)
        return figure
