"""What a report consists of: an answer, then chapters of sentences, tables and pictures. Writing them is for the modules
beside this."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.differences import Forest, forest_panels
from analysis.figures.drawing import Panel, compose
from analysis.rulebook.answer import Answer


@dataclass(frozen=True)
class Sentences:
    """Paragraphs, or a list."""

    lines: list[str]
    listed: bool = False


@dataclass(frozen=True)
class Table:
    """`data` is what goes to parquet, `shown` the same rows as a reader wants them, in at most eight columns.

    `arms` names the arm of each row, where rows are of arms.
    """

    name: str
    caption: str
    data: pd.DataFrame
    shown: pd.DataFrame
    arms: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A figure of panels, made when they are first asked for; the name is its files' without an ending."""

    name: str
    caption: str
    make: Callable[[], Sequence[Panel]]

    @cached_property
    def panels(self) -> Sequence[Panel]:
        """Always the same ones."""
        return self.make()

    @cached_property
    def figure(self) -> Figure:
        """All panels on one figure, for a paper or a notebook."""
        return compose(self.panels)


@dataclass(frozen=True)
class ForestPlot:
    """Planned pairs with their intervals, as a page draws them by itself and a paper by matplotlib."""

    name: str
    caption: str
    forest: Forest

    @cached_property
    def figure(self) -> Figure:
        return compose(forest_panels(self.forest))


@dataclass(frozen=True)
class Sheet:
    """A figure that is whole by itself, such as a sheet of images."""

    name: str
    caption: str
    draw: Callable[[], Figure]

    @cached_property
    def figure(self) -> Figure:
        """Always the same one."""
        return self.draw()


@dataclass(frozen=True)
class Folded:
    """What is opened by a click: for whoever wants to check."""

    title: str
    parts: list["Part"]


Drawn = Picture | ForestPlot | Sheet
Part = Sentences | Table | Drawn | Folded


@dataclass(frozen=True)
class Chapter:
    """A heading and what stands under it; the label says of which of several comparisons it is."""

    title: str
    parts: list[Part] = field(default_factory=list)
    label: str = ""

    @property
    def anchor(self) -> str:
        """What a link on the page points to."""
        return "".join(c if c.isalnum() else "-" for c in f"{self.title} {self.label}".lower()).strip("-")


@dataclass(frozen=True)
class Report:
    """A question, under which conditions it was asked, the answer to each comparison by its label, and what led to it."""

    title: str
    chapters: list[Chapter]
    conditions: str = ""
    answers: tuple[tuple[str, Answer], ...] = ()
    lead: tuple[Part, ...] = ()

    @property
    def parts(self) -> list[Part]:
        """All of them in their order, those inside folds too."""
        return flat([*self.lead, *(part for chapter in self.chapters for part in chapter.parts)])

    @property
    def summary(self) -> list[str]:
        """What a hurried reader takes away, a sentence each."""
        return [f"{label}: {said}" if label else str(said) for label, said in self.answers]


def flat(parts: Sequence[Part]) -> list[Part]:
    """The same with what is folded in place of the folds."""
    return [one for part in parts for one in (flat(part.parts) if isinstance(part, Folded) else [part])]


def data_file(name: str) -> str:
    """Where a table lies, from the report's folder."""
    return f"data/{name}.parquet"


def picture_file(name: str, ending: str) -> str:
    """Where a picture lies, from the report's folder."""
    return f"figures/{name}.{ending}"
