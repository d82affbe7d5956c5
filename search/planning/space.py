"""The space that is searched: the strategy's own, as --search, --set, --anchors and --configs change it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from console.errors import UsageError, unknown
from records.tables import SETTING
from search.options import SearchOptions
from search.proposers.samplers import get_sampler
from search.schedulers import is_population
from spaces.registry import get_space
from spaces.space import Anchor, Space, fields_of_row
from spaces.trial import check_task, fields_of_part

SMALLEST_POPULATION = 4  # of which one is replaced at a time


def grid_samples(asked: SearchOptions, space: Space) -> int:
    """Anchors and everything that the sampler runs through; UsageError where --samples says otherwise."""
    points_of = get_sampler(asked.sampler).points
    assert points_of, f"{asked.sampler} draws"
    points = len(points_of(space))
    whole = len(space.anchors) + points
    if "samples" in asked.model_fields_set and asked.samples != whole:
        raise UsageError(
            f"--sampler {asked.sampler} runs {points} points and {len(space.anchors)} anchors; leave out --samples "
            f"{asked.samples}, or make the grid another one with --set and --search."
        )
    return whole


def make_space(options: SearchOptions) -> tuple[Space, tuple[str, ...]]:
    """The space with --search, --set and --anchors applied, and the anchors that a --set contradicts."""
    _check_named_once(options)
    space = choose_anchors(get_space(options.space), options.anchors)
    if options.configs:
        space = space.with_anchors((*configs_as_anchors(space, Path(options.configs)), *space.anchors))
    search, fixed = (
        dict(parse(space, text) for text in texts)
        for parse, texts in ((parse_search, options.search), (parse_set, options.set))
    )
    if options.train:
        space = _training(space, options.train, {*search, *fixed})
    space = space.with_search(search)
    narrowed = space.with_fixed(fixed)
    _check_task(narrowed, options.task)
    if is_population(options.scheduler):
        _check_population(options, narrowed)
        narrowed = narrowed.with_anchors(())  # a member's fields change, so it would not stay an anchor
    left = {anchor.name for anchor in narrowed.anchors}
    return narrowed, tuple(anchor.name for anchor in space.anchors if anchor.name not in left)


def _check_named_once(options: SearchOptions) -> None:
    """Raises UsageError for a field that is fixed or searched twice: one of the two would be dropped in silence."""
    named = [(flag, text.partition("=")[0]) for flag in ("set", "search") for text in getattr(options, flag)]
    for number, (flag, name) in enumerate(named):
        if before := next((other for other, known in named[:number] if known == name), None):
            raise UsageError(f"{name} is named by --{before} and again by --{flag}; leave out one of the two.")


def _training(space: Space, part: str, named: set[str]) -> Space:
    """The space of the same strategy where this part of the network is trained, by anchors and draws alike.

    `named`: fields that --set or --search decide.
    """
    fields = {name: value for name, value in fields_of_part(part).items() if name not in named}
    anchors = tuple(replace(anchor, values=anchor.values | fields) for anchor in space.anchors)
    return space.with_anchors(anchors).with_fixed(fields)


def _check_task(space: Space, task: str) -> None:
    """Raises UsageError where a draw or an anchor would mean nothing under the task."""
    searched = space.search.get("class_weight")
    choices = searched.choices if isinstance(searched, CategoricalDistribution) else ()
    for values in (*({"class_weight": word} for word in choices), *(anchor.values for anchor in space.anchors), {}):
        check_task(space.build(values), task)


def configs_as_anchors(space: Space, table: Path) -> list[Anchor]:
    """The configs of this strategy in a best.parquet, best first, named by run and trial. Raises UsageError."""
    from records.parquet import read_rows  # not needed, and perhaps not installed, without --configs

    found: dict[str, Anchor] = {}
    for row in read_rows(table):
        if row[SETTING + "strategy"] == space.strategy and not row.get(SETTING + "sizes"):
            values = fields_of_row(space.config, row)
            name = f"{row.get('run')}:{row.get('trial')}"
            found.setdefault(name, Anchor(name, f"from {table.name}", space.build(values).model_dump()))
    if not found:
        raise UsageError(
            f"--configs {table} has no config of {space.strategy}; pass one of its own runs' best.parquet."
        )
    return list(found.values())


def _check_population(options: SearchOptions, space: Space) -> None:
    if not space.mutable:
        raise UsageError(
            f"--scheduler {options.scheduler} changes fields while trials run, and --set fixes all of them."
        )
    for name in space.mutable:
        if not isinstance(space.search[name], FloatDistribution):
            raise UsageError(
                f"--scheduler {options.scheduler} moves {name} within a range while trials run, and --search gives values "
                f"to choose from; give {name}=low:high, or fix it with --set."
            )
    if options.samples < SMALLEST_POPULATION:
        raise UsageError(
            f"--scheduler {options.scheduler} wants a population of {SMALLEST_POPULATION} at least; got --samples "
            f"{options.samples}."
        )


def choose_anchors(space: Space, wanted: str | None) -> Space:
    """The space with the anchors of these names alone; None: all of its own. Raises UsageError for an unknown one."""
    if wanted is None:
        return space
    known = {anchor.name: anchor for anchor in space.anchors}
    names = [] if wanted == "none" else wanted.split(",")
    for name in names:
        if name not in known:
            raise unknown(f"anchor of {space.strategy}", name, known)
        if names.count(name) > 1:
            raise UsageError(f"--anchors names {name} twice; each anchor is one trial.")
    return space.with_anchors(tuple(known[name] for name in names))


def parse_set(space: Space, text: str) -> tuple[str, Any]:
    """'gate=0.9' -> ('gate', 0.9), typed by the config; UsageError says which part is wrong."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set wants field=value; got '{text}'.")
    if name not in space.config.model_fields:
        raise unknown(f"field of {space.strategy}", name, space.config.model_fields)
    return name, getattr(space.build({name: value}), name)


def parse_search(space: Space, text: str) -> tuple[str, BaseDistribution]:
    """'gate=0.5:0.9', 'learning_rate=1e-5:1e-2:log' or 'rate=cosine,constant' -> (field, distribution)."""
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise UsageError(f"--search wants field=low:high, field=low:high:log or field=a,b,c; got '{text}'.")
    if name not in space.config.model_fields:
        raise unknown(f"field of {space.strategy}", name, space.config.model_fields)
    if ":" not in value:
        choices = dict.fromkeys(getattr(space.build({name: part}), name) for part in value.split(","))
        return name, CategoricalDistribution(tuple(choices))
    return name, _range(space, name, value)


def _range(space: Space, name: str, value: str) -> BaseDistribution:
    match = re.fullmatch(r"([^:]+):([^:]+)(:log)?", value)
    if not match:
        raise UsageError(f"--search {name} wants low:high or low:high:log; got '{value}'.")
    low, high = (getattr(space.build({name: part}), name) for part in match.groups()[:2])
    if isinstance(low, str):
        raise UsageError(f"--search {name} wants words with commas between; got '{value}'.")
    if not low < high or (match[3] and low <= 0):
        raise UsageError(f"--search {name} wants low below high{', above 0 for log' * bool(match[3])}; got '{value}'.")
    log = bool(match[3])
    return IntDistribution(low, high, log) if isinstance(low, int) else FloatDistribution(low, high, log)
