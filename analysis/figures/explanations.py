"""Explanations drawn: a row per image, beside it what LIME and Grad-CAM say of each network. H = W = pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from analysis.figures.style import panels, styled
from analysis.statistics import Floats

FOR, AGAINST = "#0072B2", "#D55E00"  # blue and vermilion of Okabe and Ito (2008): apart under every colour blindness
HEAT = "viridis"
LETTERS, WIDEST = 42, 30  # letters that stand under a picture and above it, side by side
Pixels = npt.NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class Cell:
    """One image under one network."""

    image: Pixels
    segments: npt.NDArray[np.int64]  # (H, W), each pixel's superpixel
    weights: Sequence[float] | None  # (s,) of the superpixels, 0 where it is not shown; None: LIME explains nothing
    heat: Floats | None  # (H, W) in [0, 1]; None: there is no map
    title: str
    notes: tuple[str, str]  # under LIME's picture and under Grad-CAM's


def explained(rows: Sequence[tuple[str, list[Cell]]], names: Sequence[str]) -> Figure:
    """One row per image, which `rows` names; of each network (`names`) LIME's picture and Grad-CAM's."""
    columns = 1 + 2 * len(names)
    with styled():
        size = (2.25 * columns + 0.3, 2.65 * len(rows) + 0.9)
        layout = ConstrainedLayoutEngine(h_pad=0.08, compress=True)  # inches between the lines of two rows
        figure, places = panels(len(rows), columns, figsize=size, layout=layout, squeeze=False)
        for place, (line, (title, cells)) in enumerate(zip(places, rows, strict=True)):
            _bare(line[0])
            line[0].imshow(cells[0].image)
            _title(line[0], title)
            for number, (name, cell) in enumerate(zip(names, cells, strict=True)):
                draw_weights(line[1 + 2 * number], cell)
                draw_heat(line[2 + 2 * number], cell)
                _title(line[1 + 2 * number], f"{name}: LIME\n{cell.title}" if place == 0 else cell.title)
                _title(line[2 + 2 * number], "Grad-CAM" if place == 0 else "")
        _legend(figure, rows)
        return figure


def draw_weights(axes: Axes, cell: Cell) -> None:
    """LIME: the picture in grey, what speaks for the class and against it tinted, stronger where it weighs more."""
    _bare(axes)
    tinted = _grey(cell.image)
    if cell.weights is not None:
        weights = np.asarray(cell.weights)[cell.segments]
        strength = np.sqrt(np.abs(weights) / max(np.abs(weights).max(), 1e-12))[..., None] * 0.75
        colour = np.where((weights > 0)[..., None], to_rgb(FOR), to_rgb(AGAINST))
        tinted = (1 - strength) * tinted + strength * colour
        for sign, ink in ((1, FOR), (-1, AGAINST)):
            shown = sign * weights > 0
            if shown.any() and not shown.all():
                axes.contour(shown.astype(float), levels=[0.5], colors=[ink], linewidths=1.2)
    axes.imshow(tinted, zorder=0)
    axes.set_xlabel(fill(cell.notes[0], LETTERS), fontsize=7, loc="left")


def draw_heat(axes: Axes, cell: Cell) -> None:
    """Grad-CAM: the picture in grey under the map, which is clear where nothing speaks for the class."""
    _bare(axes)
    axes.imshow(_grey(cell.image))
    if cell.heat is not None and cell.heat.any():
        axes.imshow(cell.heat, cmap=HEAT, vmin=0, vmax=1, alpha=0.7 * np.clip(2 * cell.heat, 0, 1))
    axes.set_xlabel(fill(cell.notes[1], LETTERS), fontsize=7, loc="left")


def _grey(image: Pixels) -> Floats:
    """(H, W, 3) in [0, 1], paler than the picture, so that no colour of its own is taken for a sign."""
    grey = image.mean(axis=2, keepdims=True) / 255
    return np.repeat(0.3 + 0.7 * grey, 3, axis=2)


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _title(axes: Axes, text: str) -> None:
    """Lines that are wider than the picture are broken."""
    axes.set_title("\n".join(fill(line, WIDEST) for line in text.splitlines()), fontsize=8)


def _legend(figure: Figure, rows: Sequence[tuple[str, list[Cell]]]) -> None:
    """Of the colours that are there; Grad-CAM's goes from dark to bright."""
    cells = [cell for _, line in rows for cell in line]
    weights = [weight for cell in cells for weight in cell.weights or ()]
    entries = [("speaks for the predicted class", FOR, any(weight > 0 for weight in weights)),
               ("speaks against it", AGAINST, any(weight < 0 for weight in weights)),
               ("Grad-CAM's strongest", "#FDE725", any(c.heat is not None and c.heat.any() for c in cells))]  # fmt: skip
    handles = [Patch(color=colour, label=label) for label, colour, there in entries if there]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
