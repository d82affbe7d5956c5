"""What lies below a folder of a data set: files that may be pictures, and what cannot be followed or named.

A link to a file counts as the file. A link to a folder inside a class is not followed, since it may lead in a circle.
"""

import os
from pathlib import Path
from typing import NamedTuple

from console.errors import UsageError

_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
_NAMED = 3  # files that a message names


class Found(NamedTuple):
    paths: list[str]  # of files, relative to the root, with forward slashes, sorted
    left_out: list[str]  # "class/folder (a link to a folder)": what was seen and is not listed, and why


def files_below(root: Path, folder: str) -> Found:
    """All files below one folder in `root`, hidden ones and what operating systems leave behind passed over."""
    paths: list[str] = []
    left_out: list[str] = []

    def unreadable(error: OSError) -> None:
        left_out.append(_reason(_relative(error.filename, root), error.strerror))

    for place, inner, files in os.walk(root / folder, onerror=unreadable):
        at = _relative(place, root)
        followed = [name for name in inner if not passed_over(name)]
        linked = [name for name in followed if os.path.islink(os.path.join(place, name))]
        left_out += [_reason(f"{at}/{name}", "a link to a folder") for name in linked]
        inner[:] = [name for name in followed if name not in linked]
        seen = [f"{at}/{name}" for name in files if not passed_over(name)]
        paths += [path for path in seen if is_utf8(path)]
        left_out += [_reason(path, "a name that is not UTF-8") for path in seen if not is_utf8(path)]
    return Found(sorted(paths), sorted(left_out))


def passed_over(name: str) -> bool:
    """Whether a file or folder of this name is none of the data set's."""
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def check_folders(root: Path, names: list[str]) -> None:
    """Raises UsageError for class folders that lead, by a link, to the root, to what holds it, or into one another."""
    here, owner = root.resolve(), dict[Path, str]()
    for name in names:
        place = (root / name).resolve()
        if not is_utf8(name):
            raise UsageError(f"The class folder {shown(str(root / name))} has a name that is not UTF-8; rename it.")
        if place == here or place in here.parents:
            raise UsageError(f"Class folder {root / name} is a link to {place}, which holds it; remove the link.")
        if place in owner:
            raise UsageError(_twice(root / name, root / owner[place]))
        owner[place] = name
    for place, name in owner.items():
        if other := next((owner[above] for above in place.parents if above in owner), None):
            raise UsageError(_twice(root / name, root / other))


def _twice(folder: Path, other: Path) -> str:
    return f"Class folder {folder} leads into {other}, so its images would count twice; remove one of them."


def is_utf8(text: str) -> bool:
    """Whether a path can be written anywhere; others are read from the disk all the same."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(path: str) -> str:
    """A path as it can be printed."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def some(what: list[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(what) - _NAMED:,} more" if len(what) > _NAMED else ""
    return ", ".join(what[:_NAMED]) + more


def _relative(place: str | Path, root: Path) -> str:
    return Path(place).relative_to(root).as_posix()


def _reason(path: str, why: str | None) -> str:
    return f"{shown(path)} ({why or 'unreadable'})"
