"""The ledger of a run: what happened, one event a line, only ever appended to. One process writes it, any number read."""

import contextlib
import errno
import json
import os
import time
from pathlib import Path
from typing import Any

from console.errors import UsageError
from records.boundary import check_run, open_plain, open_to_read, read_plain, remove
from records.events import Epoch, Event, from_line, to_line
from records.files import parse_json
from records.folder import ledger_file
from records.locks import is_unlocked, lock_soon

RESERVE_BYTES = 100_000  # given up on a full disk, so that the ledger can still be closed
FLUSH_SECONDS = 0.1  # in which epochs are flushed to disk together: one costs 0.1 to 10 ms, all of them in the driver


def read_events(folder: Path) -> list[Event]:
    """Every event of a kind that is known; a torn last line is left out. Raises UsageError naming a damaged line."""
    events = []
    for number, line in enumerate(read_lines(folder), start=1):
        try:
            event = from_line(line)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(folder, number, error) from None
        if event is not None:
            events.append(event)
    return events


def read_lines(folder: Path) -> list[Any]:
    """The JSON objects of the ledger's whole lines. Raises UsageError naming a damaged one."""
    try:
        content = read_plain(ledger_file(folder))
    except OSError as error:
        raise UsageError(f"The ledger {ledger_file(folder)} cannot be read ({error.strerror}).") from None
    whole = content[: content.rfind(b"\n") + 1]  # what follows the last newline is torn or empty
    try:
        # all lines in one go share the strings of their keys: half the time and a third of the memory of line by line
        lines = parse_json(b"[" + whole[:-1].replace(b"\n", b",") + b"]")
    except ValueError:
        lines = None
    # two damaged lines can make sense together, so the count must agree
    if lines is not None and len(lines) == whole.count(b"\n"):
        return list(lines)
    return _each_line(folder, whole.split(b"\n")[:-1])


def _each_line(folder: Path, lines: list[bytes]) -> list[Any]:
    """The objects line by line, to name the damaged one."""
    objects = []
    for number, line in enumerate(lines, start=1):
        try:
            objects.append(parse_json(line))
        except ValueError as error:
            raise damaged(folder, number, error) from None
    return objects


def damaged(folder: Path, number: int, error: Exception) -> UsageError:
    """Line `number` of the ledger is not what it should be."""
    known = isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
    why = "" if known else f" ({': '.join([type(error).__name__, *str(error).splitlines()[:1]])})"
    return UsageError(f"{ledger_file(folder)}, line {number} is damaged{why}; the run cannot be trusted.")


class Ledger:
    """The one writer of a run's ledger: it holds a lock, and what is appended outlives this process.

    It also outlives the machine, but for epochs that follow another event by less than FLUSH_SECONDS: those are on disk
    with the next event, or when the system writes them.
    """

    def __init__(self, folder: Path):
        """Raises UsageError where another process is writing this run, or where it cannot be written.

        So does a run folder of which something would lead what is written or removed elsewhere; it is not touched then.
        """
        check_run(folder)
        self.folder, self.path, self.reserve = folder, ledger_file(folder), folder / ".reserve"
        try:
            self.file = open_plain(self.path, "a+b", folder, buffering=0)
        except OSError as error:
            raise UsageError(f"The ledger {self.path} cannot be written ({error.strerror}).") from None
        self.flushed_at = -FLUSH_SECONDS
        try:
            lock_soon(self.file)
        except OSError:
            self.file.close()
            raise UsageError(
                f"Another process is working on {folder}; wait for it, or choose another --name."
            ) from None
        self._cut_torn_line()
        with contextlib.suppress(OSError):
            remove(self.reserve, folder)
            with open_plain(self.reserve, "xb", folder) as file:
                file.write(b"\0" * RESERVE_BYTES)

    def append(self, event: Event) -> None:
        """Raises OSError where the disk is full or read-only; the ledger ends with its last whole line all the same."""
        line = json.dumps(to_line(event), allow_nan=False).encode() + b"\n"
        waits = isinstance(event, Epoch) and event.member is None
        flush = not waits or time.monotonic() - self.flushed_at >= FLUSH_SECONDS
        try:
            self._put(line, flush)
        except OSError:
            remove(self.reserve, self.folder)  # room for what must still be said
            self._put(line, flush)

    def is_empty(self) -> bool:
        """Whether nothing has ever been written to it."""
        return os.fstat(self.file.fileno()).st_size == 0

    def _put(self, line: bytes, flush: bool) -> None:
        end = os.fstat(self.file.fileno()).st_size
        try:
            if self.file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if flush:
                os.fsync(self.file.fileno())
                self.flushed_at = time.monotonic()
        except OSError:
            os.ftruncate(self.file.fileno(), end)
            raise

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed already
            os.fsync(self.file.fileno())
        self.file.close()
        with contextlib.suppress(OSError):
            remove(self.reserve, self.folder)

    def _cut_torn_line(self) -> None:
        """A crash can leave half a line at the end; nothing else is ever cut."""
        self.file.seek(0)
        content = self.file.read()
        self.file.truncate(content.rfind(b"\n") + 1)


def is_live(folder: Path) -> bool:
    """Whether a process is writing this run's ledger: it holds a lock that goes with it. Unknown (Windows): yes.

    The lock is asked for as a reader, for an instant; a search that starts in that very instant asks again.
    Raises UsageError for a ledger that cannot be read.
    """
    file = ledger_file(folder)
    try:
        with open_to_read(file) as opened:
            return not is_unlocked(opened)
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError):
            return time.time() - (folder / "run.json").stat().st_mtime < 60  # between making the folder and the ledger
        return False
    except OSError as error:
        raise UsageError(f"The ledger {file} cannot be read ({error.strerror}).") from None
