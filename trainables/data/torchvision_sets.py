"""torchvision's own data sets, `--data torchvision:EuroSAT`: those that give an image and the number of its class.

A data set that comes in parts is listed as "train/class/number" and so on, like a folder with train/ and test/. Some of
torchvision's classes read pickles of their own (CIFAR10): it checks these files' digests before it does.
"""

import hashlib
import inspect
import numbers
import os
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any

from PIL import Image

import trainables.pairing as pairing
from console.errors import UsageError
from console.progress import say
from trainables.data.cache import Recipe, cache_folder, cache_place, put_in_place, temporary_folder, writing
from trainables.data.pictures import Resize, Unreadable, from_image
from trainables.data.stored import Item

PREFIX = "torchvision:"
_PARTS = (("train", "train"), ("trainval", "train"), ("val", "val"), ("valid", "val"), ("test", "test"))
_ERRORS = (RuntimeError, OSError, ImportError, TypeError, ValueError, EOFError)  # what their constructors raise


def is_torchvision(source: str) -> bool:
    return source.startswith(PREFIX)


def check(source: str, root: str | None) -> None:
    """Raises UsageError for a name that torchvision does not have, and for a set that it cannot download."""
    arguments = _arguments(source)
    if root is not None and not Path(root).expanduser().is_dir():
        raise UsageError(f"No folder at {root}; --data-root wants the folder that torchvision's {_name(source)} is in.")
    if not is_here(source, root) and "download" not in arguments:
        raise UsageError(f"torchvision does not download {_name(source)}; pass --data-root with its files.")


def has_parts(source: str) -> bool:
    """Whether the set comes as train and test."""
    return bool({"train", "split"} & _arguments(source))


def is_here(source: str, root: str | None) -> bool:
    """Whether nothing has to be downloaded, as far as can be seen without opening it."""
    return root is not None or "root" not in _arguments(source) or _place(source).is_dir()


def make_key(source: str, root: str | None, size: int, resize: Resize) -> str:
    """The key of its cache: another one after any change of its files. Nothing is opened."""
    import torchvision  # loads as slowly as torch

    folder = Path(root).expanduser() if root else _place(source)
    digest = hashlib.sha256(f"{source}\0{torchvision.__version__}\0{resize}\0".encode())
    if "root" in _arguments(source):
        digest.update(os.fsencode(folder.resolve()))
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            status = file.stat()
            digest.update(os.fsencode(f"\0{file.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}"))
    return f"torchvision-{_name(source).lower()}-{size}-{digest.hexdigest()[:32]}"


def make_recipe(source: str, root: str | None, size: int, resize: Resize) -> Recipe:
    """How to build its cache; downloads the set first where no root is given and it is not there. Raises UsageError."""
    if not is_here(source, root):
        _download(source)
    parts = _opened(source, Path(root).expanduser() if root else _place(source))
    for part in parts.values():
        _check_kind(source, part)
    classes = _class_names(source, parts)
    count = sum(len(part) for part in parts.values())
    items = partial(_items, source, parts, classes, size, resize)
    return Recipe(make_key(source, root, size, resize), source, size, count, classes, items)


def _name(source: str) -> str:
    return source.removeprefix(PREFIX)


def _place(source: str) -> Path:
    return cache_place() / "torchvision" / _name(source)


@cache
def _kind(name: str) -> Any:
    pairing.check()
    from torchvision import datasets  # loads as slowly as torch

    kinds = {word: kind for word in datasets.__all__ if inspect.isclass(kind := getattr(datasets, word))}
    if name not in kinds:
        near = get_close_matches(name.lower(), [word.lower() for word in kinds], n=1)
        hint = next((f" Did you mean '{word}'?" for word in kinds if near == [word.lower()]), "")
        raise UsageError(f"torchvision.datasets has no '{name}'.{hint} It has EuroSAT, CIFAR10, Food101 and others.")
    return kinds[name]


def _arguments(source: str) -> set[str]:
    return set(inspect.signature(_kind(_name(source)).__init__).parameters)


def _opened(source: str, folder: Path, download: bool = False) -> dict[str, Any]:
    """{"train": ..., "test": ...}, or {"": ...} of a set without parts. Raises UsageError."""
    make = partial(_kind(_name(source)), **({"root": folder} if "root" in _arguments(source) else {}))
    make = partial(make, download=True) if download else make
    try:
        if "split" in _arguments(source):
            parts = _by_word(make)
        elif "train" in _arguments(source):
            parts = {"train": make(train=True), "test": make(train=False)}
        else:
            return {"": make()}
    except _ERRORS as error:
        reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        doing = "downloaded" if download else f"read from {folder}"
        raise UsageError(
            f"{source} cannot be {doing} ({reason}); pass --data-root with its files as torchvision keeps them."
        ) from None
    if "train" not in parts:
        raise UsageError(f"{source} has no part called train; save it as a folder of class folders and pass that.")
    return parts


def _by_word(make: Any) -> dict[str, Any]:
    """The parts that the set knows, since every set calls them otherwise."""
    parts: dict[str, Any] = {}
    for word, part in _PARTS:
        if part in parts:
            continue
        try:
            parts[part] = make(split=word)
        except ValueError as error:
            if "for argument split" not in str(error):
                raise
    return parts


def _download(source: str) -> None:
    """torchvision's own download, put in place whole."""
    place = cache_folder() / "torchvision" / _name(source)
    say(f"downloading {_name(source)} through torchvision")
    with writing(place.parent), temporary_folder(place) as folder:
        _opened(source, folder, download=True)
        put_in_place(folder, place, whole=lambda at: at.is_dir())


def _check_kind(source: str, part: Any) -> None:
    """Raises UsageError where the first example is not an image and the number of its class."""
    first = part[0]
    kinds = tuple(type(value).__name__ for value in first) if isinstance(first, tuple) else (type(first).__name__,)
    if len(kinds) != 2 or not isinstance(first[0], Image.Image) or not isinstance(first[1], numbers.Integral):
        raise UsageError(
            f"{source} gives ({', '.join(kinds)}) for each example, where an image and the number of its class are wanted."
        )


def _class_names(source: str, parts: dict[str, Any]) -> tuple[str, ...]:
    """The names that the set gives its classes, else their numbers."""
    part = next(iter(parts.values()))
    named = next((names for word in ("classes", "categories") if (names := getattr(part, word, None))), None)
    if named is None:
        say(f"looking through {source} for its classes")
        count = 1 + max(int(part[index][1]) for part in parts.values() for index in range(len(part)))
        return tuple(str(number) for number in range(count))
    return tuple(name if isinstance(name, str) else str(name[0]) for name in named)


def _items(source: str, parts: dict[str, Any], classes: tuple[str, ...], size: int, resize: Resize) -> Iterator[Item]:
    for name, part in parts.items():
        for index in range(len(part)):
            image, label = part[index]
            if not 0 <= label < len(classes):
                raise UsageError(f"{source} has the label {label} and names {len(classes)} classes.")
            path = f"{name}/{classes[label]}/{index:06d}".removeprefix("/")
            try:
                pixels, notes = from_image(image, size, resize)
            except Unreadable as error:
                raise UsageError(f"{source} cannot be read as images ({path}: {error}).") from None
            yield Item(pixels, int(label), path, notes=notes)
