"""How a figure is declared: its name, its caption, the panels that draw it, and from how much data on it can be drawn.

A new figure is one more Drawing in the tuple of what it is of; the chapter shows every figure of the tuple.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import panels, styled


class Subject(Protocol):
    """What a figure is of: a run, the arms of a section."""

    @property
    def words(self) -> dict[str, str]:
        """What stands in braces in the names of figures, such as {trial}."""


Of = TypeVar("Of", bound=Subject)


@dataclass(frozen=True)
class Panel:
    """One pair of axes with its title and labels, readable by itself: a page lays panels side by side where they fit.

    `draw` draws on empty axes; what belongs to one arm has the gid `arm:NAME`, by which a page links it to that arm.
    """

    draw: Callable[[Axes], None]
    width: float = 3.4  # inches, at 10 pt; a telephone shows 3.6
    height: float = 2.4


def always(of: object) -> bool:
    """Any data will do."""
    return True


@dataclass(frozen=True)
class Drawing(Generic[Of]):
    """One figure; `name` is also its file's name and must be its own in a report. The caption says what is to be seen."""

    name: str
    caption: Callable[[Of], str]
    panels: Callable[[Of], Sequence[Panel]]
    wants: Callable[[Of], bool] = always  # whether there is enough to draw


COLUMNS = 3  # panels side by side on paper


def compose(drawn: Sequence[Panel], columns: int = COLUMNS) -> Figure:
    """All panels on one figure, as a paper or a notebook shows them."""
    columns = min(columns, len(drawn))
    rows = -(-len(drawn) // columns)
    widths = [max(one.width for one in drawn[place::columns]) for place in range(columns)]
    size = (sum(widths), rows * max(one.height for one in drawn))
    with styled():
        figure, places = panels(rows, columns, figsize=size, layout="constrained", squeeze=False)
        for axes, one in zip(places.flat, drawn, strict=False):
            one.draw(axes)
        for axes in places.flat[len(drawn) :]:
            axes.set_visible(False)
        return figure
