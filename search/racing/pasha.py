"""ASHA whose highest rung grows only while the ranking of its two highest rungs is unstable."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from search.racing.halving import Asha
from search.racing.rule import Decision, Look

PERCENTILE = 90  # of the distances between trials whose curves cross and cross back
AT_FIRST = 1  # place of the highest rung: with one rung there is no ranking to compare


class Pasha(Asha):
    """PASHA (Bohdal et al., ICLR 2023).

    Two trials rank equal where their scores differ by no more than epsilon, which is the 90th percentile of the distances
    between such trials of the highest rung as have overtaken each other and been overtaken again: their order is noise.

    Departures: curves are compared at multiples of the lowest rung's work, as epochs differ in size; scores on a rung are
    the best so far, and those of the curves the latest; and the best trial of the highest rung goes on to its end from its
    checkpoint, where the paper trains it again.
    """

    def __init__(self, levels: Sequence[int]):
        """`levels` of all rungs that the ladder may grow to; beyond the last, trials run to their end."""
        super().__init__(levels)
        self.top = min(AT_FIRST, len(levels))  # place of the highest rung; len(levels): no limit any more
        self.curves: dict[int, list[Look]] = {}
        self.whole: set[int] = set()  # trials that go on to their end

    def judge(self, trial: int, look: Look) -> Decision:
        self.curves.setdefault(trial, []).append(look)
        before = self.stands_on(trial)
        decision = super().judge(trial, look)
        if before < self.top <= self.stands_on(trial) and not self._is_stable():
            self.top += 1
            decision = "go_on" if trial in self.passing(self.stands_on(trial), last=False) else "pause"
        return "go_on" if trial in self.whole else decision

    def passing(self, place: int, last: bool) -> list[int]:
        return super().passing(place, last) if place < self.top else []

    def choose(self, last: bool) -> int | None:
        trial = super().choose(last)
        if trial is None and last and not self.whole:
            trial = self._leader()
            self.whole |= set() if trial is None else {trial}
        return trial

    def forget(self, trial: int) -> None:
        super().forget(trial)
        self.curves.pop(trial, None)
        self.whole.discard(trial)

    def _leader(self) -> int | None:
        """The best of the highest rung that anybody has reached, if it waits there."""
        reached = [rung for rung in self.rungs if rung.scores]
        return next((trial for rung in reached[-1:] for trial in rung.best(1) if trial in self.waiting), None)

    def _is_stable(self) -> bool:
        """Whether each trial of the highest rung ranks there as it did on the rung below, give or take epsilon."""
        above, below = self.rungs[self.top], self.rungs[self.top - 1].scores
        now = above.best(len(above.scores))
        then = sorted(now, key=lambda trial: (-below[trial], trial))
        epsilon = noise([self._curve(trial) for trial in now])
        return all(abs(below[a] - below[b]) <= epsilon for a, b in zip(now, then, strict=True))

    def _curve(self, trial: int) -> list[float]:
        """The latest score by the end of each slice of work that the trial has done."""
        looks = self.curves[trial]
        ends = np.arange(self.rungs[0].level, looks[-1].work + 1, self.rungs[0].level)
        places = np.searchsorted([look.work for look in looks], ends, side="right") - 1
        return [looks[place].latest for place in places if place >= 0]


def noise(curves: Sequence[Sequence[float]]) -> float:
    """The 90th percentile of the last distances of those pairs of curves that cross and cross back; 0 without any."""
    distances = []
    for one, other in combinations(curves, 2):
        far = min(len(one), len(other))
        apart = np.subtract(one[:far], other[:far])
        signs = np.sign(apart[apart != 0])
        if np.count_nonzero(np.diff(signs)) >= 2:
            distances.append(abs(float(apart[-1])))
    return float(np.percentile(distances, PERCENTILE)) if distances else 0.0
