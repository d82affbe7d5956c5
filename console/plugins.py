"""Modules of the user's own that declare more strategies, samplers, schedulers, metrics or networks.

A plugin is an importable module that enters its declarations into the registries while it is imported. Named by `--plugin`,
by the environment variable, or installed with an entry point of the group. Which of them a run had is recorded; whoever
reads the run later has to name them again: a run folder of somebody else's never decides what is imported here.
"""

import hashlib
import importlib
import os
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from console.errors import UsageError

GROUP = "curriculum_tune"
VARIABLE = "CURRICULUM_TUNE_PLUGINS"  # names with commas; processes below inherit it
_loaded: dict[str, ModuleType] = {}


def load_plugins(names: Iterable[str] = ()) -> tuple[str, ...]:
    """Import these, those of the environment and the installed ones, each once; returns all that are loaded.

    Raises UsageError for one that cannot be imported.
    """
    asked = [*_installed(), *filter(None, os.environ.get(VARIABLE, "").split(",")), *names]
    for name in dict.fromkeys(asked):
        if name not in _loaded:
            _loaded[name] = _imported(name)
    if _loaded:
        os.environ[VARIABLE] = ",".join(_loaded)
    return tuple(_loaded)


def require_plugins(names: Iterable[str], who: str) -> None:
    """Raises UsageError where what `who` was made with is not loaded here."""
    missing = [name for name in names if name not in load_plugins()]
    if missing:
        raise UsageError(
            f"{who} was made with the plugin {missing[0]}, which is not loaded here; pass --plugin {missing[0]} if you "
            f"trust that module."
        )


def plugin_digest() -> str:
    """sha256 over the sources of the loaded plugins; '' where there is none."""
    digest = hashlib.sha256()
    for name, module in sorted(_loaded.items()):
        for path in _sources(module):
            digest.update(f"{name}/{path.name}".encode() + b"\0" + path.read_bytes())
    return digest.hexdigest() if _loaded else ""


def _installed() -> list[str]:
    return [point.value.partition(":")[0] for point in entry_points(group=GROUP)]


def _imported(name: str) -> ModuleType:
    """Also from the folder that the command was given in, where a console script has not put it on the path."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and not name.startswith(error.name):
            raise UsageError(f"The plugin {name} wants the module {error.name}, which is not installed.") from None
        raise UsageError(
            f"No module {name} for --plugin; it is imported by its name, from {here} or what is installed."
        ) from None
    except Exception as error:
        raise UsageError(f"The plugin {name} cannot be imported ({type(error).__name__}: {error}).") from error


def _sources(module: ModuleType) -> list[Path]:
    """The module's file, or all files of a package."""
    if hasattr(module, "__path__"):
        return sorted(path for place in module.__path__ for path in Path(place).rglob("*.py"))
    return [Path(module.__file__)] if module.__file__ else []
