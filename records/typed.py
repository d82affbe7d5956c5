"""Whether what was read from a file is of the types that are declared: of a dataclass's fields, as the ledger has them.

JSON knows no classes, so a line that was changed by hand, or by a disk, can hold anything. Numbers are finite; those that
count lie in [0, 2^53), which every reader of JSON and parquet can hold.
"""

from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

MOST = 2**53
SCALARS: frozenset[type] = frozenset({str, int, float, bool, NoneType})


class Wanted(NamedTuple):
    """What a value may be."""

    types: frozenset[type]
    low: int = 0  # of a number
    words: tuple[Any, ...] = ()  # of a Literal, all that there are
    inner: "Wanted | None" = None  # of a tuple's or a dict's values


def check_types(made: Any) -> None:
    """Raises ValueError naming the first field of a dataclass that is not as declared. Looks into no other object."""
    own = vars(made)
    kind: Any = type(made)
    for name, wanted in _fields(kind):
        if not _fits(own[name], wanted):
            raise ValueError(f"{name} is {own[name]!r:.60}")


def _fits(value: Any, wanted: Wanted) -> bool:
    kind = type(value)
    if kind not in wanted.types:
        return False
    if kind is float:
        return isfinite(value)  # a loss that diverges is as large as it likes
    if kind is int:
        return bool(wanted.low <= value < MOST)
    if wanted.words:
        return value in wanted.words
    return wanted.inner is None or kind not in (tuple, list, dict) or _all_fit(value, wanted.inner)


def _all_fit(values: Any, wanted: Wanted) -> bool:
    inner: Iterable[Any] = values.values() if type(values) is dict else values
    return all(_fits(value, wanted) for value in inner)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Wanted], ...]:
    hints = get_type_hints(kind)
    return tuple((each.name, _wanted(hints[each.name])) for each in fields(kind))


def _wanted(hint: Any) -> Wanted:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:  # what a config holds
        return Wanted(SCALARS, -MOST)
    if hint is float:
        return Wanted(frozenset({float, int}), -MOST)
    if origin is Literal:
        return Wanted(frozenset({str}), words=arguments)  # there are no others here
    if origin in (UnionType, Union):
        each = [_wanted(one) for one in arguments]
        kinds: list[type] = [kind for one in each for kind in one.types]
        return Wanted(
            frozenset(kinds), min(one.low for one in each), (), next((one.inner for one in each if one.inner), None)
        )
    if origin in (tuple, dict):
        return Wanted(frozenset({origin}), inner=_wanted(arguments[0 if origin is tuple else 1]))
    return Wanted(frozenset({hint}))
