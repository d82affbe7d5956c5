"""The forest plot: paired differences with their intervals, a row per pair under its question, a column per comparison."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.figures.drawing import COLUMNS, Panel
from analysis.figures.style import BAND, COLOURS, INK, PAPER, PLAIN
from analysis.rulebook.words import BETTER, TIE, WORSE

FAR = 2.5  # times what half of the rows of a column need: further out, an interval ends in an arrow
WORDS = {BETTER: COLOURS[2], WORSE: COLOURS[1]}  # the colours of words; all else is in ink


@dataclass(frozen=True)
class Mark:
    """One difference in the measure's unit; without an interval where its ends are infinite. The text says it whole."""

    mean: float
    low: float
    high: float
    word: str
    text: str

    @property
    def has_interval(self) -> bool:
        return bool(np.isfinite(self.low) and np.isfinite(self.high) and self.low <= self.high)

    @property
    def reach(self) -> float:
        """How far from zero it goes."""
        return max(abs(self.mean), *((abs(self.low), abs(self.high)) if self.has_interval else ()), 0.0)

    @property
    def decided(self) -> bool:
        return self.word in (BETTER, WORSE, TIE)


@dataclass(frozen=True)
class Row:
    """A pair: its label, what it is set against where the question does not say so, the arm it is of, a mark a column."""

    label: str
    note: str
    arm: str
    marks: tuple[Mark | None, ...]


@dataclass(frozen=True)
class Forest:
    """Rows by question. `axis` says what the differences are of, `margin` in the same unit within which they are a tie."""

    groups: tuple[tuple[str, tuple[Row, ...]], ...]
    columns: tuple[str, ...]
    axis: str
    margin: float

    @property
    def rows(self) -> list[Row]:
        return [row for _, rows in self.groups for row in rows]

    def _reach(self, column: int) -> float:
        """How far from zero a column has to show: all of its intervals, but for a few that lie far out."""
        marks = [row.marks[column] for row in self.rows]
        reach = [mark.reach for mark in marks if mark is not None and mark.has_interval]
        return min(max(reach), FAR * float(np.median(reach))) if reach else 0.0

    @cached_property
    def span(self) -> tuple[float, float]:
        """What all columns show: every mark, unless a few lie so far out that nothing would be seen of the others."""
        marks = [mark for row in self.rows for mark in row.marks if mark is not None]
        reach = max(map(self._reach, range(len(self.columns))), default=0.0)
        alone = max((mark.reach for mark in marks if not mark.has_interval), default=0.0)  # a dot is all there is of it
        limit = max(reach, 2 * self.margin, 1.05 * alone, 1e-9)
        ends = [end for mark in marks for end in (mark.low, mark.mean, mark.high) if np.isfinite(end)]
        low, high = max(-limit, min([*ends, -self.margin])), min(limit, max([*ends, self.margin]))
        return float(low - 0.04 * (high - low)), float(high + 0.04 * (high - low))

    @property
    def ticks(self) -> list[float]:
        low, high = self.span
        places = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        return [float(place) for place in places if low <= place <= high]


def forest_panels(of: Forest) -> Sequence[Panel]:
    """A panel per column, as a paper shows it; the first of each line has the labels of all."""
    height = (
        0.9
        + 0.26 * (len(of.rows) + len(of.groups))
        + 0.16 * max(_title(of, i).count("\n") for i in range(len(of.columns)))
    )
    return [
        Panel(partial(_column, of, i), width=2.6 if i % COLUMNS else 5.2, height=height) for i in range(len(of.columns))
    ]


def _title(of: Forest, column: int) -> str:
    return textwrap.fill(of.columns[column], 28)


def _column(of: Forest, column: int, axes: Axes) -> None:
    axes.axvspan(-of.margin, of.margin, color=BAND, lw=0, zorder=0)
    axes.axvline(0, color=INK, lw=0.8, zorder=1)
    place, labels = 0, []
    for title, rows in of.groups:
        labels.append((place, title))
        for row in rows:
            place += 1
            labels.append((place, f"{row.label} {row.note}".strip()))
            _mark(axes, row, row.marks[column], place, of.span)
        place += 1
    axes.set_yticks([at for at, _ in labels], [text if column % COLUMNS == 0 else "" for _, text in labels], fontsize=8)
    for tick, (_, text) in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("bold" if text in dict(of.groups) else "normal")
    axes.set(xlim=of.span, ylim=(place - 0.4, -0.6), xlabel=of.axis, xticks=of.ticks)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_title(_title(of, column), fontsize=9)


def _mark(axes: Axes, row: Row, mark: Mark | None, place: int, span: tuple[float, float]) -> None:
    """Dot and interval; what lies outside is an arrow at the edge, with the mean as a number where that is outside."""
    if mark is None:
        axes.text(0, place, "not compared", fontsize=7, ha="center", va="center", color=PLAIN)
        return
    colour, (low, high) = WORDS.get(mark.word, INK), span
    if mark.has_interval:
        ends = np.clip([mark.low, mark.high], low, high)
        axes.plot(ends, [place] * 2, color=colour, lw=1.6, zorder=2, gid=f"arm:{row.arm}")
        for end, edge, arrow in ((mark.low, low, "<"), (mark.high, high, ">")):
            if min(edge, end) != max(edge, end) and not low <= end <= high:
                axes.plot(edge, place, arrow, color=colour, ms=5, clip_on=False)
    if low <= mark.mean <= high:
        filled = colour if mark.decided else PAPER
        axes.plot(mark.mean, place, "o", mfc=filled, mec=colour, ms=5.5, zorder=3, gid=f"arm:{row.arm}")
    else:
        edge, side = (low, "left") if mark.mean < low else (high, "right")
        axes.text(edge, place - 0.32, f"{mark.mean:+.1f}", fontsize=7, ha=side, va="center", color=colour)
