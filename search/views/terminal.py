"""What a person sees while a search runs: a line per trial that ends and, on a terminal, a live bar below them."""

import contextlib
import time
from collections import Counter
from typing import Any

from console.wording import clock, value
from records.history import Proposal, TrialBook, rank
from spaces.space import Space


class Terminal:
    """Watches a campaign. Without rich, or into a pipe, it prints plain lines only."""

    def __init__(self, space: Space, samples: int, epochs: int):
        self.space, self.samples, self.epochs = space, samples, epochs
        self.started = time.monotonic()
        self.books: dict[int, TrialBook] = {}
        self.live = _live(self)

    def __enter__(self) -> "Terminal":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.stop()

    def asked(self, book: TrialBook) -> None:
        self.books[book.proposal.number] = book

    def epoch(self, book: TrialBook) -> None:
        """The live bar reads the book by itself."""

    def ended(self, book: TrialBook) -> None:
        self.say(self._line(book))

    def say(self, text: str) -> None:
        if self.live:
            self.live.console.print(text, highlight=False, markup=False, soft_wrap=True)
        else:
            print(text, flush=True)

    def _line(self, book: TrialBook) -> str:
        done = sum(other.state != "running" for other in self.books.values())
        name = f"trial {book.proposal.number}{_called(book)}"
        head = f"[{done:>{len(str(self.samples))}}/{self.samples}] {name:<22} {book.state:<11}"
        if book.state == "failed":
            return f"{head} {book.reason}"
        if not book.best:
            return f"{head} {book.reason or 'no epoch was reached'}"
        seconds = book.records[-1].seconds
        best = f"{book.best.eval_split} {book.best.eval_accuracy:.3f} at epoch {book.best.epoch} of {len(book.records)}"
        return f"{head} {best}, {clock(seconds)}  {config_words(self.space, book.proposal, most=3)}".rstrip()

    def status(self) -> list[str]:
        """The lines under the bar: how many trials are where, the best so far, the time left."""
        running = [b for b in self.books.values() if b.state == "running"]
        at = ", ".join(f"trial {b.proposal.number} epoch {len(b.records)}/{self.epochs}" for b in running)
        doing = f"running: {at}" if at else self._between()
        return [" · ".join([*self.counts(), doing, self._times()]), *self.best()]

    def _between(self) -> str:
        """What goes on while no trial runs."""
        return (
            "starting" if not self.books else "finishing" if len(self.books) >= self.samples else "between two trials"
        )

    def counts(self) -> list[str]:
        """'7 complete', '2 failed': the trials that have ended, by state."""
        states = Counter(book.state for book in self.books.values())
        return [f"{states[s]} {s}" for s in ("complete", "pruned", "failed", "interrupted") if states[s]]

    def best(self) -> list[str]:
        """One line about the best trial so far, or none."""
        done = [book for book in self.books.values() if book.best]
        if not done:
            return []
        best = min(done, key=rank)
        words = config_words(self.space, best.proposal, most=6)
        name = f"trial {best.proposal.number}{_called(best)}"
        return [f"best {best.best.eval_accuracy:.3f} in {name}" + (f": {words}" if words else "")]  # type: ignore[union-attr]

    def fraction(self) -> float:
        """Of the planned epochs, counting trials that ended early as whole."""
        done = sum(
            self.epochs if b.state != "running" else min(self.epochs, len(b.records)) for b in self.books.values()
        )
        return done / (self.samples * self.epochs)

    def left(self) -> float | None:
        """Seconds to the expected end, if the rest takes as long as what is done; None while that says too little."""
        spent, done = time.monotonic() - self.started, self.fraction()
        return max(0.0, spent / done - spent) if done > 0.02 else None

    def _times(self) -> str:
        left = self.left()
        about = "" if left is None else f", about {clock(left)} left"
        return f"{clock(time.monotonic() - self.started)} so far{about}"


def _called(book: TrialBook) -> str:
    """' (as_run)', or in a head-to-head ' (finetune, seed 1)'."""
    own = book.proposal.setting
    if own is not None:
        return f" ({own.arm or own.strategy}, seed {own.seed})"
    return f" ({book.proposal.anchor})" if book.proposal.anchor else ""


def _live(terminal: Terminal) -> Any:
    """A rich live display of the terminal's status; None into a pipe, or without rich."""
    with contextlib.suppress(ImportError):
        from rich.console import Console, Group
        from rich.live import Live
        from rich.padding import Padding
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        console = Console()
        if not console.is_terminal:
            return None

        def draw() -> Group:
            lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in terminal.status()]
            bar = ProgressBar(total=1.0, completed=terminal.fraction(), width=60)
            return Group(Padding(bar, 0), *lines)  # the padding ends the bar's line

        return Live(get_renderable=draw, console=console, refresh_per_second=4, transient=True, redirect_stderr=False)
    return None


def config_words(space: Space, proposal: Proposal, most: int | None = None) -> str:
    """'learning_rate 0.00098, rate cosine, ...': the searched fields that mean something in this config."""
    names = list(proposal.values)
    names.sort(key=lambda name: name not in ("learning_rate", "rate", "ranking"))
    words = [f"{name} {value(proposal.values[name])}" for name in names]
    more = [f"and {len(words) - most} more"] if most is not None and len(words) > most else []
    return ", ".join(words[:most] + more)
