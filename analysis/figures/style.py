"""The style of every figure, colour-blind safe and readable in print, and `plt` without a screen."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, MaxNLocator

from console.wording import printable

matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # a class may be called $x^$, and no label here is a formula

_set_text = Text.set_text


def _set_printable(self: Text, s: Any) -> None:
    """No font has a control character, which a class or a run may have in its name."""
    _set_text(self, None if s is None else printable(str(s)))


Text.set_text = _set_printable  # type: ignore[method-assign]  # what every title, label, tick and legend goes through

__all__ = [
    "COLOURS",
    "DASHES",
    "OTHERS",
    "STYLE",
    "drawable",
    "legend_below",
    "log_rates",
    "loss_axis",
    "plt",
    "styled",
    "whole_epochs",
]

# Okabe and Ito (2008), the sequence that stays apart under the common kinds of colour blindness
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":")
OTHERS = "#BBBBBB"
LARGEST_LOSS = 1e6  # nats
STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "figure.max_open_warning": 0,  # a report opens all of its figures before it writes them
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
    with plt.rc_context(STYLE):
        yield


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
