"""The border of a run folder: whatever is opened, written or deleted inside one goes through here.

A run folder may come from somebody else. A link, a pipe or a device where a plain file or folder belongs could lead what
is written or deleted to somewhere else, so it is refused before anything is opened, cut or removed.
"""

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from console.errors import UsageError

RUN, LEDGER, IMAGES = "run.json", "ledger.jsonl", "images.json"
TABLES = tuple(f"{name}.parquet" for name in ("records", "finals", "predictions", "best", "schedule", "comparison"))
FILES = (RUN, LEDGER, IMAGES, ".reserve", ".workers", "study.journal", "comparison.md", *TABLES)
TRACKED = "tracked"  # what was sent to trackers
DEEP = ("checkpoints", "predictions", "log", TRACKED)  # folders in which everything is ours
FOLDERS = (*DEEP, ".ray", "tensorboard", "confirm", "promoted")
OWN = frozenset((*FILES, *FOLDERS))


def run_folders(path: Path) -> list[Path]:
    """The run folders that a path lies in or is, the innermost first."""
    here = Path(os.path.abspath(path))
    return [place for place in (here, *here.parents) if all(os.path.lexists(place / name) for name in (RUN, LEDGER))]


def checked(path: Path, folder: Path | None = None) -> Path:
    """The path of a file, once nothing from the run folder down to it leads out of that.

    `folder`: the run's; else the outermost that the path lies in, and a path in none is left alone. Raises UsageError.
    """
    here = Path(os.path.abspath(path))
    top = Path(os.path.abspath(folder)) if folder else next(reversed(run_folders(here.parent)), None)
    if top is not None:
        between = [place for place in here.parents if place != top and place.is_relative_to(top)]
        for place in reversed(between):
            _look(place, stat.S_ISDIR, "folder")
        _look(here, stat.S_ISREG, "file")
    return path


def _look(place: Path, fits: Any, wanted: str) -> None:
    try:
        mode = place.lstat().st_mode
    except FileNotFoundError:
        return
    if not fits(mode):
        found = "a link" if stat.S_ISLNK(mode) else f"no plain {wanted}"
        raise UsageError(f"{place} is {found}, and nothing outside a run folder may be changed through it; put a plain "
                         f"{wanted} there, or remove it.")  # fmt: skip


def check_run(folder: Path) -> None:
    """Look at everything of ours in a run folder before it is written to. Raises UsageError at the first that is odd."""
    for name in FILES:
        checked(folder / name, folder)
    for name in FOLDERS:
        _look(folder / name, stat.S_ISDIR, "folder")
    for name in DEEP:
        for place, folders, files in os.walk(folder / name):
            for each in folders:
                _look(Path(place, each), stat.S_ISDIR, "folder")
            for each in files:
                _look(Path(place, each), stat.S_ISREG, "file")


def open_plain(path: Path, mode: str, folder: Path | None = None, buffering: int = -1) -> Any:
    """A file in a run folder, opened as `open` does. Raises UsageError as `checked`, else OSError."""
    return open(checked(path, folder), mode, buffering, opener=_not_through_a_link)


def _not_through_a_link(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def remove(path: Path, folder: Path | None = None) -> None:
    """Remove a file in a run folder, if it is there."""
    checked(path, folder).unlink(missing_ok=True)


def remove_empty(place: Path, folder: Path) -> None:
    """Remove a folder in a run folder where nothing is left in it."""
    checked(place / "any", folder)
    with contextlib.suppress(OSError):
        place.rmdir()


def remove_run(folder: Path) -> None:
    """Remove a run in which nothing has happened: what is ours in its folder, and the folder where nothing else is."""
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)  # of a link it removes nothing
    for name in FILES:
        remove(folder / name, folder)
    with contextlib.suppress(OSError):
        folder.rmdir()


def open_to_read(path: Path) -> Any:
    """A file that may be a link, but no pipe or device, which would be waited for. Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    return path.open("rb")


def read_plain(path: Path) -> bytes:
    """The content of such a file. Raises OSError."""
    with open_to_read(path) as file:
        content: bytes = file.read()
    return content
