"""python -m search.status RUN: how far a run is, in plain lines; with --watch, until it ends."""

import datetime
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from console.arguments import DONE, Parser, guarded
from console.wording import clock
from records.follow import Following
from records.history import Followed
from search.views.terminal import Terminal
from spaces.registry import get_space

SHOWN_ERRORS = 3
LOOK_SECONDS = 1.0  # between two looks at the ledger


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.status", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder, live or finished")
    parser.add_argument("--watch", action="store_true", help="go on until the run ends")
    asked = parser.parse_args(words)
    return guarded(lambda: watch(Following(asked.run)) if asked.watch else show(Following(asked.run)))


def show(following: Following) -> int:
    """Say how far the run is. Raises UsageError for a damaged ledger."""
    following.read()
    print("\n".join(lines(following, time.time())), flush=True)
    return DONE


def watch(following: Following) -> int:
    """Say how far it is, then a line for each trial that ends (and a bar on a terminal), then how it ended."""
    show(following)
    if not following.live:
        return DONE
    terminal = terminal_of(following, time.time())
    said = ended(following)
    try:
        with terminal:
            for _ in following.changes(LOOK_SECONDS):
                terminal.books = following.standing.books  # type: ignore[assignment]
                for number in sorted(ended(following) - said):
                    terminal.ended(terminal.books[number])
                said = ended(following)
                following.standing.changed.clear()
    except KeyboardInterrupt:
        return DONE
    print("\n".join(lines(following, time.time())), flush=True)
    return DONE


def ended(following: Following) -> set[int]:
    """The numbers of the trials that do not run."""
    return {number for number, book in following.standing.books.items() if book.state != "running"}


def terminal_of(following: Following, now: float) -> Terminal:
    """What the search itself would show, from its ledger. `now`: seconds since 1970."""
    options, standing = following.run["options"], following.standing
    terminal = Terminal(get_space(following.run["setting"]["strategy"]), options["samples"], options["epochs"])
    terminal.books = standing.books  # type: ignore[assignment]
    until = now if following.live else standing.last or now
    terminal.started = time.monotonic() - standing.seconds(until)
    return terminal


def lines(following: Following, now: float) -> list[str]:
    """How far the run is. `now`: seconds since 1970."""
    terminal = terminal_of(following, now)
    said = [headline(following)]
    if following.live:
        said += [*terminal.status(), *_expected_end(terminal, now)]
    else:
        spent = clock(time.monotonic() - terminal.started)
        said += [" · ".join([*terminal.counts(), f"{spent} in all"]), *terminal.best()]
    return said + errors(following)


def headline(following: Following) -> str:
    """'first: self_paced on scenes, 12 trials of up to 12 epochs, finished'."""
    options, books = following.run["options"], following.standing.books
    strategies = following.run["compare"]["strategies"] if "compare" in following.run else options["space"]
    left = options["samples"] - sum(book.state in ("complete", "pruned", "failed") for book in books.values())
    state = (
        "running"
        if following.live
        else "finished"
        if left <= 0
        else f"stopped with {left} trial{'s' * (left != 1)} to go"
    )
    return (
        f"{following.folder.absolute().name}: {strategies} on {options['data']}, {options['samples']} trials of up to "
        f"{options['epochs']} epochs, {state}"
    )


def _expected_end(terminal: Terminal, now: float) -> list[str]:
    left = terminal.left()
    if left is None:
        return []
    at = datetime.datetime.fromtimestamp(now + left)
    day = "" if at.date() == datetime.datetime.fromtimestamp(now).date() else f" on {at:%A}, {at.day} {at:%B}"
    return [f"expected end: about {at:%H:%M}{day}"]


def errors(following: Following) -> list[str]:
    """The trials that failed last, with their reasons, newest first."""
    failed = [book for book in following.standing.books.values() if book.state == "failed"]
    failed.sort(key=lambda book: -(book.over or 0.0))
    more = [f"and {len(failed) - SHOWN_ERRORS} more failed"] if len(failed) > SHOWN_ERRORS else []
    return [_failure(following.folder, book) for book in failed[:SHOWN_ERRORS]] + more


def _failure(folder: Path, book: Followed) -> str:
    log = folder / "log" / f"trial-{book.proposal.number:04d}.txt"
    where = f" ({log})" if log.exists() else ""
    return f"trial {book.proposal.number} failed: {book.reason}{where}"


if __name__ == "__main__":
    sys.exit(main())
