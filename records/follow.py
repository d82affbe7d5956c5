"""What a run's ledger says so far, asked again and again while it grows: a live run and a finished one are one thing.

A LedgerFollower reads; its RunHistory is what has been read. Whoever shows a run (status, dashboards) asks these two.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from console.errors import UsageError
from console.progress import track
from records.boundary import RUN, open_to_read
from records.events import from_line
from records.files import parse_json
from records.folder import ledger_file, read_run
from records.history import RunHistory, refuse_lost
from records.ledger import damaged, is_live


class LedgerFollower:
    """A run folder and how far its ledger has been read."""

    def __init__(self, folder: Path):
        """Raises UsageError where the folder is no run, or one of another version."""
        self.folder, self.run = folder, read_run(folder)
        self.live, self.run_written = True, 0
        self._start()

    def _start(self) -> None:
        self.history, self.offset, self.lines = RunHistory(self.run), 0, 0

    def read(self) -> bool:
        """Take what is new; whether there was anything. Raises UsageError naming a damaged line, or a lost ledger.

        A ledger that has become shorter is another one, and `history` then a new object. What follows the last newline
        is torn, or still being written: it waits.
        """
        self.live = is_live(self.folder)  # first, so that nothing written before the end is missed
        self._reread_run()
        new = self._new_lines()
        for line in track(new, "reading the ledger", unit="lines") if len(new) > 1000 else new:
            self.lines += 1
            self._take(line)
        if not self.live:
            self.history.lose()
            refuse_lost(self.folder, self.history)
        return bool(self.history.changed)

    def _reread_run(self) -> None:
        """A search that is resumed may have been given more to do."""
        with contextlib.suppress(FileNotFoundError):
            written = (self.folder / RUN).stat().st_mtime_ns
            if written != self.run_written:
                self.run, self.run_written = read_run(self.folder), written
                self.history.run = self.run

    def _new_lines(self) -> list[bytes]:
        with contextlib.suppress(FileNotFoundError), open_to_read(ledger_file(self.folder)) as file:
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
            event = from_line(parse_json(line))
            if event is not None:
                self.history.apply(event)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self.folder, self.lines, error) from None

    def changes(self, every: float) -> Iterator[None]:
        """Yields at once, then whenever something is new, looking every so many seconds; ends with the run."""
        self.read()
        yield
        while self.live:
            time.sleep(every)
            if self.read():
                yield


def read_all(folders: list[Path]) -> tuple[list[LedgerFollower], dict[str, UsageError]]:
    """The runs as they stand, and by its name what is wrong with each that cannot be read."""
    read, unread = [], {}
    for folder in track(folders, "reading", unit="runs"):
        try:
            follower = LedgerFollower(folder)
            follower.read()
            read.append(follower)
        except UsageError as error:
            unread[folder.absolute().name] = error
    return read, unread
