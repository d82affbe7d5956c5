"""Figures that show images: sheets with captions, and explanations with their superpixels outlined."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import COLOURS, panels, styled

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


def explained(rows: list[tuple[str, list[dict[str, Any]]]]) -> Figure:
    """One row per network, one column per image; what speaks for the predicted class is outlined, the rest is pale.

    Each cell has image (H, W, 3) uint8, mask (H, W) bool and caption.
    """
    columns = max(len(cells) for _, cells in rows)
    with styled():
        size = (2.6 * columns + 0.4, 2.95 * len(rows) + 0.5)
        figure, places = panels(len(rows), columns, figsize=size, layout="constrained", squeeze=False)
        for line, (name, cells) in zip(places, rows, strict=True):
            for axes, cell in zip(line, cells, strict=False):
                _outlined(axes, cell["image"], cell["mask"])
                axes.set_title(cell["caption"], fontsize=8)
            for axes in line[len(cells) :]:
                axes.set_visible(False)
            line[0].set_ylabel(name, fontsize=9)
        figure.suptitle("What speaks for the predicted class (LIME)", fontsize=11)
        return figure


def _outlined(axes: Axes, image: Pixels, mask: npt.NDArray[np.bool_]) -> None:
    pale = (0.45 * image + 0.55 * 255).astype(np.uint8)
    axes.imshow(np.where(mask[..., None], image, pale))
    if mask.any() and not mask.all():
        axes.contour(mask.astype(float), levels=[0.5], colors=[COLOURS[1]], linewidths=1.4)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


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
