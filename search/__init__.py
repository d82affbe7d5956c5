"""Searches and head-to-heads: what was asked, planned; who proposes trials; what runs them; what a person sees meanwhile.

Each command is a module with a `main` (run, compare, divide, dashboard, export, replay, status). For other programs there
are the two that train, as functions: they take the command's options, leave a run folder, and return its exit status. A
name is loaded when it is first asked for: importing `search` loads neither torch nor Ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.head_to_head import compare as run_comparison
    from search.options import CompareOptions, SearchOptions
    from search.session import search as run_search

__all__ = ["CompareOptions", "SearchOptions", "run_comparison", "run_search"]

# `search.compare` is the module of a command, so the functions have names of their own
_PLACES = {
    "CompareOptions": ("search.options", "CompareOptions"),
    "SearchOptions": ("search.options", "SearchOptions"),
    "run_comparison": ("search.head_to_head", "compare"),
    "run_search": ("search.session", "search"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'search' has no attribute '{name}'")
    module, own_name = _PLACES[name]
    return getattr(import_module(module), own_name)
