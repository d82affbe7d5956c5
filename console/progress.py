"""What a person waiting in front of the terminal sees: nothing for two seconds, then a bar, or plain lines.

Everything goes to stderr, so that stdout holds results only. rich draws the bar where it is installed and stderr is a
terminal; a notebook has an output for it; otherwise a line every ten seconds says how far things are, and one at the end.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from console.notebook import Output, drawn_bar, in_notebook
from console.wording import printable

QUIET_SECONDS = 2.0
LINE_SECONDS = 10.0
Item = TypeVar("Item")


def say(text: str) -> None:
    """One line for the person at the terminal."""
    print(printable(text), file=sys.stderr, flush=True)


def track(iterable: Iterable[Item], description: str, total: int | None = None, unit: str = "images") -> Iterator[Item]:
    """The same items, while a bar shows how many have passed; `total` is asked of the iterable if it knows."""
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with bar(description, total, unit) as advance:
        for item in iterable:
            yield item
            advance(1)


@contextmanager
def bar(description: str, total: int | None, unit: str = "images") -> Iterator[Callable[[int], None]]:
    """Gives `advance(n)`: n more of `unit` are done. `total` None: nobody knows how many there will be."""
    progress = _Progress(description, total, unit)
    try:
        yield progress.advance
    finally:
        progress.close()


def amount(number: int, unit: str = "bytes") -> str:
    """'1,200 images', and bytes as a person reads them: '1.5 GB', '350 MB', '12 kB'."""
    if unit != "bytes":
        return f"{number:,} {unit}"
    for scale, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= scale:
            return f"{number / scale:.{1 if name == 'GB' else 0}f} {name}"
    return f"{number} bytes"


class _Progress:
    def __init__(self, description: str, total: int | None, unit: str) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._done, self._said = 0, 0
        self._next_line = time.monotonic() + QUIET_SECONDS
        self._started = False
        self._rich: Any = None
        self._task: Any = None
        self._output: Output | None = None  # of a notebook

    def advance(self, number: int) -> None:
        self._done += number
        if self._rich is not None:
            self._rich.update(self._task, completed=self._done)
        elif self._output is not None:
            self._output.show(self._in_words())
        elif time.monotonic() >= self._next_line:
            self._show()

    def _show(self) -> None:
        if not self._started:
            self._started = True
            self._output = Output() if in_notebook() else None
            self._rich = None if self._output else _rich_bar(self._unit)
        if self._output is not None:
            return self._output.show(self._in_words())
        if self._rich is not None:
            self._rich.start()
            self._task = self._rich.add_task(self._description, total=self._total, completed=self._done)
            return
        self._next_line = time.monotonic() + LINE_SECONDS
        self._say()

    def _say(self) -> None:
        self._said = self._done
        say(f"{self._description}: {self._so_far()}")

    def _in_words(self) -> str:
        bar = drawn_bar(self._done / self._total) + " " if self._total else ""
        return f"{bar}{self._description}: {self._so_far()}"

    def _so_far(self) -> str:
        if self._total is None:
            return amount(self._done, self._unit)
        done = amount(self._done, "bytes") if self._unit == "bytes" else f"{self._done:,}"
        return f"{done} of {amount(self._total, self._unit)}"

    def close(self) -> None:
        if self._output is not None:
            self._output.show(self._in_words(), last=True)
        elif self._rich is not None:
            self._rich.stop()
        elif self._started and self._said < self._done:  # whoever reads the lines is to see how it ended
            self._say()


def _rich_bar(unit: str) -> Any:
    """A rich progress display that has not started yet; None where a bar would be garbage or rich is missing."""
    if not sys.stderr.isatty():
        return None
    try:
        from rich import progress
        from rich.console import Console
    except ImportError:
        return None
    count = [progress.MofNCompleteColumn(), progress.TextColumn(unit)]
    if unit == "bytes":
        count = [progress.DownloadColumn()]
    what, left = progress.TextColumn("{task.description}"), progress.TimeRemainingColumn()
    return progress.Progress(what, progress.BarColumn(), *count, left, console=Console(stderr=True), transient=True)
