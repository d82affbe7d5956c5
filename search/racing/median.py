"""The median rule: stop what is behind the others at equal work."""

from bisect import bisect_right
from statistics import median

from search.racing.rule import Decision, Look, Rule

FEWEST = 3  # trials that a median is taken over


class Median(Rule):
    """The median rule (Golovin et al. 2017, section 3.2.2): a trial stops when its best score is below the median of what
    the others averaged up to the same work.

    Departures: no trial is judged before `grace`, nor by fewer than three others, and the averages begin at `grace` too.
    """

    def __init__(self, grace: int):
        super().__init__()
        self.grace = grace
        self.reached: dict[int, list[int]] = {}  # by trial: work at the end of each epoch from the grace on
        self.means: dict[int, list[float]] = {}  # and the average of the best scores up to there

    def judge(self, trial: int, look: Look) -> Decision:
        if look.work < self.grace:
            return "go_on"
        others = [self._mean(other, look.work) for other in self.reached if other != trial]
        self._enter(trial, look)
        means = [mean for mean in others if mean is not None]
        return "stop" if len(means) >= FEWEST and look.best < median(means) else "go_on"

    def forget(self, trial: int) -> None:
        self.reached.pop(trial, None)
        self.means.pop(trial, None)

    def _enter(self, trial: int, look: Look) -> None:
        reached, means = self.reached.setdefault(trial, []), self.means.setdefault(trial, [])
        total = means[-1] * len(means) if means else 0.0
        reached.append(look.work)
        means.append((total + look.best) / len(reached))

    def _mean(self, other: int, work: int) -> float | None:
        """What another trial averaged up to this work; None where it has not come so far, or began to be judged later."""
        reached = self.reached[other]
        place = bisect_right(reached, work) - 1
        return self.means[other][place] if place >= 0 and reached[-1] >= work else None
