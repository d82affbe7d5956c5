"""Where a command writes what it was asked for (--out): over nothing that it did not write, and over nothing of a run's.

What is written in the places that a run folder has for it needs none of this: `records/boundary.py` looks after those.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from console.errors import UsageError
from records.boundary import OWN, run_folders

GENERATOR = '<meta name="generator" content="curriculum-tune">'  # in the page of every report
TITLE = "<title>Report on "  # how the pages from before that begin
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet computes
PAGES, FOLDERS = ("index.html", "report.md"), ("data", "figures")  # of a report


def check_file(path: Path, overwrite: bool = False) -> None:
    """Raises UsageError where `path` is not free for a file; `overwrite`: where it is not free and no plain file.

    Also where no file can be made there: better now than after an hour's work.
    """
    check_not_of_a_run(path)
    if not os.path.lexists(path):
        return _check_place(path)
    if path.is_symlink() or not path.is_file():
        raise UsageError(f"{path} is no plain file; choose another --out.")
    if not overwrite:
        raise UsageError(f"{path} is there already; choose another --out, or pass --overwrite to have it replaced.")


def prepare_folder(path: Path, overwrite: bool = False) -> None:
    """Make the folder of a report, or take the one that is there. Raises UsageError where it holds what is not ours.

    Also where a link in it would have the report written elsewhere, which `overwrite` does not allow either.
    """
    check_not_of_a_run(path)
    _check_no_links(path)
    taken = [name for name in (*PAGES, *FOLDERS) if os.path.lexists(path / name)]
    if taken and not overwrite and not _is_report(path):
        raise UsageError(f"{path} has a {taken[0]} that is of no report of ours; choose another --out, or pass --overwrite "
                         f"to have it replaced.")  # fmt: skip
    _check_place(path / PAGES[0])
    with written(path):
        path.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def written(path: Path) -> Iterator[None]:
    """A block that writes to `path`, a file or a folder. Raises UsageError where the disk or the system refuses that."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror or error}); make room there, or have it allowed."
        ) from None


def _check_place(path: Path) -> None:
    with written(path):
        there = next(place for place in path.absolute().parents if place.exists())
        if not (there.is_dir() and os.access(there, os.W_OK)):
            number = errno.EACCES if there.is_dir() else errno.ENOTDIR
            raise OSError(number, os.strerror(number), str(there))


def _check_no_links(report: Path) -> None:
    for name in (*PAGES, *FOLDERS):
        place, wanted = report / name, "folder" if name in FOLDERS else "file"
        plain = place.is_dir() if name in FOLDERS else place.is_file()
        if os.path.lexists(place) and (place.is_symlink() or not plain):
            raise UsageError(f"{place} is no plain {wanted}; choose another --out, or move it away.")


def check_not_of_a_run(path: Path) -> None:
    """Raises UsageError where `path` is, or lies in, what a run folder keeps for itself."""
    real = Path(os.path.realpath(path))
    for run in run_folders(real)[:1]:
        own = real.relative_to(run).parts[:1]
        if OWN.intersection(own):
            raise UsageError(f"{path} would replace {own[0]} of the run {run}; choose another --out.")


def _is_report(folder: Path) -> bool:
    """Whether the page in it is one of ours."""
    page = folder / "index.html"
    if not page.is_file():
        return False
    with page.open("rb") as file:
        beginning = file.read(1000).decode(errors="replace")
    return GENERATOR in beginning or TITLE in beginning
