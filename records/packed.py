"""A run packed into one zip file: what was asked and what happened, without networks, predictions and tables.

All figures of a report but those of single images come from that. A packed run is read wherever runs are named; unzipped
it is a run folder again, which can be gone on with.
"""

import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

from console.errors import UsageError
from records.boundary import IMAGES, LEDGER, RUN, read_plain
from records.confirmed import CONFIRM

ENDING = ".zip"
PARTS = (RUN, LEDGER, IMAGES)
NAMES = (*PARTS, *(f"{CONFIRM}/{name}" for name in PARTS))
MOST_BYTES = 4_000_000_000  # unpacked, all together
# bzip2 leaves two thirds of what deflate does of a ledger, which says the same names over and over
THEN = (1980, 1, 1, 0, 0, 0)  # of every file, so that a run that has not changed gives the same bytes


def pack(folder: Path, out: Path) -> list[str]:
    """Write a run as one file; returns the names of what is in it. Raises OSError."""
    names = [name for name in NAMES if (folder / name).exists()]
    with zipfile.ZipFile(out, "w") as packed:
        for name in names:
            content = read_plain(folder / name)
            whole = content[: content.rfind(b"\n") + 1] if name.endswith(LEDGER) else content  # it may still run
            packed.writestr(zipfile.ZipInfo(name, THEN), whole, zipfile.ZIP_BZIP2, 9)
    return names


def is_packed(path: Path) -> bool:
    """Whether the path names a packed run, whatever the file holds."""
    return path.suffix.lower() == ENDING and path.is_file()


def holds_run(path: Path) -> bool:
    """Whether the path names a zip file that has a run.json: others may lie beside runs."""
    try:
        with zipfile.ZipFile(path) as packed:
            return RUN in packed.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def unpacked(path: Path) -> Path:
    """The run as a folder of the same name, for as long as this process lives. Raises UsageError where it is none."""
    about = path.stat()
    return _unpacked(path.absolute(), about.st_mtime_ns, about.st_size)


@cache
def _place() -> "tempfile.TemporaryDirectory[str]":
    """Removed when this process ends."""
    return tempfile.TemporaryDirectory(prefix="curriculum-tune-")


@cache
def _unpacked(path: Path, written: int, size: int) -> Path:
    folder = Path(tempfile.mkdtemp(dir=_place().name)) / path.stem
    (folder / CONFIRM).mkdir(parents=True)
    try:
        with zipfile.ZipFile(path) as packed:
            _check(path, packed)
            for info in packed.infolist():
                (folder / info.filename).write_bytes(packed.read(info))
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise UsageError(f"{path} cannot be unpacked ({error}); get it anew.") from None
    if not any((folder / CONFIRM).iterdir()):
        (folder / CONFIRM).rmdir()
    return folder


def _check(path: Path, packed: zipfile.ZipFile) -> None:
    """Raises UsageError where the file is anything but a packed run, or would fill the disk."""
    names = [info.filename for info in packed.infolist()]
    odd = [name for name in names if name not in NAMES or names.count(name) > 1]
    if odd or RUN not in names:
        what = f"it holds {odd[0][:80]!r}" if odd else f"it has no {RUN}"
        raise UsageError(f"{path} is no packed run: {what}. search.export RUN --out FILE.zip makes one.")
    if sum(info.file_size for info in packed.infolist()) > MOST_BYTES:
        raise UsageError(f"{path} would take more than {MOST_BYTES / 1e9:.0f} GB unpacked; unpack it yourself.")
