"""Searches and head-to-heads: what was asked, planned; who proposes trials; what runs them; what a person sees meanwhile.

From Python: `search(space=..., data=...)` and `compare(strategies=...)` run one and return it, `open_run(path)` reads what
is there. Each command is a module with a `main` (run, compare, divide, status, dashboard, track, replay, export,
predict). A name is loaded when it is first asked for: importing `search` loads neither torch nor Ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.run import Run, Runs, open_run
    from search.from_python import compare, search
    from search.options import CompareOptions, SearchOptions

__all__ = ["CompareOptions", "Run", "Runs", "SearchOptions", "compare", "open_run", "search"]

_PLACES = {
    "CompareOptions": "search.options",
    "Run": "analysis.run",
    "Runs": "analysis.run",
    "SearchOptions": "search.options",
    "open_run": "analysis.run",
    "search": "search.from_python",
}


def __getattr__(name: str) -> Any:
    if name == "compare":  # the module of the command, which can be called
        return import_module("search.compare")
    if name not in _PLACES:
        raise AttributeError(f"module 'search' has no attribute '{name}'")
    return getattr(import_module(_PLACES[name]), name)
