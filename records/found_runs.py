"""Which run folders are meant: by a run folder, a packed run, a folder of these, or a pattern such as 'runs/*'."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from console.errors import UsageError
from records.boundary import RUN
from records.packed import holds_run, is_packed, unpacked

Named = str | Path


def find_runs(given: Named | Iterable[Named]) -> list[Path]:
    """The run folders of one name or several, each once, in the order named and by name within a folder or pattern.

    Nothing is read of a run but that it has a run.json. Raises UsageError for the first name that stands for no run.
    """
    words = [given] if isinstance(given, str | Path) else list(given)
    if not words:
        raise UsageError("No run was named; pass a run folder, a folder of runs, or a pattern such as 'runs/*'.")
    found: dict[str, Path] = {}  # by where it really is: two names may lead to one run
    for word in words:
        for folder in _meant(str(word)):
            found.setdefault(os.path.realpath(folder), folder)
    return list(found.values())


def is_run(folder: Path) -> bool:
    """Whether the folder has a run.json, whatever that holds."""
    return os.path.lexists(folder / RUN)


def _meant(word: str) -> list[Path]:
    """Raises UsageError where no run is."""
    if not word.strip() or "\0" in word:
        raise UsageError(f"A run folder was to be named; got {word!r}.")
    folder = Path(word)
    if is_run(folder) or is_packed(folder):
        return [_opened(folder)]
    if glob.has_magic(word) and not os.path.lexists(folder):
        return _matching(word)
    inside = _inside(folder)
    if not inside:
        more = ", and no folder in it is one" if folder.is_dir() else ""
        raise UsageError(f"{folder} is no run folder: it has no run.json{more}. Pass a folder that search.run made.")
    return inside


def _matching(pattern: str) -> list[Path]:
    runs = _each(map(Path, sorted(glob.glob(pattern))))
    if not runs:
        raise UsageError(
            f"{pattern} matches no run folder: none has a run.json. Pass a pattern of folders that search.run made."
        )
    return runs


def _inside(folder: Path) -> list[Path]:
    """The runs that lie in a folder, by name."""
    try:
        return _each(sorted(folder.iterdir()))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UsageError(f"{folder} cannot be looked through for runs ({error.strerror}).") from None


def _each(places: Iterable[Path]) -> list[Path]:
    """Those that are runs; of a run and the file that it was packed into, which lie side by side, the run."""
    found = [path for path in places if _has_run(path)]
    return [_opened(path) for path in found if is_run(path) or path.with_suffix("") not in found]


def _has_run(path: Path) -> bool:
    return is_run(path) or (is_packed(path) and holds_run(path))


def _opened(path: Path) -> Path:
    """The folder of a run. Raises UsageError for a packed one that cannot be unpacked."""
    return path if is_run(path) else unpacked(path)


def distinct_names(folders: Iterable[Path]) -> list[str]:
    """What runs that stand side by side are called: by their folders, a second one of a name 'name-2'."""
    names: list[str] = []
    for folder in folders:
        name, number = folder.absolute().name, 1
        while (called := name if number == 1 else f"{name}-{number}") in names:
            number += 1
        names.append(called)
    return names
