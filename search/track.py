"""python -m search.track RUN --to mlflow: send a run to a tracker, while it runs or later; what is there is not doubled."""

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from console.arguments import DONE, WRONG_USAGE, Parser, guarded, refuse_nothing
from console.errors import UsageError
from console.progress import track as bar_of
from console.signals import ended_by_signals
from records.boundary import checked, open_plain, remove, remove_empty
from records.folder import ledger_file
from records.follow import LedgerFollower
from records.history import RunHistory
from search.tracking.trackers import TRACKERS, NotSentError, Sender, Tracker, get_tracker
from search.views.attached import asked_to_stop

LOOK_SECONDS = 1.0  # between two looks at the ledger
AGAIN_SECONDS, MOST_SECONDS = 5.0, 300.0  # before a tracker that did not answer is asked again: at first, at most
TABLES_SECONDS = 15.0  # what a search that has just ended gets to write its tables


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.track", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder, live or finished")
    parser.add_argument("--to", required=True, metavar="|".join(TRACKERS), help="the tracker")
    parser.add_argument("--uri", metavar="URI", help="of mlflow: its server, or a folder for an SQLite file "
                                                     "(MLFLOW_TRACKING_URI, else mlruns/ beside RUN)")  # fmt: skip
    parser.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)  # what starts us: we end with it
    asked = parser.parse_args(words)
    if asked.attached:
        return guarded(lambda: _attached(asked.run, asked.to))
    return guarded(lambda: track(asked.run, asked.to, asked.uri, threading.Event()))


def _attached(folder: Path, name: str) -> int:
    """Beside a search: everything that is said is one line, and what libraries have to say goes into a file."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)  # the trials come first
    log, status = folder / "log" / f"track-{name}.txt", WRONG_USAGE
    try:
        _noise_into(log, folder)
        status = track(folder, name, None, asked_to_stop(True), attached=True)
    except UsageError as error:
        _say(f"{name}: {error}")
    with contextlib.suppress(OSError):
        if log.stat().st_size == 0:
            remove(log, folder)
            remove_empty(log.parent, folder)
    return status


def _noise_into(log: Path, folder: Path) -> None:
    """Standard error goes into the run's log from now on; where that may not be written it stays as it is."""
    with contextlib.suppress(OSError):
        checked(log, folder)
        log.parent.mkdir(exist_ok=True)
        with open_plain(log, "ab", folder) as file:
            os.dup2(file.fileno(), sys.stderr.fileno())


def track(folder: Path, name: str, uri: str | None, stopped: threading.Event, attached: bool = False) -> int:
    """Send a run until it ends or `stopped`. Raises UsageError before anything is sent, and where something was not."""
    if uri is not None:
        refuse_nothing("--uri", uri)
    tracker, follower = get_tracker(name), LedgerFollower(folder)
    with ended_by_signals(stopped.set), tracker.open(folder, follower.run, uri) as sender:
        _say(f"{tracker.title}: {sender.where}")
        return Tracking(follower, tracker, sender, attached).follow(stopped)


class Tracking:
    """A run, a tracker, and what has not arrived there yet."""

    def __init__(self, follower: LedgerFollower, tracker: Tracker, sender: Sender, attached: bool):
        self.follower, self.tracker, self.sender, self.attached = follower, tracker, sender, attached
        self.source: RunHistory | None = None  # what `waiting` are trials of
        self.waiting: set[int] = set()
        self.fault = ""  # why the tracker did not take what was sent last
        self.pause = AGAIN_SECONDS
        self.ask_at = 0.0  # not before, in seconds of time.monotonic

    def follow(self, stopped: threading.Event) -> int:
        """Until the run is over, or it is to stop. Raises UsageError where something has not arrived then."""
        self.look(stopped)
        began_live = self.follower.live
        while (self.attached or self.follower.live) and not stopped.wait(LOOK_SECONDS):
            self.look(stopped)
        if began_live and not self.attached and not stopped.is_set():
            _wait_for_tables(self.follower.folder)
        self.ask_at = 0.0
        self.look(stopped, last=True)
        if not self.fault:
            return DONE
        if self.attached:
            return WRONG_USAGE  # which has been said
        raise UsageError(f"{self._unsent()}; the same command sends the rest.")

    def look(self, stopped: threading.Event, last: bool = False) -> None:
        """Send what is new; by hand no further trial once `stopped`, since the next to send this run sends the rest."""
        self.follower.read()
        history = self.follower.history
        self.waiting |= history.changed
        if history is not self.source:
            self.source, self.waiting = history, set(history.trials)
        if not (self.waiting or last) or time.monotonic() < self.ask_at or not history.trials:
            return
        try:
            for number in self._in_turn():
                if stopped.is_set() and not self.attached:
                    return
                self.sender.send(history, [number])
            if last and not self.follower.live:
                self.sender.finish(history)
        except NotSentError as error:
            self._not_sent(str(error))
        else:
            self._all_sent()

    def _in_turn(self) -> Iterable[int]:
        """The trials that wait, behind a bar where somebody looks on."""
        waiting = sorted(self.waiting)
        return waiting if self.attached else bar_of(waiting, f"sending to {self.tracker.title}", unit="trials")

    def _all_sent(self) -> None:
        assert self.source
        self.source.changed.clear()
        self.waiting.clear()
        if self.fault and self.attached:
            _say(f"{self.tracker.title} has everything so far.")
        self.fault, self.pause = "", AGAIN_SECONDS

    def _not_sent(self, reason: str) -> None:
        assert self.source
        self.waiting = set(self.source.trials)  # it is not known what has arrived
        self.ask_at, self.pause = time.monotonic() + self.pause, min(2 * self.pause, MOST_SECONDS)
        first, self.fault = not self.fault, reason
        if first and self.attached:
            to = f"python -m search.track {self.follower.folder} --to {self.tracker.name}"
            _say(f"{self._unsent()}; the search goes on, and `{to}` sends what is missing.")

    def _unsent(self) -> str:
        return f"{self.tracker.title} does not take the run ({self.fault})"


def _wait_for_tables(folder: Path) -> None:
    """A search gives up its ledger before it writes its tables."""
    ended, deadline = ledger_file(folder).stat().st_mtime, time.monotonic() + TABLES_SECONDS
    table = folder / "best.parquet"
    while time.monotonic() < deadline and not (table.exists() and table.stat().st_mtime >= ended):
        time.sleep(0.2)


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
