"""What there is to choose from, for `--list`: all strategies, samplers and schedulers in short, or one space whole."""

import re
from collections.abc import Iterable
from typing import Any

from console.errors import UsageError
from console.fields import choices_of, flag_of, limits_of
from console.layout import fitted
from console.wording import value
from search.proposers.samplers import SAMPLERS
from search.schedulers import SCHEDULERS
from spaces.ranges import as_words
from spaces.registry import SPACES, get_space
from spaces.space import Anchor, Space


def listing(given: dict[str, Any]) -> str:
    """The overview, or the space that is named. Raises UsageError for an unknown one, and for any other flag."""
    for name in given:
        if name not in ("space", "plugin"):
            raise UsageError(
                f"--list shows what there is and runs nothing, so {flag_of(name)} has no effect; leave it out."
            )
    return space_page(get_space(given["space"])) if "space" in given else overview()


def overview() -> str:
    """Every strategy, sampler and scheduler in a line each."""
    spaces = ((name, _in_short(space)) for name, space in SPACES.items())
    parts = (
        ("Strategies and their anchors (--space NAME; with --list it is shown whole):", spaces),
        ("Samplers (--sampler NAME):", ((each.name, each.says) for each in SAMPLERS.values())),
        ("Schedulers (--scheduler NAME):", ((each.name, each.says) for each in SCHEDULERS.values())),
    )
    return "\n\n".join("\n".join([fitted(head), *_entries(entries)]) for head, entries in parts)


def _in_short(space: Space) -> str:
    about = re.split(r" \(|[;:.] ", " ".join((space.config.__doc__ or "").split()) + " ")[0].rstrip(". ")
    anchors = ", ".join(anchor.name for anchor in space.anchors) or "none"
    return f"{about} ({anchors})"


def _entries(entries: Iterable[tuple[str, str]]) -> list[str]:
    """'  name    what it is', as wide as the terminal."""
    return [fitted(f"  {name:<16} {says}", further=" " * 17 * bool(name)) for name, says in entries]


def space_page(space: Space) -> str:
    """A space whole: its anchors with their values, and each field with its meaning, default, range and limits."""
    fields = space.config.model_fields
    return "\n".join([
        fitted(f"{space.strategy}: {' '.join((space.config.__doc__ or '').split())}"),
        "\nAnchors, tried before any draw (--anchors NAMES):",
        *(line for anchor in space.anchors for line in _anchor(anchor)),
        fitted("\nSearched by default (--search field=low:high[:log] changes, --set fixes):"),
        *(line for name in fields if name in space.search for line in _field(space, name)),
        fitted("\nNot searched by default (--search adds one, --set gives it another value):"),
        *(line for name in fields if name not in space.search for line in _field(space, name)),
    ])  # fmt: skip


def _anchor(anchor: Anchor) -> list[str]:
    values = ", ".join(f"{name} {value(of)}" for name, of in anchor.values.items())
    return [*_entries([(anchor.name, anchor.says)]), *(_entries([("", values)]) if values else [])]


def _field(space: Space, name: str) -> list[str]:
    """'gate   train accuracy to pass' and below '0.85; searched 0.5 to 0.95; legal 0 to 1'."""
    info, searched = space.config.model_fields[name], space.search.get(name)
    legal = ", ".join(map(str, choices_of(info))) or limits_of(info) or "any"
    parts = [value(info.default), *([f"searched {as_words(searched)}"] if searched else []), f"legal {legal}"]
    return _entries([(name, info.description or ""), ("", "; ".join(parts))])
