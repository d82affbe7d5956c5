"""Searches and head-to-heads from Python: the options of the command line as arguments, and a `Run` that reads what came.

>>> run = search(space="self_paced", data="photos/", samples=20, set={"rate": "cosine"})
>>> run.best, run.figure("curves"), run.model().predict(["a.jpg"])
"""

import contextlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel

from analysis.run import Run
from console import arguments
from console.arguments import INTERRUPTED
from console.errors import UsageError, unknown
from console.fields import flag_of, refuse_idle
from console.plugins import load_plugins
from records.events import Kind
from search.head_to_head import compare as run_comparison
from search.head_to_head import default_name as comparison_name
from search.options import CompareOptions, SearchOptions
from search.planning.defaults import default_name as search_name
from search.planning.resume import MODULES, options_asked
from search.session import search as run_search


def search(space: str = "self_paced", *, resume: bool = False, quiet: bool = False, **options: Any) -> Run:
    """Search the hyperparameters and schedules of one strategy, as `python -m search.run` does; returns the run.

    `options`: those of the command line without their dashes (`search.SearchOptions` has each with its meaning). Paths
    may be Path objects, lists stand for names with commas, `set` and `search` may be mappings:
    `set={"rate": "cosine"}, search={"learning_rate": (1e-5, 1e-3, "log"), "gate": [0.5, 0.7]}`.
    `resume`: go on with the run called `name`. `quiet`: say nothing meanwhile.

    Raises UsageError before anything starts for what cannot be, and KeyboardInterrupt where it was interrupted: what was
    finished is kept, and `resume=True` goes on.
    """
    given = ({"space": space} if not resume or space != "self_paced" else {}) | options
    return _run(SearchOptions, given, "search", resume, quiet, _search)


def compare(strategies: str | Iterable[str] = "", *, resume: bool = False, quiet: bool = False, **options: Any) -> Run:
    """Compare strategies on the same seeds at equal work, as `python -m search.compare` does; returns the run.

    `options` as of `search`, of `search.CompareOptions`; `budget` may be a mapping: `budget={"seconds": 60}`. Raises as
    `search` does.
    """
    given = ({"strategies": strategies} if strategies else {}) | options
    return _run(CompareOptions, given, "head_to_head", resume, quiet, _compare)


def _search(options: SearchOptions, resume: bool, command: str) -> tuple[int, str]:
    named = options.model_copy(update={"name": options.name or search_name(options)})
    return run_search(named, resumes=resume, command=command), named.name or ""


def _compare(options: CompareOptions, resume: bool, command: str) -> tuple[int, str]:
    named = options.model_copy(update={"name": options.name or comparison_name()})
    return run_comparison(named, resume, command), named.name or ""


def _run(
    model: type[BaseModel], given: dict[str, Any], kind: Kind, resume: bool, quiet: bool,
    run: Callable[[Any, bool, str], tuple[int, str]],
) -> Run:  # fmt: skip
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the commands do; workers inherit it
    load_plugins(_texts(given.get("plugin", ())))
    plain = {name: _plain(model, name, value) for name, value in given.items() if value is not None}
    words = [word for name, value in plain.items() for word in _words(name, value)]
    command = arguments.command_line(MODULES[kind], ["--resume"] * resume + words)
    options = options_asked(model, plain, kind, resume)
    refuse_idle(options, plain)
    with _tune_as_it_was(), contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext():
        status, name = run(options, resume, command)
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    return Run(Path(options.out) / name)


@contextlib.contextmanager
def _tune_as_it_was() -> Iterator[None]:
    """What Tune is told for our searches is not told to a Tuner that this process runs afterwards."""
    before = {name: value for name, value in os.environ.items() if name.startswith("TUNE_")}
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("TUNE_")]:
            del os.environ[name]
        os.environ.update(before)


def _plain(model: type[BaseModel], name: str, value: Any) -> Any:
    """An argument as the command line would have it. Raises UsageError for a name that is none."""
    if name not in model.model_fields:
        raise unknown("option", name, model.model_fields)
    if get_origin(model.model_fields[name].annotation) is tuple:
        return _assignments(value) if isinstance(value, Mapping) else _texts(value)
    if isinstance(value, Mapping):
        return ",".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(map(str, value))
    return str(value) if isinstance(value, Path) else value


def _assignments(values: Mapping[str, Any]) -> tuple[str, ...]:
    """'field=value' of each: a tuple is a range (low, high) or (low, high, "log"), a list the values to choose from."""
    return tuple(f"{name}={_ranged(value)}" for name, value in values.items())


def _ranged(value: Any) -> str:
    if isinstance(value, list | tuple):
        return (":" if isinstance(value, tuple) else ",").join(map(str, value))
    return str(value)


def _texts(value: Any) -> tuple[str, ...]:
    """One text or several."""
    if isinstance(value, str | Path):
        return (str(value),)
    if not isinstance(value, Iterable):
        raise UsageError(f"Wanted a text or several; got {value!r}.")
    return tuple(map(str, value))


def _words(name: str, value: Any) -> list[str]:
    """The flag of an option, as it would be typed."""
    flag = flag_of(name)
    if isinstance(value, bool):
        return [flag] * value
    return [word for each in (value if isinstance(value, tuple) else (value,)) for word in (flag, str(each))]
