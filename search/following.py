"""What a run's ledger says so far, asked again and again while it grows: a live run and a finished one are one thing.

`Following` reads; `Standing` is what has been read. Whoever shows a run (status, dashboards) asks these two.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.campaign import TrialBook, proposal_of
from spaces.errors import UsageError
from trainables import store
from trainables.progress import track
from trainables.records import EpochRecord

LOST = "its search is no longer running"
Event = dict[str, Any]


@dataclass
class Followed(TrialBook):
    """A trial with the times at which it was asked for and ended (seconds since 1970) and its test figures.

    Of a population's member also, by epoch: the values of the fields that change, and whom it took them over from.
    """

    asked: float = 0.0
    over: float | None = None
    test: dict[str, float] | None = None
    fields: dict[int, dict[str, float]] = field(default_factory=dict)
    donors: dict[int, int] = field(default_factory=dict)


class Standing:
    """Every trial as the ledger has it. Events of a kind that is not known here are passed over."""

    def __init__(self) -> None:
        self.books: dict[int, Followed] = {}
        self.changed: set[int] = set()  # trials that something has happened to; whoever has seen to them clears it
        self.first: float | None = None  # time of the first event, seconds since 1970
        self.last: float | None = None
        self.away = 0.0  # seconds between an interruption and the resumption after it

    def take(self, event: Event) -> None:
        """Enter one event. KeyError, TypeError or ValueError where it is not what its kind should be."""
        self._tell_time(event)
        kind = {"asked": self._asked, "epoch": self._epoch, "ended": self._ended, "test": self._test}
        if event["event"] in kind:
            self.changed.add(kind[event["event"]](event))

    def lose(self) -> None:
        """Nobody writes this ledger any more: what still runs in it does not."""
        for number, book in self.books.items():
            if book.state == "running":
                book.state, book.reason, book.over = "interrupted", LOST, self.last
                self.changed.add(number)

    def seconds(self, now: float) -> float:
        """Time that was spent on the run until `now`, in seconds."""
        return 0.0 if self.first is None else max(0.0, now - self.first - self.away)

    def _tell_time(self, event: Event) -> None:
        now = event.get("time", self.last)
        if now is None:
            return
        self.first = now if self.first is None else self.first
        if event["event"] == "resumed" and self.last is not None:
            self.away += max(0.0, now - self.last)
        self.last = now

    def _asked(self, event: Event) -> int:
        """A trial, or the same trial again after the search was resumed: its records stay."""
        number = event["trial"]
        proposal = proposal_of(event, (event.get("setting") or {}).get("data_root"))
        if number in self.books:
            self.books[number].proposal = proposal
            self._runs(self.books[number])
        else:
            self.books[number] = Followed(proposal, asked=event["time"])
        return number

    def _epoch(self, event: Event) -> int:
        record = EpochRecord.from_row(event["record"])
        book = self.books[record.trial]
        if book.records and record.epoch <= book.records[-1].epoch:
            return record.trial  # counted as first recorded
        book.records.append(record)
        if record.better_than(book.best):
            book.best = record
        if member := event.get("member"):
            book.fields[record.epoch] = member["fields"]
            if member["donor"]:
                book.donors[record.epoch] = member["donor"][0]
        if book.state == "interrupted":
            self._runs(book)
        return record.trial

    def _ended(self, event: Event) -> int:
        book = self.books[event["trial"]]
        book.state, book.reason, book.over = event["state"], event["reason"], event["time"]
        book.peak_memory_mb = event.get("peak_memory_mb", 0.0)
        return event["trial"]

    def _test(self, event: Event) -> int:
        self.books[event["trial"]].test = {name: event[name] for name in ("accuracy", "loss", "knn")}
        return event["trial"]

    def _runs(self, book: Followed) -> None:
        book.state, book.reason, book.over = "running", "", None


class Following:
    """A run folder and how far its ledger has been read."""

    def __init__(self, folder: Path):
        """Raises UsageError where the folder is no run, or one of another version."""
        self.folder, self.run = folder, store.read_run(folder)
        self.live, self.run_written = True, 0
        self._start()

    def _start(self) -> None:
        self.standing, self.offset, self.lines = Standing(), 0, 0

    def read(self) -> bool:
        """Take what is new; whether there was anything. Raises UsageError naming a damaged line.

        A ledger that has become shorter is another one, and `standing` then a new object. What follows the last newline
        is torn, or still being written: it waits.
        """
        self.live = is_live(self.folder)  # first, so that nothing written before the end is missed
        self._reread_run()
        new = self._new_lines()
        for line in track(new, "reading the ledger", unit="lines") if len(new) > 1000 else new:
            self.lines += 1
            self._take(line)
        if not self.live:
            self.standing.lose()
        return bool(self.standing.changed)

    def _reread_run(self) -> None:
        """A search that is resumed may have been given more to do."""
        with contextlib.suppress(FileNotFoundError):
            written = (self.folder / "run.json").stat().st_mtime_ns
            if written != self.run_written:
                self.run, self.run_written = store.read_run(self.folder), written

    def _new_lines(self) -> list[bytes]:
        with contextlib.suppress(FileNotFoundError), store.ledger_file(self.folder).open("rb") as file:
            size = file.seek(0, 2)
            if size < self.offset:
                self._start()
            file.seek(self.offset)
            whole, newline, _ = file.read(size - self.offset).rpartition(b"\n")
            self.offset += len(whole) + len(newline)
            return whole.split(b"\n") if newline else []
        return []  # a search that is just starting

    def _take(self, line: bytes) -> None:
        try:
            self.standing.take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            known = isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
            why = "" if known else f" ({type(error).__name__}: {str(error).splitlines()[0]})"
            path = store.ledger_file(self.folder)
            raise UsageError(f"{path}, line {self.lines} is damaged{why}; the run cannot be trusted.") from None

    def changes(self, every: float) -> Iterator[None]:
        """Yields at once, then whenever something is new, looking every so many seconds; ends with the run."""
        self.read()
        yield
        while self.live:
            time.sleep(every)
            if self.read():
                yield


def is_live(folder: Path) -> bool:
    """Whether a process is writing this run's ledger: it holds a lock that goes with it. Unknown (Windows): yes.

    The lock is asked for as a reader, for an instant; a search that starts in that very instant asks again.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        with store.ledger_file(folder).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError):
            return time.time() - (folder / "run.json").stat().st_mtime < 60  # between making the folder and the ledger
        return False
    except OSError:
        return True
