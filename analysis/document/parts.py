"""What a report consists of: chapters of sentences, tables and pictures. Writing them is for the modules beside this."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.drawing import Panel, compose


@dataclass(frozen=True)
class Sentences:
    """Paragraphs, or a list; `source` names the table whose rows they say, in the same order."""

    lines: list[str]
    source: str | None = None
    listed: bool = False


@dataclass(frozen=True)
class Table:
    """`data` is what goes to parquet, `shown` the same rows as a reader wants them; a folded one is opened by a click."""

    name: str
    caption: str
    data: pd.DataFrame
    shown: pd.DataFrame
    folded: bool = False


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


Part = Sentences | Table | Picture


@dataclass(frozen=True)
class Chapter:
    """A heading and what stands under it; `summary` is what "In short" says of it, a sentence each."""

    title: str
    parts: list[Part] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """What a link on the page points to."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower()).strip("-")


def data_file(name: str) -> str:
    """Where a table lies, from the report's folder."""
    return f"data/{name}.parquet"


def picture_file(name: str, ending: str) -> str:
    """Where a picture lies, from the report's folder."""
    return f"figures/{name}.{ending}"
