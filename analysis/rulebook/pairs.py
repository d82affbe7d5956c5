"""One pair of arms on the seeds that they share: differences, interval, word, and what it would take."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.rulebook.forecast import Forecast, forecast
from analysis.rulebook.measure import Measure
from analysis.rulebook.outcomes import Outcome, Outcomes, right
from analysis.rulebook.plan import ACCURACY, VerdictPlan, name_of
from analysis.rulebook.resampling import jackknife_sd
from analysis.rulebook.sequence import ALPHA, Floats, running, sampling_sd
from analysis.rulebook.words import NO_WORD, UNDECIDED, word
from records.files import Arrays
from spaces.arm import Arm


@dataclass(frozen=True)
class Pair:
    """a minus b, seed by seed in their order. n = seeds that both have an outcome on."""

    a: Arm
    b: Arm
    planned: bool
    alpha: float
    margin: float
    seeds: tuple[int, ...]
    differences: Floats  # (n,) of the run's metric, more being better
    floors: Floats  # (n,) the least standard deviation that is believed after so many seeds
    failed: tuple[int, int]  # trainings of a, and of b, that count with their last finite figure or chance
    seconds: float  # of wall clock that one more seed of both takes, on average
    measure: Measure = ACCURACY
    equal_looks: bool = True  # whether, where epochs are picked on test itself, both were looked at equally often

    @property
    def n(self) -> int:
        return len(self.seeds)

    @property
    def mean(self) -> float:
        return float(np.mean(self.differences)) if self.n else float("nan")

    @property
    def sd(self) -> float:
        return float(np.std(self.differences, ddof=1)) if self.n > 1 else float("nan")

    @property
    def floor(self) -> float:
        return float(self.floors[-1]) if self.n else 0.0

    @cached_property
    def ends(self) -> tuple[Floats, Floats]:
        """(low, high), each (n,): the interval after each seed."""
        return running(self.differences, self.floors, self.alpha)

    @property
    def low(self) -> float:
        """Lower end; minus infinity while there are too few seeds for any."""
        return float(self.ends[0][-1]) if self.n else -float("inf")

    @property
    def high(self) -> float:
        return float(self.ends[1][-1]) if self.n else float("inf")

    @property
    def word(self) -> str:
        """What is said of a planned pair; nothing of any other, nor where the best of many stands against that of few."""
        return word(self.low, self.high, self.margin) if self.planned and self.equal_looks else NO_WORD

    @cached_property
    def forecast(self) -> Forecast | None:
        """How many more seeds an undecided pair would need; None where it is decided, not planned, or too young."""
        if self.word != UNDECIDED:
            return None
        return forecast(self.differences, self.floor, self.alpha, self.margin)


def planned_pairs(found: Outcomes, plan: VerdictPlan) -> list[Pair]:
    """The plan's pairs of which both arms have an outcome, in its order; arms as they are called in their own run."""
    by_name = {name_of(arm): arm for arm in found}
    both = [(by_name[a], by_name[b]) for a, b in plan.pairs if a in by_name and b in by_name]
    return [make_pair(a, b, found[a], found[b], plan) for a, b in both]


def make_pair(a: Arm, b: Arm, of_a: dict[int, Outcome], of_b: dict[int, Outcome], plan: VerdictPlan) -> Pair:
    """The pair as the plan has it: planned, at its share of the family's 5 %, or exploratory, at 5 % of its own."""
    seeds = sorted(of_a.keys() & of_b.keys())
    both = [(of_a[seed], of_b[seed]) for seed in seeds]
    planned, turned = plan.has(a, b), plan.measure.objective.turned
    return Pair(
        a=a,
        b=b,
        planned=planned,
        alpha=plan.alpha if planned else ALPHA,
        margin=plan.margin,
        seeds=tuple(seeds),
        differences=np.array([turned(first.figure - second.figure) for first, second in both]),
        floors=_floors(both, plan.measure),
        measure=plan.measure,
        failed=(sum(first.failed for first, _ in both), sum(second.failed for _, second in both)),
        equal_looks=all(first.looks == second.looks for first, second in both if not (first.failed or second.failed)),
        seconds=float(np.mean([first.seconds + second.seconds for first, second in both])) if both else 0.0,
    )


def _floors(both: list[tuple[Outcome, Outcome]], measure: Measure) -> Floats:
    """(n,) the test-sampling deviation, from what is known after so many seeds; a failed training says nothing of it."""
    variances = np.array([_sampling(first, second, measure) ** 2 for first, second in both])
    known = ~np.isnan(variances)
    counts = np.maximum(np.cumsum(known), 1)
    found: Floats = np.sqrt(np.cumsum(np.where(known, variances, 0.0)) / counts)
    return found


def _sampling(a: Outcome, b: Outcome, measure: Measure) -> float:
    """Of one seed: by formula for accuracy, else from what both said of the same images; else not a number."""
    if a.failed or b.failed:
        return float("nan")
    if measure == ACCURACY:
        return _of_accuracy(a, b)
    if a.said is None or b.said is None or not _of_the_same_images(a.said, b.said):
        return float("nan")
    return jackknife_sd(measure.metric, a.said, b.said)


def _of_accuracy(a: Outcome, b: Outcome) -> float:
    """The most that it can be where it was not kept which images each got right."""
    difference = a.figure - b.figure
    if a.said is None or b.said is None or not _of_the_same_images(a.said, b.said):
        if not min(a.judged, b.judged):
            return float("nan")
        return sampling_sd(min(1.0, 2 - a.figure - b.figure), difference, min(a.judged, b.judged))
    right_a = right(a.said)
    return sampling_sd(float(np.mean(right_a != right(b.said))), difference, len(right_a))


def _of_the_same_images(a: Arrays, b: Arrays) -> bool:
    """Arms of several runs may have been tested on other images of a seed's test split."""
    return np.array_equal(a["image"], b["image"])
