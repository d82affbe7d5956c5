"""The uint8 cache: every data set becomes one file of raw pixels, built once and memory-mapped by every process.

A cache, <cache>/images/<key> (stored.py), is built in a temporary folder beside its place and renamed into it when it is
complete and on the disk, so what stands under its own name is whole. N = images, S = image size in pixels.
"""

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from console.errors import UsageError
from console.progress import amount, say, track
from trainables.data.dataset import Dataset, Ints
from trainables.data.stored import Item, LeftOut, digest_of, open_stored, write_stored

LARGE_BYTES = 100_000_000  # from here on the size is announced before building
STALE_SECONDS = 24 * 3600  # a temporary folder older than this has lost its process
_MARGIN_BYTES = 16_000_000  # left free beside the pixels, for meta.json and everybody else


@dataclass(frozen=True)
class Recipe:
    """How to build one cache, should it not be there yet."""

    key: str  # a safe file name; the same key means the same data
    name: str  # for Dataset.name and messages
    size: int  # S
    count: int  # N; fewer may come where bad images are left out
    classes: tuple[str, ...]
    items: Callable[[], Iterator[Item | LeftOut]]  # starts drawing or decoding
    labels: Ints | None = None  # (N,), where they are known before
    paths: tuple[str, ...] = ()  # (N,), where they are known before


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
    dataset = open_stored(target, recipe.name)
    if dataset is not None:
        return dataset
    with writing(store):
        store.mkdir(exist_ok=True)
        _sweep(store)
        _announce(recipe, store)
        with temporary_folder(target) as folder:
            items = track(recipe.items(), f"building '{recipe.name}'", recipe.count)
            write_stored(folder, recipe.size, recipe.classes, items)
            put_in_place(folder, target, whole=lambda place: open_stored(place, recipe.name) is not None)
    dataset = open_stored(target, recipe.name)
    assert dataset is not None, f"a cache just built cannot be opened: {target}"
    return dataset


def find_cached(key: str, name: str) -> Dataset | None:
    """The data set of this key, if its cache is there and whole; makes nothing."""
    return open_stored(cache_place() / "images" / key, name)


def discard_damaged(key: str, name: str) -> None:
    """Hold every byte of this cache, if it is there, against its digest; remove one that is another."""
    target = cache_place() / "images" / key
    found = open_stored(target, name)
    if found is not None and digest_of(found) != found.digest:
        say(f"the image cache of '{name}' is damaged and is built anew: {target}")
        _remove(target)


def is_disk_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


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
