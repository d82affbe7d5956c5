"""Any folder of class folders: what is in it, by the name of its class. N = images."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from console.errors import UsageError
from trainables.data.dataset import Ints
from trainables.data.found import Found, check_folders, files_below, passed_over, shown, some
from trainables.data.parts import PART_OF_FOLDER

LEVELS = ("easy", "medium", "hard")  # the folders of a division, with class folders in each


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, sorted by class and then by path; nothing has been decoded yet."""

    root: Path
    classes: tuple[str, ...]  # (C,) the class folders' names, sorted
    paths: tuple[str, ...]  # (N,) "class/file.jpg", relative to the root; of a division "easy/class/file.jpg"
    labels: Ints  # (N,)
    left_out: tuple[str, ...] = ()  # what was seen and is not listed, and why, as in found.py

    def fingerprint(self) -> str:
        """sha256 over the root and every file's path, size and modification time: another one after any change."""
        digest = hashlib.sha256(os.fsencode(self.root.resolve()))
        for path in self.paths:
            status = _status(self.root / path)
            digest.update(os.fsencode(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}"))
        for what in self.left_out:
            digest.update(os.fsencode(f"\0\0{what}"))
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
    check_folders(root, names)
    per_class = [files_below(root, name) for name in names]
    _refuse_empty(root, dict(zip(names, per_class, strict=True)))
    paths = tuple(path for found in per_class for path in found.paths)
    labels = np.repeat(np.arange(len(names), dtype=np.int64), [len(found.paths) for found in per_class])
    nowhere = _links_to_nowhere(root) if classes is None else []
    return Listing(root, tuple(names), paths, labels, (*nowhere, *_left_out(per_class)))


def _refuse_empty(root: Path, found: dict[str, Found]) -> None:
    """Raises UsageError for a class folder without files."""
    for name, files in found.items():
        if not files.paths:
            why = f" that can be read: {some(files.left_out)}" if files.left_out else ""
            raise UsageError(f"Class folder {root / name} holds no images{why}; add some or remove the folder.")


def _left_out(found: Iterable[Found]) -> list[str]:
    return [what for files in found for what in files.left_out]


def _links_to_nowhere(root: Path) -> list[str]:
    """Those beside the class folders: they may have been some."""
    links = sorted(entry.name for entry in root.iterdir() if entry.is_symlink() and not passed_over(entry.name))
    return [f"{shown(name)} (a link that leads nowhere)" for name in links if not (root / name).exists()]


def is_division(root: Path) -> bool:
    """Whether `root` holds easy/, medium/ and hard/ with folders inside, and no other folder."""
    if not all((root / level).is_dir() for level in LEVELS):
        return False
    return set(_folders_in(root)) == set(LEVELS) and all(_folders_in(root / level) for level in LEVELS)


def _list_division(root: Path) -> Listing:
    """The pictures of all three levels, sorted by class."""
    check_folders(root, list(LEVELS))
    parts = [_division_part(root, level) for level in LEVELS]
    classes = tuple(sorted({path.split("/")[1] for part in parts for path in part.paths}))
    if len(classes) < 2:
        raise UsageError(f"{root} divides {len(classes)} classes into easy, medium and hard; a classifier needs two.")
    paths = sorted((path for part in parts for path in part.paths), key=lambda path: (path.split("/")[1], path))
    labels = np.array([classes.index(path.split("/")[1]) for path in paths], dtype=np.int64)
    return Listing(root, classes, tuple(paths), labels, tuple(_left_out(parts)))


def _division_part(root: Path, level: str) -> Found:
    """The pictures of one level, "easy/class/file.jpg"; files that lie in no class folder are refused."""
    found = files_below(root, level)
    if stray := [path for path in found.paths if path.count("/") < 2]:
        raise UsageError(f"{root / stray[0]} lies in no class folder; a division holds {level}/<class>/<file>.")
    return found


def is_parted(root: Path) -> bool:
    """Whether the folders in `root` are parts of a data set and no classes: train/ beside another, or only parts."""
    try:
        names = _folders_in(root)
    except UsageError:
        return False
    parts = {PART_OF_FOLDER.get(name.lower()) for name in names}
    here = parts - {None}
    return bool(here) and (None not in parts or ("train" in here and len(here) > 1))


def _folders_in(root: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(root) if entry.is_dir())


def _entries(root: Path) -> list[Path]:
    """What is in a folder and may be the data set's. Raises UsageError where it cannot be listed."""
    try:
        return [entry for entry in root.iterdir() if not passed_over(entry.name)]
    except OSError as error:
        raise UsageError(f"Folder {root} cannot be listed ({error.strerror}); check its permissions.") from error


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
    folders = [f"{name}/{word}" for word in classes[first] for name in names]
    check_folders(root, folders)
    files = {folder: files_below(root, folder) for folder in folders}
    _refuse_empty(root, files)
    paths = tuple(path for found in files.values() for path in found.paths)
    labels = np.array([classes[first].index(path.split("/")[1]) for path in paths], dtype=np.int64)
    nowhere = [f"{name}/{what}" for name in names for what in _links_to_nowhere(root / name)]
    return Listing(root, tuple(classes[first]), paths, labels, (*nowhere, *_left_out(files.values())))


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
        for path in _division_part(root, level).paths:
            image = path.partition("/")[2]
            if image in levels:
                raise UsageError(f"{root} holds {image} in {levels[image]} and in {level}; leave it in one of them.")
            levels[image] = level
    return levels


def _class_folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise UsageError(f"No folder at {root}; pass a folder that holds one folder of images per class.")
    entries = _entries(root)
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
