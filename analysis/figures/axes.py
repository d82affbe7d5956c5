"""What panels share: limits that an outlier does not squash, whole numbers where nothing lies between, labels at ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from scipy.optimize import isotonic_regression

from analysis.figures.style import INK, LABEL, SMALL
from analysis.statistics import Floats

FEWEST_TO_CUT = 8  # values: of fewer none is called an outlier
FENCE = 3.0  # interquartile ranges beyond the quartiles, from where on a value is far out (Tukey 1977)
SQUASHED = 1 / 3  # of an axis: what most points are left with, before far ones are shown at the edge
AIR = 0.06  # of the span, at both ends
END = "end"  # what begins the gid of labels that belong to nobody
OUTSIDE = "outside"  # gid of the marks at the edge
PLACE = 1.06  # of the axes' width: where labels begin


@dataclass(frozen=True)
class End:
    """A label for the line that ends at (x, y); the gid is that of the line."""

    x: float
    y: float
    text: str
    colour: str
    gid: str = END


def limits(values: Iterable[float], every: bool = False) -> tuple[float, float]:
    """(low, high) for an axis: all values, unless a few far ones would leave less than a third of it to the rest.

    `every`: all of them, however far.
    """
    found = np.asarray(list(values), float)
    found = found[np.isfinite(found)]
    if not len(found):
        return 0.0, 1.0
    low, high = float(found.min()), float(found.max())
    if len(found) >= FEWEST_TO_CUT and not every:
        below, above = np.quantile(found, (0.25, 0.75))
        inside = found[(found >= below - FENCE * (above - below)) & (found <= above + FENCE * (above - below))]
        if np.ptp(inside) < SQUASHED * (high - low):
            low, high = float(inside.min()), float(inside.max())
    span = high - low
    room = AIR * span if span > 1e-9 * max(1.0, abs(high)) else max(0.05 * abs(high), 0.01)
    return low - room, high + room


def fitted(shared: tuple[float, float], values: Iterable[float]) -> tuple[float, float]:
    """The limits that panels share; those of its own for a panel that would lie outside, or be squashed in them."""
    own = limits(values)
    inside = shared[0] <= own[0] + (own[1] - own[0]) / 2 <= shared[1]
    return shared if inside and own[1] - own[0] >= SQUASHED * (shared[1] - shared[0]) else own


def with_room(found: tuple[float, float], below: bool = False, part: float = 0.1) -> tuple[float, float]:
    """Limits with room for a name above the highest, or below the lowest."""
    low, high = found
    room = part * (high - low)
    return (low - room, high) if below else (low, high + room)


def covering(found: tuple[float, float], values: Iterable[float]) -> tuple[float, float]:
    """Limits that leave none of these values out: what a panel is about is never cut."""
    low, high = limits(values, every=True)
    return min(found[0], low), max(found[1], high)


def mark_outside(axes: Axes, x: Floats, y: Floats, colour: str = INK, gid: str = OUTSIDE, line: bool = False) -> int:
    """Triangles at the edge for points that the limits of y leave out, the furthest with its value; how many there are.

    Of a line, only the furthest: it counts once at each edge.
    """
    low, high = axes.get_ylim()
    count = 0
    for sign, edge in ((-1, low), (1, high)):
        found = np.flatnonzero(np.isfinite(y) & (y < low if sign < 0 else y > high))
        order = sorted(found, key=lambda i: -abs(y[i] - edge))[: 1 if line else None]
        count += len(order)
        if not order:
            continue
        axes.plot(x[order], [edge] * len(order), "^" if sign > 0 else "v", color=colour, ms=5, clip_on=False,
                  zorder=4, gid=gid, label=f"_{OUTSIDE}")  # fmt: skip
        furthest, middle = order[0], axes.transAxes.transform((0.5, 0.5))[0]
        inward = -1 if axes.transData.transform((x[furthest], edge))[0] > middle else 1
        axes.annotate(f"{y[furthest]:.3g}", (x[furthest], edge), xytext=(6 * inward, -sign), textcoords="offset points",
                      fontsize=SMALL, ha="right" if inward < 0 else "left", va="top" if sign > 0 else "bottom", gid=gid)  # fmt: skip  # noqa: E501
    return count


def say_outside(axes: Axes, count: int) -> None:
    """How many points the axes leave out, beside what x is."""
    if count:
        axes.set_xlabel(f"{axes.get_xlabel()} ({count} outside)".strip())


def whole(axis: Axis, bins: int = 5) -> None:
    """No tick between two epochs, trials, updates or seeds."""
    axis.set_major_locator(MaxNLocator(integer=True, nbins=bins, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def whole_span(axes: Axes, first: float, last: float, air: float = 0.0) -> None:
    """The same on x, from the first to the last; of one alone, half a step to both sides. `air`: a part of the span."""
    room = 0.5 if last <= first else air * (last - first)
    axes.set_xlim(first - room, last + room)
    whole(axes.xaxis)


def log_x(axes: Axes) -> None:
    """A logarithmic axis with plain numbers: matplotlib's own are formulas."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    several = (1, 2, 5) if high < 60 * low else (1, 3) if high < 1e3 * low else (1,)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=several, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def label_ends(axes: Axes, ends: Sequence[End]) -> None:
    """A label at the right of each line, as near to its end as the others let it; a thin line leads there.

    Limits must be set before.
    """
    if not ends:
        return
    inverse = axes.transAxes.inverted()
    places = [inverse.transform(axes.transData.transform((end.x, end.y))) for end in ends]
    order = sorted(range(len(ends)), key=lambda i: (places[i][1], -i))
    heights = spread([float(np.clip(places[i][1], 0, 1)) for i in order], _gap(axes))
    for i, height in zip(order, heights, strict=True):
        end, (x, y) = ends[i], places[i]
        look: dict[str, Any] = {
            "color": INK,
            "alpha": 0.4,
            "lw": 0.6,
            "ls": (0, (1, 2)),
            "clip_on": False,
            "zorder": 1.5,
        }
        (leader,) = axes.plot([min(x, 1.0), PLACE - 0.015], [np.clip(y, 0, 1), height], transform=axes.transAxes,
                              label="_leader", **look)  # fmt: skip
        text = axes.text(PLACE, height, end.text, transform=axes.transAxes, va="center", fontsize=LABEL, clip_on=False)
        leader.set_gid(end.gid)
        text.set_gid(end.gid)


def _gap(axes: Axes) -> float:
    """How far two labels must stand apart, as a fraction of the height that the axes will have."""
    figure, grid = axes.get_figure(root=True), axes.get_gridspec()
    assert figure is not None
    rows = grid.nrows if grid is not None else 1
    return 1.25 * LABEL / max(30.0, 72 * figure.get_figheight() / rows - 58)


def spread(heights: Sequence[float], gap: float) -> Floats:
    """Ascending heights in [0, 1], moved as little as leaves a gap between any two (least squares)."""
    steps = gap * np.arange(len(heights))
    moved = isotonic_regression(np.asarray(heights) - steps).x
    top = max(1.0 - steps[-1], 0.0)
    too_many = min(0.0, (1.0 - steps[-1]) / 2)  # then they go beyond both ends alike
    found: Floats = np.clip(moved, too_many, top + too_many) + steps
    return found


def height_of(labels: int, least: float = 2.4) -> float:
    """Inches of a panel with so many labels above each other."""
    return max(least, 0.85 + 1.3 * LABEL / 72 * labels)
