"""Any folder of class folders: what is in it, and its pictures decoded one after another.

N = images, S = image size in pixels.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from console.errors import UsageError
from console.progress import say
from trainables.data.cache import Item
from trainables.data.dataset import Ints
from trainables.data.parts import PART_OF_FOLDER
from trainables.data.pictures import Picture, Resize, read

DECODING_THREADS = 4
LOOKAHEAD = 32  # decoded pictures waiting at most
LEVELS = ("easy", "medium", "hard")  # the folders of a division, with class folders in each
_NAMED = 3  # bad files a message names
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, sorted by class and then by path; nothing has been decoded yet."""

    root: Path
    classes: tuple[str, ...]  # (C,) the class folders' names, sorted
    paths: tuple[str, ...]  # (N,) "class/file.jpg", relative to the root; of a division "easy/class/file.jpg"
    labels: Ints  # (N,)

    def fingerprint(self) -> str:
        """sha256 over the root and every file's path, size and modification time: another one after any change."""
        digest = hashlib.sha256(os.fsencode(self.root.resolve()))
        for path in self.paths:
            status = _status(self.root / path)
            digest.update(os.fsencode(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}"))
        return digest.hexdigest()


def _status(file: Path) -> os.stat_result:
    try:
        return file.stat()
    except OSError:  # a link that leads nowhere: decoding will call it a bad image
        return file.lstat()


def list_images(root: Path, classes: Sequence[str] | None = None) -> Listing:
    """List every file below every class folder; with `classes`, of those folders only.

    Hidden files and what operating systems leave behind are passed over; every other file is expected to be a picture.
    A folder divided into easy/, medium/ and hard/, or into train/, val/ and test/, is listed by the class folders inside
    them, since these are no classes. Raises UsageError where there is nothing to train on.
    """
    if classes is None and is_division(root):
        return _list_division(root)
    if classes is None and is_parted(root):
        return _list_parts(root)
    names = sorted(classes) if classes is not None else _class_folders(root)
    per_class = [_files(root, name) for name in names]
    for name, files in zip(names, per_class, strict=True):
        if not files:
            raise UsageError(f"Class folder {root / name} holds no images; add some or remove the folder.")
    paths = tuple(path for files in per_class for path in files)
    labels = np.repeat(np.arange(len(names), dtype=np.int64), [len(files) for files in per_class])
    return Listing(root, tuple(names), paths, labels)


def is_division(root: Path) -> bool:
    """Whether `root` holds easy/, medium/ and hard/ with folders inside, and no other folder."""
    if not all((root / level).is_dir() for level in LEVELS):
        return False
    folders = {entry.name for entry in root.iterdir() if entry.is_dir() and not _passed_over(entry.name)}
    return folders == set(LEVELS) and all(any(e.is_dir() for e in (root / level).iterdir()) for level in LEVELS)


def _list_division(root: Path) -> Listing:
    """The pictures of all three levels, sorted by class."""
    parts = [_division_part(root, level) for level in LEVELS]
    classes = tuple(sorted({path.split("/")[1] for part in parts for path in part}))
    if len(classes) < 2:
        raise UsageError(f"{root} divides {len(classes)} classes into easy, medium and hard; a classifier needs two.")
    paths = sorted((path for part in parts for path in part), key=lambda path: (path.split("/")[1], path))
    labels = np.array([classes.index(path.split("/")[1]) for path in paths], dtype=np.int64)
    return Listing(root, classes, tuple(paths), labels)


def _division_part(root: Path, level: str) -> list[str]:
    """The pictures of one level, "easy/class/file.jpg"; files that lie in no class folder are refused."""
    files = _files(root, level)
    if stray := [path for path in files if path.count("/") < 2]:
        raise UsageError(f"{root / stray[0]} lies in no class folder; a division holds {level}/<class>/<file>.")
    return files


def is_parted(root: Path) -> bool:
    """Whether the folders in `root` are parts of a data set and no classes: train/ beside another, or only parts."""
    try:
        names = _folders_in(root)
    except OSError:
        return False
    parts = {PART_OF_FOLDER.get(name.lower()) for name in names}
    here = parts - {None}
    return bool(here) and (None not in parts or ("train" in here and len(here) > 1))


def _folders_in(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not _passed_over(entry.name))


def _list_parts(root: Path) -> Listing:
    """The pictures of all parts, sorted by class. Raises UsageError where they are no parts of one data set."""
    names = _folders_in(root)
    _check_parts(root, names)
    classes = {name: _class_folders(root / name) for name in names}
    first = next(name for name in names if PART_OF_FOLDER[name.lower()] == "train")
    for name in names:
        if differing := sorted(set(classes[name]) ^ set(classes[first])):
            owner, other = (name, first) if differing[0] in classes[name] else (first, name)
            raise UsageError(
                f"{root} has the class '{differing[0]}' in {owner}/ and not in {other}/ ({len(differing)} such); give each "
                f"part the same class folders, or pass --data {root / first}."
            )
    files = {(word, name): _files(root, f"{name}/{word}") for word in classes[first] for name in names}
    if empty := [f"{name}/{word}" for (word, name), found in files.items() if not found]:
        raise UsageError(f"Class folder {root / empty[0]} holds no images; add some or remove the folder.")
    paths = tuple(path for found in files.values() for path in found)
    labels = np.array([classes[first].index(path.split("/")[1]) for path in paths], dtype=np.int64)
    return Listing(root, tuple(classes[first]), paths, labels)


def _check_parts(root: Path, names: list[str]) -> None:
    """Raises UsageError for folders that are not each another part, with one to train on and one to judge on."""
    strangers = [name for name in names if name.lower() not in PART_OF_FOLDER]
    parts = [PART_OF_FOLDER[name.lower()] for name in names if name not in strangers]
    said = ", ".join(f"{name}/" for name in names)
    if strangers:
        raise UsageError(
            f"{root} holds {strangers[0]}/ beside the parts of a data set ({said}); move it elsewhere, or pass --data with "
            f"one part alone."
        )
    if twice := [part for part in parts if parts.count(part) > 1]:
        raise UsageError(f"{root} holds two folders for {twice[0]} ({said}); leave one of them.")
    if "train" not in parts:
        raise UsageError(f"{root} holds {said} and no train/; add it, or pass --data {root / names[0]}.")
    if len(parts) == 1:
        raise UsageError(f"{root} holds {said} alone, which is no class; pass --data {root / names[0]}.")


def division_levels(root: Path) -> dict[str, str]:
    """{"class/file.jpg": "easy", "medium" or "hard"} of a divided folder. Raises UsageError for an image in two levels."""
    levels: dict[str, str] = {}
    for level in LEVELS:
        for path in _division_part(root, level):
            image = path.partition("/")[2]
            if image in levels:
                raise UsageError(f"{root} holds {image} in {levels[image]} and in {level}; leave it in one of them.")
            levels[image] = level
    return levels


def _class_folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise UsageError(f"No folder at {root}; pass a folder that holds one folder of images per class.")
    try:
        entries = [entry for entry in root.iterdir() if not _passed_over(entry.name)]
    except OSError as error:
        raise UsageError(f"Folder {root} cannot be listed ({error.strerror}); check its permissions.") from error
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    if not folders and entries:
        raise UsageError(
            f"{root} holds {len(entries)} files and no class folders; put each class's images into a folder of its own."
        )
    if not folders:
        raise UsageError(f"{root} is empty; it should hold one folder of images per class.")
    if len(folders) < 2:
        raise UsageError(f"{root} holds one class folder only ('{folders[0]}'); a classifier needs at least two.")
    return folders


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def _files(root: Path, class_name: str) -> list[str]:
    """Paths of all files below one class folder, relative to the root, sorted."""
    found = []
    for folder, inner, files in os.walk(root / class_name):
        inner[:] = [name for name in inner if not _passed_over(name)]
        relative = Path(folder).relative_to(root)
        found += [(relative / name).as_posix() for name in files if not _passed_over(name)]
    return sorted(found)


def decode(listing: Listing, size: int, skip_bad_images: bool, resize: Resize = "squash") -> Iterator[Item]:
    """Every picture of the listing in order, (S, S, 3) uint8.

    Files that are no pictures are collected over the whole pass. Then they are refused together with a UsageError; or,
    with `skip_bad_images`, left out and counted on stderr.
    """
    bad: list[str] = []
    kept = np.zeros(len(listing.classes), dtype=np.int64)
    for path, label, result in zip(listing.paths, listing.labels, _decoded(listing, size, resize), strict=True):
        if isinstance(result, str):
            bad.append(f"{path} ({result})")
            continue
        kept[label] += 1
        yield Item(result.pixels, int(label), path, notes=result.notes)
    if bad:
        _report(listing, bad, kept, skip_bad_images)


def _report(listing: Listing, bad: list[str], kept: Ints, skip_bad_images: bool) -> None:
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    counted = f"{len(bad)} of {len(listing.paths)} files in {listing.root} cannot be read as images"
    named = ", ".join(bad[:_NAMED]) + more
    if not skip_bad_images:
        raise UsageError(f"{counted}: {named}; mend or remove them, or pass --skip-bad-images to leave them out.")
    if not kept.all():
        empty = listing.classes[int(np.argmin(kept))]
        raise UsageError(f"{counted}, and without them class '{empty}' has no images left; mend or remove that folder.")
    say(f"{counted} and are left out: {named}.")


def _decoded(listing: Listing, size: int, resize: Resize) -> Iterator[Picture | str]:
    """Per path, in order: the picture, or the reason why it is none. Decoding runs ahead by LOOKAHEAD pictures."""
    pool = ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix="decode")
    waiting: deque[Future[Picture | str]] = deque()
    try:
        for path in listing.paths:
            waiting.append(pool.submit(read, listing.root / path, size, resize))
            if len(waiting) >= LOOKAHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
