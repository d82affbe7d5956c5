"""TODO."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from records.epoch import EpochRecord, Row
from records.ledger import read_events
from spaces.setting import Setting


def recorded_epochs(folder: Path, trial: int) -> dict[int, dict[str, Any]]:
    """{epoch: record} of one trial, as the ledger has them."""
    rows: dict[int, dict[str, Any]] = {}
    for event in read_events(folder):
        if event["event"] == "epoch" and event["record"]["trial"] == trial:
            rows.setdefault(event["record"]["epoch"], event["record"])
    return rows


LOST = "its search is no longer running"


Event = dict[str, Any]


@dataclass(frozen=True)
class Proposal:
    """What trial `number` is to run."""

    number: int
    config: dict[str, Any]  # every field
    values: dict[str, Any]  # the searched fields that mean something here
    anchor: str | None = None
    withheld: bool = False  # an anchor that no draw could have given: the sampler is not told of it
    setting: Setting | None = None  # where it is not the run's


@dataclass
class TrialBook:
    """What is known of one trial."""

    proposal: Proposal
    records: list[EpochRecord] = field(default_factory=list)
    best: EpochRecord | None = None
    state: str = "running"
    reason: str = ""
    peak_memory_mb: float = 0.0

    def progress(self) -> list[tuple[int, float]]:
        """By epoch: updates times batch size, and the best accuracy so far."""
        best = itertools.accumulate((record.eval_accuracy for record in self.records), max)
        size = self.proposal.config["batch_size"]
        return [(record.updates * size, top) for record, top in zip(self.records, best, strict=True)]


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


def proposal_of(event: dict[str, Any], data_root: str | None) -> Proposal:
    """The proposal that an "asked" event was made of; the data may have moved since."""
    own = event.get("setting")
    setting = own and Setting(**own | {"data_root": data_root})
    return Proposal(event["trial"], event["config"], event["values"], event["anchor"], event["withheld"], setting)


def best_first(books: Iterable[TrialBook]) -> list[TrialBook]:
    """Those with a result."""
    return sorted((book for book in books if book.best and book.state in ("complete", "pruned")), key=rank)


def rank(book: TrialBook) -> tuple[float, float, int]:
    """Sorts the best trial first; the same on every machine, whatever order trials ended in."""
    assert book.best
    return -book.best.eval_accuracy, book.best.eval_loss, book.proposal.number


def record_rows(events: list[Row]) -> list[Row]:
    """One row per trial-epoch, by trial and epoch; an epoch that was trained twice counts once, as first recorded."""
    rows: dict[tuple[int, int], Row] = {}
    for event in events:
        if event["event"] == "epoch":
            record = event["record"]
            rows.setdefault((record["trial"], record["epoch"]), record)
    return [rows[key] for key in sorted(rows)]


def _rank(row: Row) -> tuple[float, float]:
    """As EpochRecord.better_than, on plain rows: a long search has 100,000 of them."""
    return row["eval_accuracy"], -row["eval_loss"]
