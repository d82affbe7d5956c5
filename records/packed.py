"""A run packed into one zip file: what was asked, what happened and what each network says of the test images.

All that a verdict and its figures are made of, without networks and tables. Of runs that pick by accuracy the predictions
are without probabilities, which nothing but single images is shown by. A packed run is read wherever runs are named;
unzipped it is a run folder again, which can be gone on with. It is made to be shown to others, so of a path on the disk of
who made it no more than the last name goes along: …/rsscn7.
"""

import io
import json
import re
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from console.errors import UsageError
from records.boundary import IMAGES, LEDGER, RUN, read_plain
from records.confirmed import CONFIRM
from records.epoch import Objective
from records.files import Arrays, as_bytes, write_bytes
from records.folder import prediction_files, read_run
from records.places import Places
from records.predictions import read_prediction

ENDING = ".zip"
PARTS = (RUN, LEDGER, IMAGES)
NAMES = re.compile(rf"({CONFIRM}/)?({'|'.join(map(re.escape, PARTS))}|predictions/\d+\.test\.safetensors)")
WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
STEP = 4096  # bytes that are unpacked at a time
# what zipfile and what unpacks end in: encrypted (RuntimeError), of a later version, names that are no text (ValueError)
DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)
MOST_BYTES = 4_000_000_000  # unpacked, all together
# bzip2 leaves two thirds of what deflate does of a ledger, which says the same names over and over
THEN = (1980, 1, 1, 0, 0, 0)  # of every file, so that a run that has not changed gives the same bytes


def pack(folder: Path, out: Path) -> None:
    """Write a run, and its confirmation where it has one, as one file. Raises UsageError, and OSError."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        places = Places()
        for name, content in [*_contents(folder, "", places), *_contents(folder / CONFIRM, f"{CONFIRM}/", places)]:
            packed.writestr(zipfile.ZipInfo(name, THEN), content, zipfile.ZIP_BZIP2, 9)
    write_bytes(out, made.getvalue())  # whole or not at all: half a run would be taken for one


def _contents(folder: Path, place: str, places: Places) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of what is packed of a run."""
    for name in PARTS:
        if (folder / name).exists():
            content = read_plain(folder / name)
            whole = content[: content.rfind(b"\n") + 1] if name == LEDGER else content  # it may still run
            yield place + name, whole if name == IMAGES else places.hide(whole)
    if not (folder / RUN).exists():
        return
    by_accuracy = Objective.of(read_run(folder)["setting"]).metric == "accuracy"
    for path, found in prediction_files(folder):
        if found[2] == "test":
            epoch, arrays = read_prediction(path)
            yield f"{place}predictions/{path.name}", as_bytes(_small(arrays, by_accuracy), json.dumps({"epoch": epoch}))


def _small(arrays: Arrays, by_accuracy: bool) -> Arrays:
    """The same in as few bytes as hold it."""
    kept = {name: array for name, array in arrays.items() if name != "probabilities" or not by_accuracy}
    return {name: np.asarray(array, np.min_scalar_type(-int(array.max()) - 1)) if array.dtype.kind == "i" else array
            for name, array in kept.items()}  # fmt: skip


def is_packed(path: Path) -> bool:
    """Whether the path names a packed run, whatever the file holds."""
    return path.suffix.lower() == ENDING and path.is_file()


def holds_run(path: Path) -> bool:
    """Whether the path names a zip file that has a run.json: others may lie beside runs."""
    try:
        with zipfile.ZipFile(path) as packed:
            return RUN in packed.namelist()
    except DAMAGED:
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
    try:
        with zipfile.ZipFile(path) as packed:
            _check(path, packed)
            for info in packed.infolist():
                (folder / info.filename).parent.mkdir(parents=True, exist_ok=True)
                _unpack(packed, info, folder / info.filename)
    except DAMAGED as error:
        raise UsageError(f"{path} cannot be unpacked ({error}); get it anew.") from None
    return folder


def _unpack(packed: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path) -> None:
    """Bit by bit: what a few bytes grow to is not known before, whatever the file says."""
    with packed.open(info) as file, to.open("wb") as out:
        while part := file.read(STEP):
            out.write(part)


def _check(path: Path, packed: zipfile.ZipFile) -> None:
    """Raises UsageError where the file is anything but a packed run, or would fill the disk."""
    names = [info.filename for info in packed.infolist()]
    odd = [name for name in names if not NAMES.fullmatch(name)]
    odd += [info.filename for info in packed.infolist() if info.compress_type not in WAYS]
    odd += [name for name, count in Counter(names).items() if count > 1]
    if odd or RUN not in names:
        what = f"it holds {odd[0][:80]!r}" if odd else f"it has no {RUN}"
        raise UsageError(f"{path} is no packed run: {what}. search.export RUN --out FILE.zip makes one.")
    if sum(info.file_size for info in packed.infolist()) > MOST_BYTES:
        raise UsageError(f"{path} would take more than {MOST_BYTES / 1e9:.0f} GB unpacked; unpack it yourself.")
