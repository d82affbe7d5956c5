"""The style of every figure: its colours, by name in light and dark, its text, and the figures: pyplot knows none of them.

Colour means strategy, dash means weights, grey the baseline and what is compared with. Nothing else has a colour.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.rulebook.plan import BASELINE
from console.wording import printable
from spaces.registry import SPACES

# Okabe and Ito (2008), the sequence that stays apart under the common kinds of colour blindness, and three of Tol's (2021)
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#5E4FA2",
    "#882255",
    "#8A8A2B",
)
INK, PLAIN, OTHERS, GRID, BAND, PAPER = "#1F2328", "#5B6672", "#BBBBBB", "#E6E6E6", "#EEEEEE", "#FFFFFF"
FIRST = ("self_paced", "manual_division", "transfer", "random_subset")  # to have the first colours
DASHES = ("-", (0, (4, 1.6)), (0, (1, 1.4)), (0, (5, 1.4, 1, 1.4)))
ANCHORS = (0, (2, 1.2))  # of anchors and references
# Every colour that a figure may have, by the name under which a page follows light and dark
THEME: dict[str, str] = {
    "ink": INK,
    "plain": PLAIN,  # the baseline
    "others": OTHERS,
    "grid": GRID,
    "band": BAND,
    "paper": PAPER,
} | {f"strategy-{number}": colour for number, colour in enumerate(COLOURS, 1)}
DARK: dict[str, str] = dict(
    zip(
        THEME,
        (
            "#E6EAEF", "#A7B1BC", "#5A626B", "#2F363D", "#262C33", "#14181C",
            "#4DA3E0", "#F08A45", "#35C79A", "#E29AC3", "#F5BC3D", "#9AD6FF", "#A799E8", "#D8709E", "#C9C96A",
        ),
        strict=True,
    )
)  # fmt: skip
LARGEST_LOSS = 1e6  # nats
TITLE, LABEL, SMALL = 9.5, 8.5, 8.0  # points
STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "text.parse_math": False,  # a class may be called $x^$, and no label here is a formula
    "savefig.bbox": "tight",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.titlesize": TITLE,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": LABEL,
    "axes.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
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


def strategy_colours(strategies: Iterable[str]) -> dict[str, str]:
    """A colour for each, the same in every figure of a report; the baseline is grey.

    A strategy has a colour of its own where it can: it only moves to the next free one where another has it. Beyond the
    number of colours they repeat, and labels at the lines tell them apart.
    """
    order = list(dict.fromkeys([*FIRST, *SPACES, *sorted(strategies)]))
    order.remove(BASELINE)
    found: dict[str, str] = {}
    for strategy in sorted({*strategies} - {BASELINE}, key=order.index):
        start = order.index(strategy)
        places = [COLOURS[(start + i) % len(COLOURS)] for i in range(len(COLOURS))]
        found[strategy] = next((colour for colour in places if colour not in found.values()), places[0])
    return found | {BASELINE: PLAIN}


def strategy_colour(strategy: str) -> str:
    """Of a strategy that stands alone, as in a search."""
    return strategy_colours([strategy])[strategy]


def drawable(records: pd.DataFrame) -> pd.DataFrame:
    """The same with losses of LARGEST_LOSS at most: what diverged may have some that no axis goes up to."""
    return records.assign(eval_loss=records["eval_loss"].clip(upper=LARGEST_LOSS))
