"""Locks on files: they go with the process that holds them, however it ends."""

import contextlib
import errno
import time
from pathlib import Path
from typing import Any

from console.errors import UsageError
from records.boundary import open_plain

LOCK_SECONDS = 60.0  # after which a process that still trains a trial is no leftover


def _lock(file: Any, shared: bool = False) -> None:
    """Raises OSError where another process holds the lock; it goes with its process, however that ends."""
    with contextlib.suppress(ImportError):  # no fcntl on Windows: there the run name alone guards
        import fcntl

        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def lock_soon(file: Any) -> None:
    """As _lock; whoever only looks whether this run is alive holds its lock for an instant, and is waited for."""
    for _ in range(5):
        with contextlib.suppress(BlockingIOError):
            return _lock(file)
        time.sleep(0.02)
    _lock(file)


def is_unlocked(file: Any) -> bool:
    """Whether no process holds this file; asked as a reader, for an instant. Unknown (Windows): it is held."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def hold_as_worker(folder: Path) -> Any:
    """A shared lock that a worker process holds on its run until it ends, however it ends; keep what is returned."""
    file = _open_workers(folder)
    with contextlib.suppress(OSError):  # a file system without locks
        _lock(file, shared=True)
    return file


def wait_for_workers(folder: Path) -> None:
    """The workers of a killed search live on for seconds and may still write: wait for them. Raises UsageError."""
    with _open_workers(folder) as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return _lock(file)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    return None
            if time.monotonic() > deadline:
                raise UsageError(f"Another process still trains trials of {folder}; end it, then try again.")
            time.sleep(0.1)


def _open_workers(folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    return open_plain(folder / ".workers", "a+b", folder)
