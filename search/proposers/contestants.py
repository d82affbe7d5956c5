"""Who is named in a head-to-head: 'self_paced,finetune+learning_rate=1e-5,transfer@FILE,self_paced/random'."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from console.errors import UsageError, unknown
from records.epoch import Row
from search.options import AS_RUN
from search.planning.space import parse_set
from spaces.arm import ORDERS, Arm
from spaces.registry import get_space
from spaces.setting import KNOWN_WEIGHTS, absolute_unless
from spaces.space import fields_of_row
from spaces.trial import TrialConfig, fields_of_part, orders
from trainables.strategies import get_strategy


@dataclass(frozen=True)
class Contestant:
    """An arm with the config it runs; a twin replays the sizes of its partner."""

    arm: Arm
    config: TrialConfig
    anchor: str | None
    weights: str | None = None  # the state dict behind the arm's own weights; None: the run's

    @property
    def whole_network(self) -> bool:
        """Whether its updates can be compared with the others': those of a head alone cannot."""
        return self.config.unfreeze == "all"

    @property
    def from_random(self) -> bool:
        """Whether it starts from random weights, whatever the run's are."""
        return get_strategy(self.arm.strategy).starts_from == "random"


def make_contestants(
    words: str,
    anchors: str,
    twins: bool,
    configs: list[Row] | None,
    train: str | None = None,
    fields: Collection[str] = (),
) -> list[Contestant]:
    """The contestants of "a,b+field=value,c@FILE,a/random".

    `train`, `fields` ("name=value"): what all of them train and have, but for those that say otherwise or know no such
    field. Raises UsageError before anything starts.
    """
    _check_named_once(fields)
    made: list[Contestant] = []
    for word in words.split(","):
        made.append(_contestant(word.strip(), anchors, configs, train, fields, made))
        if twins and not made[-1].arm.is_twin:
            made += [twin for order in ORDERS if (twin := _twin(made[-1], order)) is not None]
    _check_known(fields, made)
    if configs is None:
        _check_anchor(anchors, made)
    names = [str(one.arm) for one in made]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"--strategies names {twice} twice.")
    return made


def _check_named_once(fields: Collection[str]) -> None:
    """Raises UsageError for a field that --set names twice."""
    names = [text.partition("=")[0] for text in fields]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--set names {name} twice; leave out one of the two.")


def _check_anchor(anchors: str, made: list[Contestant]) -> None:
    """Raises UsageError for an anchor that no strategy has; where one has it, the others take their first."""
    known = {anchor.name: None for one in made for anchor in get_space(one.arm.strategy).anchors}
    if anchors != AS_RUN and anchors not in known:
        raise unknown("anchor of any strategy named", anchors, known)


def _check_known(fields: Collection[str], made: list[Contestant]) -> None:
    """Raises UsageError for a field that none of them has."""
    known = {name: None for one in made for name in type(one.config).model_fields}
    for text in fields:
        name = text.partition("=")[0]
        if name not in known:
            raise unknown("field of any arm", name, known)


def _contestant(
    word: str,
    anchors: str,
    configs: list[Row] | None,
    train: str | None,
    fields: Collection[str],
    before: list[Contestant],
) -> Contestant:
    name, slash, order = word.rpartition("/") if word.rpartition("/")[2] in ORDERS else (word, "", "")
    name, at, weights = name.partition("@")
    if at and not weights:
        raise UsageError(
            f"--strategies: {word} names no file after '@'; give the path of a state dict, or leave '@' out."
        )
    strategy, *changes = name.split("+")
    stem = Path(weights).stem if weights else None
    if slash:
        return _twin_of(Arm(strategy, stem, config="+".join(changes) or None), order, before)
    space = get_space(strategy)
    called, changes = _called(strategy, changes)
    arm = Arm(strategy, stem, config=called)
    if called in {anchor.name for anchor in space.anchors}:
        anchors, configs = str(called), None
    config, anchor = _config(strategy, anchors, configs)
    asked = fields_of_part(train) if train else {}
    asked |= dict(parse_set(space, text) for text in fields if text.split("=")[0] in space.config.model_fields)
    own = dict(parse_set(space, change) for change in changes)
    values = {name: each for name, each in asked.items() if getattr(config, name) != each} | own
    if values:
        config, anchor = space.build(config.model_dump() | values), None
    return Contestant(arm, config, anchor, absolute_unless(weights, KNOWN_WEIGHTS) if weights else None)


def _called(strategy: str, changes: list[str]) -> tuple[str | None, list[str]]:
    """What a config is called, by a first word without '=' or else by its fields, and these. Raises UsageError."""
    if not changes or "=" in changes[0]:
        return "+".join(changes) or None, changes
    called, *fields = changes
    anchors = [anchor.name for anchor in get_space(strategy).anchors]
    if not re.fullmatch(r"\w[\w.-]*", called):
        raise UsageError(
            f"--strategies: an arm's own name is of letters, digits, '_', '.' and '-'; got '{strategy}+{called}'."
        )
    if not fields and called not in anchors:
        raise UsageError(
            f"--strategies: '{strategy}+{called}' says nothing of its fields, and {strategy} has no anchor of that name "
            f"(it has {', '.join(anchors) or 'none'}); add +field=value."
        )
    return called, fields


def _twin_of(arm: Arm, order: str, before: list[Contestant]) -> Contestant:
    """The twin that is named by itself. Raises UsageError where its partner does not stand before it, or has none."""
    partner = next((one for one in before if one.arm == arm), None)
    if partner is None:
        raise UsageError(f"{arm}/{order} replays the sizes of {arm}; name {arm} before it.")
    twin = _twin(partner, order)
    if twin is None:
        curricula = ", ".join(str(one.arm) for one in before if _twin(one, order)) or "none of these"
        raise UsageError(f"{arm} has no {order} order, so it has no such twin; those that have one: {curricula}.")
    return twin


def _config(strategy: str, anchors: str, configs: list[Row] | None) -> tuple[TrialConfig, str | None]:
    space = get_space(strategy)
    if configs is not None:
        row = _first_row(strategy, configs)
        if row is None:
            raise UsageError(f"The table of configs has none of {strategy}; add one, or leave the strategy out.")
        return space.build(fields_of_row(space.config, row)), None
    named = [anchor for anchor in space.anchors if anchor.name == anchors] or list(space.anchors[:1])
    return space.config(**named[0].values), named[0].name


def _first_row(strategy: str, configs: list[Row]) -> Row | None:
    """The best row of a strategy: tables stand best first."""
    return next((row for row in configs if row["setting_strategy"] == strategy and not row.get("setting_sizes")), None)


def rows_taken(contestants: Sequence[Contestant], configs: list[Row] | None) -> list[Row]:
    """The rows that these contestants have their configs from."""
    strategies = dict.fromkeys(one.arm.strategy for one in contestants if one.anchor is None)
    return [row for strategy in strategies if (row := _first_row(strategy, configs or [])) is not None]


def _twin(one: Contestant, order: str) -> Contestant | None:
    """A control of a curriculum: the same in another order, with its partner's sizes; None where it has no order."""
    if order not in orders(one.config):
        return None
    return replace(one, arm=one.arm.twin(order), config=one.config.model_copy(update={"order": order}))
