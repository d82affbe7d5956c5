"""Where a view writes the files that it derives from a run: into the run folder, one process at a time."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def own_place(folder: Path) -> Iterator[Path]:
    """Where what is derived from the run is written: the run folder, for one process at a time.

    A second one, or one that may not write there, takes a temporary folder. The lock goes with the process, however
    that ends.
    """
    try:
        import fcntl  # not on Windows

        held = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # Windows
        yield folder
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.access(folder, os.W_OK)
    except OSError:
        mine = False
    try:
        if mine:
            yield folder
        else:
            with own_folder() as other:
                yield other
    finally:
        os.close(held)


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder, gone with the block."""
    with tempfile.TemporaryDirectory(prefix="curriculum-tune-", ignore_cleanup_errors=True) as other:
        yield Path(other)
