"""How a figure is declared: its name, its caption, what draws it, and from how much data on it can be drawn.

A new figure is one more Drawing in the tuple of what it is of; the chapter shows every figure of the tuple.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from matplotlib.figure import Figure


class Subject(Protocol):
    """What a figure is of: a run, the arms of a section."""

    @property
    def words(self) -> dict[str, str]:
        """What stands in braces in names and captions, such as {split}."""


Of = TypeVar("Of", bound=Subject)


def always(of: object) -> bool:
    """Any data will do."""
    return True


@dataclass(frozen=True)
class Drawing(Generic[Of]):
    """One figure; `name` is also its file's name and must be its own in a report."""

    name: str
    caption: str
    draw: Callable[[Of], Figure]
    wants: Callable[[Of], bool] = always  # whether there is enough to draw
