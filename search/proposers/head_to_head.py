"""Who is run in a head-to-head: every arm on every seed, at the updates of a reference arm.

One seed fixes split, initialisation and order, so arms can be compared seed by seed.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from console.errors import UsageError
from records.epoch import EpochRecord
from records.history import Proposal
from spaces.registry import get_space
from spaces.setting import KNOWN_WEIGHTS, Setting, absolute_unless
from spaces.trial import OrderedConfig, TrialConfig
from trainables.strategies import get_strategy

TWINS = ("random", "hard_first")
UNLIMITED = 1_000_000  # epochs of a trial that its budget of updates ends


@dataclass(frozen=True)
class Arm:
    """One contestant: a strategy with a config and weights; a twin names the arm whose sizes it replays."""

    name: str
    strategy: str
    config: TrialConfig
    anchor: str | None
    weights: str | None = None  # None: the run's
    partner: str | None = None

    @property
    def whole_network(self) -> bool:
        """Whether its updates can be compared with the others': those of a head alone cannot."""
        return get_strategy(self.strategy).trains == "all"


def make_arms(words: str, anchors: str, twins: bool, configs: list[dict[str, Any]] | None) -> list[Arm]:
    """The arms of "a,b@FILE,...". Raises UsageError for an unknown strategy, before anything starts."""
    arms: list[Arm] = []
    for word in words.split(","):
        strategy, _, weights = word.strip().partition("@")
        config, anchor = _config(strategy, anchors, configs)
        name = strategy + (f"@{Path(weights).stem}" if weights else "")
        if any(arm.name == name for arm in arms):
            raise UsageError(f"--strategies names {name} twice.")
        arm = Arm(name, strategy, config, anchor, absolute_unless(weights, KNOWN_WEIGHTS) if weights else None)
        arms += [arm, *(_twins(arm) if twins else [])]
    return arms


def _config(strategy: str, anchors: str, configs: list[dict[str, Any]] | None) -> tuple[TrialConfig, str | None]:
    space = get_space(strategy)
    if configs is not None:
        rows = [row for row in configs if row["setting_strategy"] == strategy and not row.get("setting_sizes")]
        if not rows:
            raise UsageError(f"The table of configs has none of {strategy}; add one, or leave the strategy out.")
        return space.config(**{name: rows[0][name] for name in space.config.model_fields if name in rows[0]}), None
    named = [anchor for anchor in space.anchors if anchor.name == anchors] or list(space.anchors[:1])
    return space.config(**named[0].values), named[0].name


def _twins(arm: Arm) -> list[Arm]:
    """The controls of a curriculum: the same in another order, with its partner's sizes."""
    if not isinstance(arm.config, OrderedConfig):
        return []
    return [
        replace(
            arm, name=f"{arm.name}/{order}", config=arm.config.model_copy(update={"order": order}), partner=arm.name
        )
        for order in TWINS
    ]


class Lineup:
    """Takes the place of a sampler: proposes each arm on each seed, the reference arm of a seed before the others."""

    def __init__(
        self, arms: list[Arm], setting: Setting, seeds: list[int], epochs: int, head_epochs: int, updates: int | None
    ):
        """`updates`: the budget of every full-network arm; None: what the reference arm uses in `epochs` epochs."""
        self.setting, self.epochs, self.head_epochs, self.updates = setting, epochs, head_epochs, updates
        self.reference = reference_of(arms)
        first = sorted(arms, key=lambda arm: (arm is not self.reference, arm.partner is not None))
        self.queue = [(arm, seed) for seed in seeds for arm in first]
        self.samples = len(self.queue)
        self.asked = 0
        self.running: dict[int, tuple[str, int]] = {}
        self.sizes: dict[tuple[str, int], list[int]] = {}  # images per epoch, by arm and seed
        self.used: dict[tuple[str, int], int] = {}  # updates
        self.states: dict[tuple[str, int], str] = {}  # of the trials that are over
        self.skipped: list[str] = []  # arms that could not run because the one they need did not complete

    def ask(self) -> Proposal | None:
        """The next trial; None while it must wait for another one, or when all have been asked for."""
        while self.queue and self._lost(*self.queue[0]):
            self._skip()
        if not self.queue or not self._ready(*self.queue[0]):
            return None
        arm, seed = self.queue.pop(0)
        number, self.asked = self.asked, self.asked + 1
        self.running[number] = (arm.name, seed)
        return Proposal(number, arm.config.model_dump(), {}, arm.anchor, False, self._setting(arm, seed))

    def adopt(self, proposal: Proposal) -> None:
        """A trial that was asked for in an earlier process; whatever was skipped before it is skipped again."""
        assert proposal.setting and proposal.setting.arm
        key = (proposal.setting.arm, proposal.setting.seed)
        while (self.queue[0][0].name, self.queue[0][1]) != key:
            self._skip()
        self.queue.pop(0)
        self.asked += 1
        self.running[proposal.number] = key

    def _skip(self) -> None:
        arm, seed = self.queue.pop(0)
        self.skipped.append(f"{arm.name}, seed {seed}")
        self.samples -= 1

    def report(self, record: EpochRecord) -> None:
        key = self.running[record.trial]
        self.sizes.setdefault(key, []).append(record.images)
        self.used[key] = record.updates

    def tell(self, number: int, state: str) -> None:
        self.states[self.running[number]] = state

    def _needed(self, arm: Arm, seed: int) -> list[str | None]:
        """The states of the trials that this one builds on; None for one that still runs."""
        needs = {arm.partner} if arm.partner else set()
        if self.reference and arm is not self.reference and arm.whole_network and self.updates is None:
            needs.add(self.reference.name)
        return [self.states.get((name, seed)) for name in needs]

    def _ready(self, arm: Arm, seed: int) -> bool:
        return all(state == "complete" for state in self._needed(arm, seed))

    def _lost(self, arm: Arm, seed: int) -> bool:
        return any(state not in (None, "complete") for state in self._needed(arm, seed))

    def _setting(self, arm: Arm, seed: int) -> Setting:
        updates = self.updates
        if updates is None and self.reference and arm is not self.reference:
            updates = self.used.get((self.reference.name, seed))
        limited = arm.whole_network and updates is not None
        changes = {
            "strategy": arm.strategy,
            "arm": arm.name,
            "seed": seed,
            "weights": "none"
            if get_strategy(arm.strategy).starts_from == "random"
            else arm.weights or self.setting.weights,
            "epochs": UNLIMITED if limited else self.epochs if arm.whole_network else self.head_epochs,
            "max_updates": updates if limited else None,
            "sizes": tuple(self.sizes[arm.partner, seed]) if arm.partner else None,
        }
        return self.setting.model_copy(update=changes)


def reference_of(arms: list[Arm]) -> Arm | None:
    """The arm whose updates the others get: the first self-paced one, else the first that trains the whole network."""
    whole = [arm for arm in arms if arm.whole_network and arm.partner is None]
    return next((arm for arm in whole if arm.strategy == "self_paced"), whole[0] if whole else None)
