"""The uint8 cache: every data set becomes one file of raw pixels, built once and memory-mapped by every process.

    <cache>/images/<key>/images.u8    N x S x S x 3 bytes, in index order
    <cache>/images/<key>/meta.json    everything else about the data set

A cache is built in a temporary folder beside its place and renamed into it when it is complete and on the disk, so what
stands under its own name is whole. N = images, S = image size in pixels.
"""

import errno
import hashlib
import json
import math
import os
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from console.errors import UsageError
from console.progress import amount, say, track
from console.wording import many
from trainables.data.dataset import Dataset, Ints, Pixels

FORMAT = 2  # of both files and of how pictures are decoded; part of meta.json, so older caches are rebuilt
LARGE_BYTES = 100_000_000  # from here on the size is announced before building
STALE_SECONDS = 24 * 3600  # a temporary folder older than this has lost its process
_MARGIN_BYTES = 16_000_000  # left free beside the pixels, for meta.json and everybody else


class Item(NamedTuple):
    """One picture on its way into the cache."""

    image: Pixels  # (S, S, 3)
    label: int
    path: str
    difficulty: float | None = None
    notes: tuple[str, ...] = ()  # what was done to it, as in pictures.py


@dataclass(frozen=True)
class Recipe:
    """How to build one cache, should it not be there yet."""

    key: str  # a safe file name; the same key means the same data
    name: str  # for Dataset.name and messages
    size: int  # S
    count: int  # N; fewer may come where bad images are left out
    classes: tuple[str, ...]
    items: Callable[[], Iterator[Item]]  # starts drawing or decoding
    labels: Ints | None = None  # (N,), where they are known before
    paths: tuple[str, ...] = ()  # (N,), where they are known before


@dataclass(frozen=True)
class _Meta:
    format: int
    shape: list[int]
    classes: list[str]
    labels: list[int]
    paths: list[str]
    difficulty: list[float] | None
    digest: str
    notes: dict[str, int]  # how many images had each note


def cache_folder() -> Path:
    """Where caches and downloads live; created if need be. CURRICULUM_TUNE_CACHE, else the user's cache folder."""
    folder = cache_place()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_be_made(error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"The cache folder {folder} cannot be written; set CURRICULUM_TUNE_CACHE to a folder that can be written."
        )
    return folder


def cache_place() -> Path:
    """Where the cache folder is, or would be."""
    try:
        return _chosen_folder()
    except RuntimeError as error:  # a user without a home
        raise _cannot_be_made(error) from error


def _cannot_be_made(error: Exception) -> UsageError:
    return UsageError(
        f"The cache folder cannot be made ({error}); set CURRICULUM_TUNE_CACHE to a folder that can be written."
    )


def _chosen_folder() -> Path:
    if chosen := os.environ.get("CURRICULUM_TUNE_CACHE"):
        return Path(chosen).expanduser().absolute()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser().absolute() / "curriculum-tune"
    return Path.home() / ".cache" / "curriculum-tune"


def build_or_open(recipe: Recipe) -> Dataset:
    """The recipe's data set, from its cache, which is built first if it is missing, damaged or of another format.

    Several processes may ask at once: each builds, the first to finish wins, the others open what it built. Raises
    UsageError when the disk is too full, and whatever `recipe.items` raises; a failed build leaves nothing behind.
    """
    store = cache_folder() / "images"
    target = store / recipe.key
    dataset = _open(target, recipe.name)
    if dataset is not None:
        return dataset
    with writing(store):
        store.mkdir(exist_ok=True)
        _sweep(store)
        _announce(recipe, store)
        with temporary_folder(target) as folder:
            _build(recipe, folder)
            put_in_place(folder, target, whole=lambda place: _open(place, recipe.name) is not None)
    dataset = _open(target, recipe.name)
    assert dataset is not None, f"a cache just built cannot be opened: {target}"
    return dataset


def find_cached(key: str, name: str) -> Dataset | None:
    """The data set of this key, if its cache is there and whole; makes nothing."""
    return _open(cache_place() / "images" / key, name)


