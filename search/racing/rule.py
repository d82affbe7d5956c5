"""What every rule that stops trials early has in common: told of work and scores, it says who goes on. numpy only.

Work is counted in images trained on, and a third of that for each image that is only ranked (EpochRecord.work). Scores are
such that more is better. A trial that pauses keeps its checkpoint and goes on from it when it is promoted.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Decision = Literal["go_on", "pause", "stop"]


@dataclass(frozen=True)
class Look:
    """What a trial shows at the end of an epoch."""

    work: int  # done since the trial began
    best: float  # score so far
    latest: float  # score of this epoch


class Rule:
    """Every trial runs to its end: the interface, and the rule of a search that stops nobody.

    The same looks in the same order make the same rule, which is how an interrupted search comes by it again.
    """

    def __init__(self) -> None:
        self.work: dict[int, int] = {}  # of each trial, as far as it was told
        self.waiting: set[int] = set()  # trials that are paused

    def report(self, trial: int, look: Look) -> Decision:
        """A trial has ended an epoch. One that is told again, after a lost process or a pause, is judged only once."""
        if look.work <= self.work.get(trial, -1):
            return "pause" if trial in self.waiting else "go_on"
        self.waiting.discard(trial)  # whoever has done more since was promoted, by an earlier process
        self.work[trial] = look.work
        decision = self.judge(trial, look)
        if decision == "pause":
            self.waiting.add(trial)
        return decision

    def promote(self, last: bool = False) -> int | None:
        """The paused trial that goes on now. `last`: no trial runs, and none will begin, unless one is promoted."""
        trial = self.choose(last)
        if trial is not None:
            self.waiting.discard(trial)
        return trial

    def end(self, trial: int, failed: bool = False) -> None:
        """A trial is over. One that has failed is no rival any more."""
        self.waiting.discard(trial)
        if failed:
            self.forget(trial)

    def judge(self, trial: int, look: Look) -> Decision:
        """What becomes of a trial that has done more work than when it was last told of."""
        return "go_on"

    def choose(self, last: bool) -> int | None:
        """One of those that wait, or None."""
        return None

    def forget(self, trial: int) -> None:
        """A trial's place is free again."""


@dataclass
class Rung:
    """A level of work at which trials are compared."""

    level: int
    scores: dict[int, float] = field(default_factory=dict)  # by trial, from its first epoch at or beyond the level
    order: list[tuple[float, int]] = field(default_factory=list)  # sorted by (-score, trial)

    def enter(self, trial: int, score: float) -> None:
        self.scores[trial] = score
        insort(self.order, (-score, trial))

    def leave(self, trial: int) -> None:
        if trial in self.scores:
            self.order.remove((-self.scores.pop(trial), trial))

    def best(self, most: int) -> list[int]:
        """Best first; of equal ones the earlier trial."""
        return [trial for _, trial in self.order[:most]]


class Ladder(Rule):
    """Rungs on which trials pause unless they may pass; how many may is the subclass's to say.

    An epoch can pass several rungs: its score then stands on all of them, and the highest decides.
    """

    def __init__(self, levels: Sequence[int]):
        super().__init__()
        self.rungs = [Rung(level) for level in levels]

    def judge(self, trial: int, look: Look) -> Decision:
        reached = bisect_right([rung.level for rung in self.rungs], look.work)
        fresh = [rung for rung in self.rungs[:reached] if trial not in rung.scores]
        for rung in fresh:
            rung.enter(trial, look.best)
        if not fresh:
            return "go_on"
        return "go_on" if trial in self.passing(reached - 1, last=False) else "pause"

    def choose(self, last: bool) -> int | None:
        """The best of those that may pass the highest rung that lets anybody pass."""
        for place in reversed(range(len(self.rungs) if self.waiting else 0)):
            for trial in self.passing(place, last):
                if trial in self.waiting and self.stands_on(trial) == place:
                    return trial
        return None

    def passing(self, place: int, last: bool) -> list[int]:
        """Who may go beyond the rung in this place, best first, whether or not they have done so already."""
        raise NotImplementedError

    def stands_on(self, trial: int) -> int:
        """The place of the highest rung that a trial has reached; -1 where it has reached none."""
        return max((place for place, rung in enumerate(self.rungs) if trial in rung.scores), default=-1)

    def forget(self, trial: int) -> None:
        for rung in self.rungs:
            rung.leave(trial)


def evenly(lowest: int, longest: int, factor: int) -> list[int]:
    """The lowest level, and each `factor` times the one before it, below the work of the longest trial."""
    levels = []
    level = max(1, lowest)
    while level < longest:
        levels.append(level)
        level *= factor
    return levels
