"""The style of every figure, colour-blind safe and readable in print, and the figures: pyplot knows none of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, MaxNLocator

from console.wording import printable

# Okabe and Ito (2008), the sequence that stays apart under the common kinds of colour blindness
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":")
OTHERS = "#BBBBBB"
LARGEST_LOSS = 1e6  # nats
STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "text.parse_math": False,  # a class may be called $x^$, and no label here is a formula
    "savefig.bbox": "tight",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@contextmanager
def styled() -> Iterator[None]:
    """Everything drawn inside has the house style."""
    with matplotlib.rc_context(STYLE):
        yield


class Drawn(Figure):
    """A figure in the house style, also of what is only made when it is drawn, as ticks are; a notebook shows it.

    It belongs to no window and no backend, and is freed when nobody holds it any more.
    """

    def draw(self, renderer: Any) -> None:
        for text in self.findobj(Text):
            text.set_text(printable(text.get_text()))  # no font has a control character
        with styled():
            super().draw(renderer)

    def savefig(self, *arguments: Any, **named: Any) -> None:
        with styled():
            super().savefig(*arguments, **named)

    def _repr_png_(self) -> bytes:
        """What a notebook asks for."""
        content = BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def panels(
    rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], layout: Any = None, **shared: Any
) -> tuple[Figure, Any]:
    """A figure of so many inches and its axes, as pyplot's `subplots` gives them."""
    figure = Drawn(figsize=figsize, layout=layout)
    return figure, figure.subplots(rows, columns, **shared)


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, outside of them."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max((len(label) for label in labels), default=1)
    columns = max(1, min(len(labels), int(15 * figure.get_figwidth() / (longest + 8))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)


def loss_axis(axes: Axes) -> None:
    """From zero, unless that would press the curves together; a loss far above chance would hide the others."""
    low, high = axes.get_ylim()
    axes.set_ylim(bottom=0 if low < high / 2 else low, top=min(high, 3.0) if low < 3 else high)


def drawable(records: pd.DataFrame) -> pd.DataFrame:
    """The same with losses of LARGEST_LOSS at most: what diverged may have some that no axis goes up to."""
    return records.assign(eval_loss=records["eval_loss"].clip(upper=LARGEST_LOSS))


def log_rates(axes: Axes) -> None:
    """A logarithmic axis upwards with plain numbers: matplotlib's own are formulas."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(LogFormatter())
    axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))


def whole_epochs(places: Iterable[Axes], x: str = "epoch") -> None:
    """No tick between two epochs."""
    for axes in places if x == "epoch" else ():
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