def is_disk_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _open(target: Path, name: str) -> Dataset | None:
    """The cache at `target`; None if there is none that is whole."""
    try:
        meta = _Meta(**json.loads((target / "meta.json").read_bytes()))
        if meta.format != FORMAT or (target / "images.u8").stat().st_size != math.prod(meta.shape):
            return None
        images = np.memmap(target / "images.u8", dtype=np.uint8, mode="r", shape=tuple(meta.shape))
    except (OSError, ValueError, TypeError):
        return None
    return Dataset(
        name=name,
        images=images,
        labels=np.array(meta.labels, dtype=np.int64),
        classes=tuple(meta.classes),
        paths=tuple(meta.paths),
        difficulty=None if meta.difficulty is None else np.array(meta.difficulty, dtype=np.float64),
        digest=meta.digest,
        notes=tuple(_note(text, count) for text, count in meta.notes.items()),
    )


def _note(text: str, count: int) -> str:
    return f"{many(count, 'image')} {text.format(were='was' if count == 1 else 'were')}"


@contextmanager
def writing(store: Path) -> Iterator[None]:
    """A disk that fills up while we write is the user's to mend; any other failure keeps its traceback."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise UsageError(
            f"The disk holding {store} is full ({error.strerror}); free some space or set CURRICULUM_TUNE_CACHE to a "
            "folder on another disk."
        ) from error


def _announce(recipe: Recipe, store: Path) -> None:
    """Say how much a large cache takes; refuse what does not fit."""
    needed, free = recipe.count * recipe.size**2 * 3, shutil.disk_usage(store).free
    if needed + _MARGIN_BYTES > free:
        raise UsageError(
            f"The image cache of '{recipe.name}' at {recipe.size} px needs {amount(needed)} and {store} has "
            f"{amount(free)} free; free some space or set CURRICULUM_TUNE_CACHE to a folder on another disk."
        )
    if needed >= LARGE_BYTES:
        say(f"building the image cache of '{recipe.name}' at {recipe.size} px: {amount(needed)} in {store}")


def _build(recipe: Recipe, folder: Path) -> None:
    """Write images.u8 and meta.json into `folder`, through to the disk."""
    labels, paths, difficulty, notes = [], [], [], Counter[str]()
    digest = hashlib.sha256()
    with open(folder / "images.u8", "wb") as file:
        for item in track(recipe.items(), f"building '{recipe.name}'", recipe.count):
            image, path = item.image, item.path
            assert image.dtype == np.uint8 and image.shape == (recipe.size, recipe.size, 3), path
            pixels = image.tobytes()
            file.write(pixels)
            digest.update(pixels)
            labels.append(item.label)
            paths.append(path)
            difficulty.append(item.difficulty)
            notes.update(item.notes)
        _flush(file)
    digest.update(np.array(labels, dtype="<i8").tobytes())
    digest.update("\0".join(paths).encode("utf-8", "surrogateescape"))
    shape = [len(labels), recipe.size, recipe.size, 3]
    graded = [hardness for hardness in difficulty if hardness is not None]
    of_all = graded if len(graded) == len(labels) else None
    meta = _Meta(FORMAT, shape, list(recipe.classes), labels, paths, of_all, digest.hexdigest(), dict(notes))
    with open(folder / "meta.json", "w", encoding="ascii") as file:
        json.dump(asdict(meta), file)
        _flush(file)


def _flush(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, gone at the end whatever happens, unless put_in_place has moved it by then."""
    folder = _beside(target)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(folder: Path, target: Path, whole: Callable[[Path], bool]) -> None:
    """Rename `folder` to `target`. A whole target that another process has put there stays; a damaged one gives way."""
    try:
        os.rename(folder, target)
    except OSError:
        if whole(target):
            return
        if not target.exists():
            raise
        _remove(target)
        put_in_place(folder, target, whole)


def _remove(target: Path) -> None:
    """Remove a folder: first its name, at once, so that nobody opens half of it."""
    doomed = _beside(target)
    with suppress(FileNotFoundError):  # another process removed it first
        os.rename(target, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _sweep(store: Path) -> None:
    """Remove what builds that were killed have left behind."""
    for folder in store.glob("*.tmp"):
        try:
            newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        except OSError:  # its own process is removing it
            continue
        if time.time() - newest > STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
