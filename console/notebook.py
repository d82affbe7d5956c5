"""What a person waiting for a cell of a notebook sees: one output of text, written anew, where a terminal has a bar."""

import sys
import time
from typing import Any

from console.wording import printable

WIDTH = 40  # characters of a bar
SECONDS = 0.3  # between two writings


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel; nothing is loaded to find out."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


class Output:
    """One output of the cell that runs. What is shown too soon after the last is left out, unless it is the last."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown_at = float("-inf")

    def show(self, text: str, last: bool = False) -> None:
        """Show this in place of what was shown before."""
        if time.monotonic() - self._shown_at < SECONDS and not last:
            return
        self._shown_at = time.monotonic()
        content = {"text/plain": "\n".join(map(printable, text.split("\n")))}
        if self._handle is None:
            from IPython.display import display  # there, since this is a notebook's kernel

            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def drawn_bar(fraction: float) -> str:
    """A bar of characters; `fraction` lies in [0, 1]."""
    done = round(WIDTH * min(1.0, max(0.0, fraction)))
    return "█" * done + "░" * (WIDTH - done)
