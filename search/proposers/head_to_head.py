"""Who is run in a head-to-head: every arm on every seed, at the updates of a reference arm.

One seed fixes split, initialisation and order, so arms can be compared seed by seed.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from console.errors import UsageError
from records.epoch import EpochRecord, Row
from records.events import Asked
from records.history import TrialHistory
from spaces.arm import ORDERS, Arm
from spaces.registry import get_space
from spaces.setting import KNOWN_WEIGHTS, Setting, absolute_unless
from spaces.trial import OrderedConfig, TrialConfig
from trainables.strategies import get_strategy

UNLIMITED = 1_000_000  # epochs of a trial that its budget of updates ends


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
        return get_strategy(self.arm.strategy).trains == "all"


def make_contestants(words: str, anchors: str, twins: bool, configs: list[Row] | None) -> list[Contestant]:
    """The contestants of "a,b@FILE,...". Raises UsageError for an unknown strategy, before anything starts."""
    made: list[Contestant] = []
    for word in words.split(","):
        strategy, _, weights = word.strip().partition("@")
        config, anchor = _config(strategy, anchors, configs)
        arm = Arm(strategy, Path(weights).stem if weights else None)
        if any(other.arm == arm for other in made):
            raise UsageError(f"--strategies names {arm} twice.")
        one = Contestant(arm, config, anchor, absolute_unless(weights, KNOWN_WEIGHTS) if weights else None)
        made += [one, *(_twins(one) if twins else [])]
    return made


def _config(strategy: str, anchors: str, configs: list[Row] | None) -> tuple[TrialConfig, str | None]:
    space = get_space(strategy)
    if configs is not None:
        rows = [row for row in configs if row["setting_strategy"] == strategy and not row.get("setting_sizes")]
        if not rows:
            raise UsageError(f"The table of configs has none of {strategy}; add one, or leave the strategy out.")
        return space.build({name: rows[0][name] for name in space.config.model_fields if name in rows[0]}), None
    named = [anchor for anchor in space.anchors if anchor.name == anchors] or list(space.anchors[:1])
    return space.config(**named[0].values), named[0].name


def _twins(one: Contestant) -> list[Contestant]:
    """The controls of a curriculum: the same in another order, with its partner's sizes."""
    if not isinstance(one.config, OrderedConfig):
        return []
    return [
        replace(one, arm=one.arm.twin(order), config=one.config.model_copy(update={"order": order})) for order in ORDERS
    ]


class HeadToHead:
    """Takes the place of a sampler: proposes each arm on each seed, the reference arm of a seed before the others."""

    def __init__(
        self,
        contestants: list[Contestant],
        setting: Setting,
        seeds: list[int],
        epochs: int,
        head_epochs: int,
        max_updates: int | None,
    ):
        """`max_updates`: the budget of every full-network arm; None: what the reference arm uses in `epochs` epochs."""
        self.setting, self.epochs, self.head_epochs, self.max_updates = setting, epochs, head_epochs, max_updates
        self.reference = reference_of(contestants)
        first = sorted(contestants, key=lambda one: (one is not self.reference, one.arm.is_twin))
        self.queue = [(one, seed) for seed in seeds for one in first]
        self.samples = len(self.queue)
        self.asked = 0
        self.running: dict[int, tuple[Arm, int]] = {}
        self.sizes: dict[tuple[Arm, int], list[int]] = {}  # images per epoch, by arm and seed
        self.used: dict[tuple[Arm, int], int] = {}  # updates
        self.states: dict[tuple[Arm, int], str] = {}  # of the trials that are over
        self.skipped: list[str] = []  # arms that could not run because the one they need did not complete

    def ask(self) -> Asked | None:
        """The next trial; None while it must wait for another one, or when all have been asked for."""
        while self.queue and self._lost(*self.queue[0]):
            self._skip()
        if not self.queue or not self._ready(*self.queue[0]):
            return None
        one, seed = self.queue.pop(0)
        number, self.asked = self.asked, self.asked + 1
        self.running[number] = (one.arm, seed)
        return Asked(number, one.config.model_dump(), {}, one.anchor, setting=self._setting(one, seed))

    def adopt(self, asked: Asked) -> None:
        """A trial that was asked for in an earlier process; whatever was skipped before it is skipped again."""
        assert asked.setting and asked.setting.arm
        key = (asked.setting.arm, asked.setting.seed)
        while (self.queue[0][0].arm, self.queue[0][1]) != key:
            self._skip()
        self.queue.pop(0)
        self.asked += 1
        self.running[asked.trial] = key

    def _skip(self) -> None:
        one, seed = self.queue.pop(0)
        self.skipped.append(f"{one.arm}, seed {seed}")
        self.samples -= 1

    def report(self, record: EpochRecord) -> None:
        key = self.running[record.trial]
        self.sizes.setdefault(key, []).append(record.images)
        self.used[key] = record.updates

    def tell(self, trial: TrialHistory) -> None:
        self.states[self.running[trial.number]] = trial.state

    def _needed(self, one: Contestant, seed: int) -> list[str | None]:
        """The states of the trials that this one builds on; None for one that still runs."""
        needs = {one.arm.partner} if one.arm.is_twin else set()
        if self.reference and one is not self.reference and one.whole_network and self.max_updates is None:
            needs.add(self.reference.arm)
        return [self.states.get((arm, seed)) for arm in needs]

    def _ready(self, one: Contestant, seed: int) -> bool:
        return all(state == "complete" for state in self._needed(one, seed))

    def _lost(self, one: Contestant, seed: int) -> bool:
        return any(state not in (None, "complete") for state in self._needed(one, seed))

    def _setting(self, one: Contestant, seed: int) -> Setting:
        most = self.max_updates if one.whole_network else None
        if most is None and one.whole_network and self.reference and one is not self.reference:
            most = self.used.get((self.reference.arm, seed))
        random = get_strategy(one.arm.strategy).starts_from == "random"
        changes = {
            "strategy": one.arm.strategy,
            "arm": one.arm,
            "seed": seed,
            "weights": "none" if random else one.weights or self.setting.weights,
            "epochs": UNLIMITED if most is not None else self.epochs if one.whole_network else self.head_epochs,
            "max_updates": most,
            "sizes": tuple(self.sizes[one.arm.partner, seed]) if one.arm.is_twin else None,
        }
        return self.setting.model_copy(update=changes)


def reference_of(contestants: list[Contestant]) -> Contestant | None:
    """The one whose updates the others get: the first self-paced one, else the first that trains the whole network."""
    whole = [one for one in contestants if one.whole_network and not one.arm.is_twin]
    return next((one for one in whole if one.arm.strategy == "self_paced"), whole[0] if whole else None)
