"""A data set in one .npz file: images (N, H, W) or (N, H, W, 3), labels (N,) and, if need be, classes (C,) names.

Nothing is unpickled. What the images may hold is said in pictures.py.
"""

import hashlib
import lzma
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from console.errors import UsageError
from trainables.data.cache import Recipe
from trainables.data.dataset import Ints
from trainables.data.pictures import Resize, Unreadable, from_array
from trainables.data.stored import Item

WANTED = "arrays images (N, H, W) or (N, H, W, 3), labels (N,) and, if the classes have names, classes"
MOST_QUOTED = 100  # characters of the file in a message
# What zipfile (RuntimeError: encrypted, or packed in a way that is not known), what unpacks, and NumPy's headers end in
UNREADABLE = (
    OSError, EOFError, ValueError, TypeError, KeyError, OverflowError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError,
)  # fmt: skip


def is_arrays(source: str) -> bool:
    return source.lower().endswith(".npz") and not Path(source).expanduser().is_dir()


def make_recipe(source: str, size: int, resize: Resize) -> Recipe:
    """How to build the cache of a file; its images are not loaded yet. Raises UsageError for what is no such file."""
    file = Path(source).expanduser()
    shape, labels, classes = _looked_at(file)
    paths = tuple(f"{classes[label]}/{index:06d}" for index, label in enumerate(labels))
    items = partial(_items, file, labels, paths, size, resize)
    return Recipe(_key(file, size, resize), source, size, shape[0], classes, items, labels, paths)


def _key(file: Path, size: int, resize: Resize) -> str:
    status = file.stat()
    about = os.fsencode(file.resolve()) + f"\0{status.st_size}\0{status.st_mtime_ns}\0{resize}".encode()
    return f"npz-{size}-{hashlib.sha256(about).hexdigest()[:32]}"


def _looked_at(file: Path) -> tuple[tuple[int, ...], Ints, tuple[str, ...]]:
    """The shape of the images, the labels, the names of the classes; the images themselves are not loaded."""
    if not file.is_file():
        raise UsageError(f"No file at {file}; --data FILE.npz wants {WANTED}.")
    with _opened(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if missing := [name for name in ("images", "labels") if name not in names]:
            raise UsageError(
                f"{file} has no array '{missing[0]}' (it has {_cut(', '.join(names)) or 'none'}); it wants {WANTED}."
            )
        labels, named = _array(archive, "labels"), _array(archive, "classes") if "classes" in names else None
        with _member(archive, "images") as (_, shape, dtype):
            _check_images(file, shape, dtype)
    checked = _checked_labels(file, labels, shape[0])
    return shape, checked, _class_names(file, named, checked)


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """The archive. Raises UsageError for what in it cannot be read, also while it is open."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except UsageError:
        raise
    except UNREADABLE as error:
        reason = _cut(str(error)) or type(error).__name__
        raise UsageError(f"{file} cannot be read as .npz ({reason}); save it with numpy.savez: {WANTED}.") from None


@contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype[Any]]]:
    """An array's stream behind its header, its shape and its type, which are those of the bytes that are there.

    NumPy reserves what the header says before it reads, so a header that says too much must not get there.
    """
    with archive.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        if dtype.hasobject:
            raise ValueError("its arrays are pickled objects")
        held = archive.getinfo(f"{name}.npy").file_size - stream.tell()
        if not dtype.itemsize or math.prod(shape) * dtype.itemsize != held:
            raise ValueError(f"array '{name}' has {held:,} bytes, which are not those of {dtype} of shape {shape}")
        yield stream, shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with _member(archive, name):
        pass
    with archive.open(f"{name}.npy") as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _cut(text: str) -> str:
    """One short line of what may quote the file."""
    line = text.split("\n")[0]
    return line if len(line) <= MOST_QUOTED else f"{line[:MOST_QUOTED]}…"


def _check_images(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    pictured = (len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))) and all(side > 0 for side in shape)
    if not pictured:
        raise UsageError(f"{file} has images of shape {_cut(str(shape))}; it wants (N, H, W) or (N, H, W, 3).")
    if dtype not in (np.uint8, np.uint16) and not np.issubdtype(dtype, np.floating):
        raise UsageError(f"{file} has images of {_cut(str(dtype))}; uint8, uint16 and floats in [0, 1] are read.")


def _checked_labels(file: Path, labels: np.ndarray, count: int) -> Ints:
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (count,) or labels.min() < 0:
        raise UsageError(
            f"{file} has labels of shape {_cut(str(labels.shape))} and {_cut(str(labels.dtype))}; it wants ({count},), one "
            f"whole number from 0 for each image."
        )
    if (most := int(labels.max())) >= count:
        raise UsageError(
            f"{file}: {count:,} images cannot have {most + 1:,} classes; number the labels from 0 without large gaps."
        )
    return np.asarray(labels, dtype=np.int64)


def _class_names(file: Path, named: np.ndarray | None, labels: Ints) -> tuple[str, ...]:
    """The names that are given, or the labels themselves; every class has an image, or it could not be learnt."""
    count = int(labels.max()) + 1
    names = tuple(map(str, range(count))) if named is None else _texts(file, named)
    if len(names) < count or len(set(names)) < len(names):
        raise UsageError(f"{file} has labels up to {count - 1} and names {len(names)} classes; name each once.")
    if empty := sorted(set(range(len(names))) - set(labels.tolist())):
        raise UsageError(f"{file} has no image of class '{_cut(names[empty[0]])}'; number the classes without gaps.")
    if len(names) < 2:
        raise UsageError(f"{file} has one class only ('{_cut(names[0])}'); a classifier needs at least two.")
    return names


def _texts(file: Path, named: np.ndarray) -> tuple[str, ...]:
    try:
        names = tuple(map(str, named.reshape(-1).astype(str)))
        "".join(names).encode()
    except UnicodeError as error:
        raise UsageError(
            f"{file} has classes whose names are no text ({_cut(str(error))}); save them as str."
        ) from None
    return names


def _items(file: Path, labels: Ints, paths: tuple[str, ...], size: int, resize: Resize) -> Iterator[Item]:
    with _opened(file) as archive:
        images = _array(archive, "images")
    for image, label, path in zip(images, labels, paths, strict=True):
        try:
            pixels, notes = from_array(image, size, resize)
        except Unreadable as error:
            raise UsageError(f"{file} cannot be read as images ({path}: {error}); scale them first.") from None
        yield Item(pixels, int(label), path, notes=notes)
