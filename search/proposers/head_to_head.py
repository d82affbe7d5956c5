"""What is run next in a head-to-head: every arm on every seed of a round, each within the same budget.

One seed fixes split, initialisation and order, so arms can be compared seed by seed. A twin waits for its partner, whose
sizes it replays; nobody else waits for anybody.
"""

from collections.abc import Collection
from dataclasses import dataclass

from records.epoch import EpochRecord
from records.events import Asked, Round
from records.history import TrialHistory
from search.proposers.contestants import Contestant
from spaces.arm import Arm
from spaces.setting import MOST_EPOCHS, Setting
from trainables.strategies import get_strategy

UNLIMITED = MOST_EPOCHS  # of a trial that its budget ends


@dataclass(frozen=True)
class Budget:
    """How long arms train and how often they are looked at: by updates, or each by its own clock; nothing: by epochs."""

    updates: int | None = None  # of each arm that trains the whole network
    head_updates: int | None = None  # of each arm that trains the head alone, outside the comparison at equal updates
    seconds: float | None = None  # charged ones, of every arm
    marks: int | None = None  # common looks, at equal parts of the budget

    def setting(self, whole_network: bool) -> dict[str, object]:
        """What an arm's setting says of it."""
        if self.seconds is not None:
            return {"epochs": UNLIMITED, "max_seconds": self.seconds, "marks": self.marks}
        most = self.updates if whole_network else self.head_updates
        return {} if most is None else {"epochs": UNLIMITED, "max_updates": most, "marks": self.marks}

    def row(self) -> dict[str, object]:
        """As run.json has it."""
        return {name: value for name, value in vars(self).items() if value is not None}


class HeadToHead:
    """Takes the place of a sampler: proposes each arm on each seed, round by round."""

    def __init__(self, contestants: list[Contestant], setting: Setting, seeds: Collection[int], budget: Budget):
        """`seeds`: of the first round, which every contestant runs."""
        self.contestants, self.setting, self.budget = contestants, setting, budget
        self.todo: list[tuple[Contestant, int]] = []
        self.asked = 0
        self.running: dict[int, tuple[Arm, int]] = {}
        self.sizes: dict[tuple[Arm, int], list[int]] = {}  # images chosen per epoch, by arm and seed
        self.states: dict[tuple[Arm, int], str] = {}  # of the trials that are over
        self.add_round([one.arm for one in contestants], seeds)

    @property
    def samples(self) -> int:
        """Trials in all, as far as is known by now."""
        return self.asked + len(self.todo)

    @property
    def arms(self) -> list[Arm]:
        return [one.arm for one in self.contestants]

    def add_round(self, arms: Collection[Arm], seeds: Collection[int]) -> None:
        """These arms are to be run on these seeds as well; partners before their twins."""
        chosen = sorted((one for one in self.contestants if one.arm in arms), key=lambda one: one.arm.is_twin)
        known = {(one.arm, seed) for one, seed in self.todo} | set(self.running.values())
        self.todo += [(one, seed) for seed in seeds for one in chosen if (one.arm, seed) not in known]

    def adopt_round(self, event: Round) -> None:
        """A later round, which only some arms may run."""
        self.add_round([arm for arm in self.arms if str(arm) in event.arms], event.seeds)

    def ask(self) -> Asked | None:
        """The next trial; None while it must wait for another one, or when all have been asked for."""
        ready = next((place for place, (one, seed) in enumerate(self.todo) if self._ready(one, seed)), None)
        if ready is None:
            return None
        one, seed = self.todo.pop(ready)
        number, self.asked = self.asked, self.asked + 1
        self.running[number] = (one.arm, seed)
        return Asked(number, one.config.model_dump(), {}, one.anchor, setting=self._setting(one, seed))

    def adopt(self, asked: Asked) -> None:
        """A trial that was asked for in an earlier process."""
        assert asked.setting and asked.setting.arm
        key = (asked.setting.arm, asked.setting.seed)
        self.todo = [(one, seed) for one, seed in self.todo if (one.arm, seed) != key]
        self.asked += 1
        self.running[asked.trial] = key

    def report(self, record: EpochRecord) -> None:
        self.sizes.setdefault(self.running[record.trial], []).append(record.chosen)

    def tell(self, trial: TrialHistory) -> None:
        self.states[self.running[trial.number]] = trial.state

    def _ready(self, one: Contestant, seed: int) -> bool:
        """Whether the partner whose sizes it replays is over, one way or another."""
        return not one.arm.is_twin or (one.arm.partner, seed) in self.states

    def _sizes_of(self, partner: tuple[Arm, int]) -> list[int]:
        """Of its epochs; by the clock, of those that were whole.

        The clock cuts the last one, maybe after one batch, and a twin that ranks nothing trains on after it: in epochs
        as small as that to its end.
        """
        sizes = self.sizes.get(partner, [])
        return sizes if self.budget.seconds is None else sizes[:-1]

    def _setting(self, one: Contestant, seed: int) -> Setting:
        random = get_strategy(one.arm.strategy).starts_from == "random"
        # of a partner that failed in its first epoch there are no sizes: the twin then grows by its own gates
        sizes = self._sizes_of((one.arm.partner, seed)) if one.arm.is_twin else None
        changes = {
            "strategy": one.arm.strategy,
            "arm": one.arm,
            "seed": seed,
            "weights": "none" if random else one.weights or self.setting.weights,
            "sizes": tuple(sizes) if sizes else None,
        }
        return self.setting.model_copy(update=changes | self.budget.setting(one.whole_network))
