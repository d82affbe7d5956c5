"""DTD: 5,640 textures of 47 classes (Cimpoi et al. 2014), found on this machine or downloaded by torchvision.

    images/<class>/<file>.jpg         the pictures
    labels/train1.txt ... test10.txt  ten official partitions, a path a line
    labels/labels_joint_anno.txt      every label of each picture: path, then words, with blanks between

N = images, C = classes.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

import numpy as np

import trainables.pairing as pairing
from console.errors import UsageError
from console.progress import say
from trainables.data.cache import cache_folder, cache_place, put_in_place, temporary_folder, writing
from trainables.data.dataset import Bools

PARTITIONS = 10
ANNOTATIONS = "labels_joint_anno.txt"
_PARTS = {"train": "train", "val": "validation", "test": "test"}  # official word -> ours
_ADVICE = "pass --data-root or set DTD_ROOT to a folder that holds images/ and labels/"


def find(root: str | None) -> Path:
    """The folder of DTD's class folders: in `root`, else $DTD_ROOT, else the cache, downloaded if need be.

    A folder that was named is used or refused, never replaced by a download. Raises UsageError.
    """
    if named := root or os.environ.get("DTD_ROOT"):
        folder = Path(named).expanduser()
        return folder / "images" if (folder / "images").is_dir() else folder
    place = cache_folder() / "dtd"
    if not (place / "images").is_dir():
        _download(place)
    return place / "images"


def is_here(root: str | None) -> bool:
    """Whether `find` would download nothing."""
    return bool(root or os.environ.get("DTD_ROOT")) or (cache_place() / "dtd" / "images").is_dir()


def _download(place: Path) -> None:
    """torchvision's own download, checked against its digest, and put in place whole."""
    pairing.check()
    from torchvision.datasets import DTD

    say("downloading DTD (about 600 MB) through torchvision")
    with writing(place.parent), temporary_folder(place) as folder:
        try:
            DTD(folder, download=True)
        except (URLError, RuntimeError, OSError, EOFError) as error:
            reason = getattr(error, "reason", None) or str(error).split("\n")[0] or type(error).__name__
            raise UsageError(f"DTD cannot be downloaded from {DTD._URL} ({reason}); {_ADVICE}.") from error
        put_in_place(folder / "dtd" / "dtd", place, whole=lambda at: (at / "images").is_dir())


def official_parts(images: Path, partition: int) -> dict[str, str]:
    """{"class/file.jpg": "train", "validation" or "test"} of one of the ten official partitions. Raises UsageError."""
    parts: dict[str, str] = {}
    for word, part in _PARTS.items():
        for line in _lines(images, f"{word}{partition}.txt"):
            parts[line.strip()] = part
    return parts


def annotations(images: Path) -> list[str]:
    """The lines of the file of all labels, beside the folder of class folders. Raises UsageError."""
    return _lines(images, ANNOTATIONS)


def multi_hot(images: Path, paths: Sequence[str], classes: Sequence[str]) -> Bools:
    """(N, C), every label of each image; those of classes that have no folder here are left out and counted.

    Raises UsageError for an image without a line, and for one whose own class is not among its labels.
    """
    labels = {(words := line.split())[0]: words[1:] for line in annotations(images)}
    number = {name: column for column, name in enumerate(classes)}
    targets = np.zeros((len(paths), len(classes)), dtype=bool)
    unknown = 0
    for row, path in enumerate(paths):
        if path not in labels:
            raise UsageError(f"{_labels_folder(images) / ANNOTATIONS} has no line for {path}; add it with its labels.")
        known = [number[word] for word in labels[path] if word in number]
        unknown += len(labels[path]) - len(known)
        targets[row, known] = True
    if unknown:
        say(f"{unknown} labels of {ANNOTATIONS} are of classes that have no folder in {images} and are left out.")
    _check_own_class(targets, paths, number)
    return targets


def _check_own_class(targets: Bools, paths: Sequence[str], number: dict[str, int]) -> None:
    own = targets[np.arange(len(paths)), [number[path.partition("/")[0]] for path in paths]]
    if not own.all():
        first = paths[int(np.argmin(own))]
        raise UsageError(f"{ANNOTATIONS} does not name the class of {first} among its labels; mend that line.")


def _labels_folder(images: Path) -> Path:
    return images.parent / "labels"


def _lines(images: Path, name: str) -> list[str]:
    file = _labels_folder(images) / name
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"DTD's label file {file} cannot be read ({reason}); pass --data-root with the whole of DTD (images/ and "
            f"labels/), or leave out --task multi_label and --split official."
        ) from None
