"""The search as the driver sees it: one book of trials, written to the ledger as it happens.

Executors only call `ask`, `epoch` and `ended`; whoever watches (the terminal) registers for the same three.
"""

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from records.epoch import EpochRecord
from records.files import write_bytes
from records.folder import last_checkpoint, remove_checkpoints
from records.history import Proposal, TrialBook, best_first, proposal_of
from records.ledger import Ledger
from search.proposers.proposer import Proposes

SAME_FAILURES = 3  # after so many trials that fail alike, and none that does not, the rest would too
OUT_OF_TIME = "the time budget is spent"


class Watcher(Protocol):
    """Who is told what happens."""

    def asked(self, book: TrialBook) -> None: ...
    def epoch(self, book: TrialBook) -> None: ...
    def ended(self, book: TrialBook) -> None: ...
    def say(self, text: str) -> None: ...


class Campaign:
    """Asks, records and ends trials; keeps the networks of the best few and of the anchors."""

    def __init__(self, folder: Path, proposer: Proposes, keep: int, deadline: float | None, watcher: Watcher):
        """`deadline` is in seconds of time.monotonic: from then on no trial is asked for."""
        self.folder, self.proposer, self.keep, self.deadline, self.watcher = folder, proposer, keep, deadline, watcher
        self.ledger = Ledger(folder)
        self.books: dict[int, TrialBook] = {}
        self.reopened: list[int] = []  # trials of an earlier process that are to be gone on with
        self.kept: set[int] = set()  # trials whose networks are kept for being among the best
        self.tests: dict[int, dict[str, Any]] = {}  # figures of the trials that test has been opened for
        self.stopped = ""  # why no more trials are wanted
        self.broken = ""  # why nothing more can be written

    def restore(self, events: Iterable[dict[str, Any]], data_root: str | None) -> None:
        """Take the run up where its ledger ends: what was ended stays, what was interrupted is open again."""
        for event in events:
            if event["event"] == "asked":
                proposal = proposal_of(event, data_root)
                self.books[proposal.number] = TrialBook(proposal)
                self.proposer.adopt(proposal)
                self.watcher.asked(self.books[proposal.number])
            elif event["event"] == "epoch":
                self._enter(EpochRecord.from_row(event["record"]))
            elif event["event"] == "ended" and event["state"] != "interrupted":
                book = self.books[event["trial"]]
                book.state, book.reason = event["state"], event["reason"]
                book.peak_memory_mb = event["peak_memory_mb"]
                self.proposer.tell(event["trial"], event["state"])
            elif event["event"] == "test":
                self.tests[event["trial"]] = event
        self.kept = {number for number, book in self.books.items() if book.state != "running"}
        self.reopened = [number for number, book in self.books.items() if book.state == "running"]

    def ask(self) -> Proposal | None:
        """The next trial to run, or None when there is none."""
        if self.over_time():
            self.stopped = self.stopped or OUT_OF_TIME
        if self.stopped:
            return None
        if self.reopened:
            return self.books[self.reopened.pop(0)].proposal
        proposal = self.proposer.ask()
        if proposal is None:
            return None
        own = {} if proposal.setting is None else {"setting": proposal.setting.model_dump()}
        self._write("asked", trial=proposal.number, time=time.time(), anchor=proposal.anchor, **own,
                           withheld=proposal.withheld, values=proposal.values, config=proposal.config)  # fmt: skip
        self.books[proposal.number] = TrialBook(proposal)
        self.watcher.asked(self.books[proposal.number])
        return proposal

    def epoch(self, record: EpochRecord, member: dict[str, Any] | None = None) -> None:
        """An epoch has been trained; one that a restarted trial repeats replaces nothing and is not written twice.

        `member`, in a population: `fields`, the values that change while a trial runs, and `donor` or None.
        """
        book = self.books[record.trial]
        if book.records and record.epoch <= book.records[-1].epoch:
            return
        self._write("epoch", time=time.time(), record=record.row(), **({"member": member} if member else {}))
        if self.broken:  # it will be trained again
            return
        self._enter(record)
        self.watcher.epoch(book)

    def placed(self, number: int, where: dict[str, Any]) -> None:
        """A process has taken a trial up: the node it is on, its GPUs as Ray counts them, its threads."""
        self._write("placed", trial=number, time=time.time(), **where)

    def lost(self, number: int, reason: str, failures: int) -> None:
        """A trial has lost its process, and is started again from its last checkpoint."""
        self._write("lost", trial=number, time=time.time(), reason=reason, failures=failures)

    def reopen(self, number: int) -> None:
        """A trial is to be given to a process again."""
        if self.books[number].state == "running" and number not in self.reopened:
            self.reopened.append(number)

    def running(self) -> bool:
        """Whether a trial still runs, or waits to be given to a process again."""
        return not self.stopped and any(book.state == "running" for book in self.books.values())

    def _enter(self, record: EpochRecord) -> None:
        book = self.books[record.trial]
        book.records.append(record)
        if record.better_than(book.best):
            book.best = record
        self.proposer.report(record)

    def ended(self, number: int, state: str, reason: str = "", peak_memory_mb: float = 0.0) -> None:
        """A trial is over: complete, pruned, failed or interrupted. Only the first word counts."""
        book = self.books[number]
        if book.state != "running":
            return
        book.state, book.reason, book.peak_memory_mb = state, reason, peak_memory_mb
        self._write("ended", trial=number, time=time.time(), state=state, reason=reason,
                    peak_memory_mb=peak_memory_mb)  # fmt: skip
        if self.broken:
            return
        self.proposer.tell(number, state)
        self._tidy(number)
        self.watcher.ended(book)

    def failed(self, number: int, reason: str, trace: str) -> None:
        """A trial has failed: one line for the table, the traceback for the log."""
        log = self.folder / "log" / f"trial-{number:04d}.txt"
        write_bytes(log, trace.encode())
        self.ended(number, "failed", reason)
        if self._all_fail_alike():
            self.stopped = f"the first {SAME_FAILURES} trials all failed the same way ({reason})"

    def out_of_room(self, number: int, reason: str) -> None:
        """A trial could not write its network: not its own failure, so it is to be gone on with when there is room."""
        self.stopped = self.stopped or f"{self.folder} cannot be written any more ({reason})"
        self.ended(number, "interrupted", self.stopped)
        self.broken = self.stopped

    def _write(self, event: str, **content: Any) -> None:
        """Into the ledger; a disk that is full, or read-only by now, ends the run and not the process."""
        if self.broken:
            return
        try:
            self.ledger.append(event, **content)
        except OSError as error:
            self.broken = f"{self.folder} cannot be written any more ({error.strerror or error})"
            self.stopped = self.stopped or self.broken

    def _all_fail_alike(self) -> bool:
        """Whether nothing but one and the same failure has come of this run so far; numbers in its reason may differ."""
        ended = [book for book in self.books.values() if book.state not in ("running", "interrupted")]
        if len(ended) < SAME_FAILURES or any(book.state != "failed" or book.records for book in ended):
            return False
        return len({re.sub(r"[-+.\d]+", "#", book.reason) for book in ended}) == 1

    def over_time(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def past(self) -> dict[int, list[tuple[int, float]]]:
        """{trial: [(images that its updates so far saw, best accuracy so far) by epoch]}: what a scheduler judges by."""
        return {number: book.progress() for number, book in self.books.items() if book.records}

    def seconds_left(self) -> float | None:
        return None if self.deadline is None else max(1.0, self.deadline - time.monotonic())

    def waiting(self) -> bool:
        """Whether a trial that is still to be asked for waits for one that runs."""
        return not self.stopped and (bool(self.reopened) or self.proposer.asked < self.proposer.samples)

    def unfinished(self) -> bool:
        """Whether trials still run, or are still to be asked for."""
        return len(self.books) < self.proposer.samples or any(b.state == "running" for b in self.books.values())

    def close_open_trials(self, reason: str) -> None:
        """What still runs when the executor has stopped is interrupted."""
        for number, book in self.books.items():
            if book.state == "running":
                self.ended(number, "interrupted", reason)

    def test(self, number: int, figures: dict[str, Any]) -> None:
        self._write("test", trial=number, time=time.time(), **figures)
        self.tests[number] = figures

    def ranked(self) -> list[TrialBook]:
        """Trials with a result, best first: accuracy, then loss, then the earlier trial."""
        return best_first(self.books.values())

    def _tidy(self, number: int) -> None:
        """Remove the networks that nothing will ask for; what was interrupted may be gone on with."""
        going_on = ("running", "interrupted")
        if self.books[number].state not in going_on:
            last_checkpoint(self.folder, number).unlink(missing_ok=True)
        rivals = self.kept | {number}  # whoever dropped out stays out: ranking all would cost more with each trial
        kept = {book.proposal.number for book in best_first(self.books[rival] for rival in rivals)[: self.keep]}
        for gone in rivals - kept:
            if self.books[gone].state not in going_on and self.books[gone].proposal.anchor is None:
                remove_checkpoints(self.folder, gone)
        self.kept = kept
