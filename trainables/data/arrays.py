"""A data set in one .npz file: images (N, H, W) or (N, H, W, 3), labels (N,) and, if need be, classes (C,) names.

Nothing is unpickled. What the images may hold is said in pictures.py.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from console.errors import UsageError
from trainables.data.cache import Recipe
from trainables.data.dataset import Ints
from trainables.data.pictures import Resize, Unreadable, from_array
from trainables.data.stored import Item

WANTED = "arrays images (N, H, W) or (N, H, W, 3), labels (N,) and, if the classes have names, classes"


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
    """The shape of the images, the labels, the names of the classes."""
    if not file.is_file():
        raise UsageError(f"No file at {file}; --data FILE.npz wants {WANTED}.")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if missing := [name for name in ("images", "labels") if name not in arrays.files]:
                raise UsageError(
                    f"{file} has no array '{missing[0]}' (it has {', '.join(arrays.files) or 'none'}); it wants {WANTED}."
                )
            labels, named = arrays["labels"], arrays["classes"] if "classes" in arrays.files else None
        shape = _shape_of_images(file)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        reason = "its arrays are pickled objects" if "allow_pickle" in str(error) else str(error).split("\n")[0]
        raise UsageError(f"{file} cannot be read as .npz ({reason}); save it with numpy.savez: {WANTED}.") from None
    checked = _checked_labels(file, labels, shape[0])
    return shape, checked, _class_names(file, named, checked)


def _shape_of_images(file: Path) -> tuple[int, ...]:
    """From the header of the array alone, so that large files are not loaded to be looked at."""
    with zipfile.ZipFile(file) as archive, archive.open("images.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    pictured = (len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))) and all(side > 0 for side in shape)
    if not pictured:
        raise UsageError(f"{file} has images of shape {shape}; it wants (N, H, W) or (N, H, W, 3).")
    if dtype not in (np.uint8, np.uint16) and not np.issubdtype(dtype, np.floating):
        raise UsageError(f"{file} has images of {dtype}; uint8, uint16 and floats in [0, 1] are read.")
    return tuple(shape)


def _checked_labels(file: Path, labels: np.ndarray, count: int) -> Ints:
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (count,) or labels.min() < 0:
        raise UsageError(
            f"{file} has labels of shape {labels.shape} and {labels.dtype}; it wants ({count},), one whole number from 0 "
            f"for each image."
        )
    return np.asarray(labels, dtype=np.int64)


def _class_names(file: Path, named: np.ndarray | None, labels: Ints) -> tuple[str, ...]:
    """The names that are given, or the labels themselves; every class has an image, or it could not be learnt."""
    count = int(labels.max()) + 1
    names = tuple(str(name) for name in (range(count) if named is None else named.reshape(-1).astype(str)))
    if len(names) < count or len(set(names)) < len(names):
        raise UsageError(f"{file} has labels up to {count - 1} and names {len(names)} classes; name each once.")
    if empty := sorted(set(range(len(names))) - set(labels.tolist())):
        raise UsageError(f"{file} has no image of class '{names[empty[0]]}'; number the classes without gaps.")
    if len(names) < 2:
        raise UsageError(f"{file} has one class only ('{names[0]}'); a classifier needs at least two.")
    return names


def _items(file: Path, labels: Ints, paths: tuple[str, ...], size: int, resize: Resize) -> Iterator[Item]:
    with np.load(file, allow_pickle=False) as arrays:
        images = arrays["images"]
    for image, label, path in zip(images, labels, paths, strict=True):
        try:
            pixels, notes = from_array(image, size, resize)
        except Unreadable as error:
            raise UsageError(f"{file} cannot be read as images ({path}: {error}); scale them first.") from None
        yield Item(pixels, int(label), path, notes=notes)
