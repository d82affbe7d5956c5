"""How a sentence of the report is settled: by the rulebook's interval, or by counting the seeds that it holds on.

Every sentence that an interval decides shares one error of 5 %, however many of them the runs at hand can speak to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.original.evidence import Evidence
from analysis.rulebook.pairs import Pair, make_pair
from analysis.rulebook.plan import VerdictPlan
from analysis.rulebook.sentences import failures, interval
from analysis.rulebook.sequence import Floats, running
from analysis.rulebook.words import BETTER, MARGIN, UNDECIDED
from console.wording import many, signed
from spaces.arm import Arm

CONFIRMED, CONTRADICTED, NOT_RUN = "confirmed", "contradicted", "not run"
NOT_COMPARABLE = "not comparable yet"  # fewer pixels, images or epochs than the report, or another protocol
BY_CONSTRUCTION = "true by construction"  # nothing that could be measured would say otherwise
FEWEST = 5  # seeds: with fewer the rulebook's interval has no ends, even where one pair has the whole 5 %
TOO_FEW = "too few seeds for an interval"
ROUNDING = np.sqrt(1 / 12)  # epochs: what whole numbers alone spread by


@dataclass(frozen=True)
class Judgement:
    """What is said of one sentence of the report: one of the words above, or undecided, and why."""

    status: str
    figure: str  # what was found, in words
    conditions: str = ""  # what was not as in the report


def judged(status: str, figure: str, *arms: Evidence) -> Judgement:
    """What these arms say; of shortened ones only that they cannot be compared yet, whatever they found."""
    conditions = dict.fromkeys(word for arm in arms for word in arm.conditions)
    shortened = status not in (NOT_RUN, BY_CONSTRUCTION) and any(arm.shortened for arm in arms)
    return Judgement(NOT_COMPARABLE if shortened else status, figure, "; ".join(conditions))


def settled(low: float, high: float, least: float, most: float) -> str:
    """confirmed: the interval lies within least and most. contradicted: all of it lies outside, on one side.

    Nothing depends on which is asked first: no interval is both, and an empty one (low above high) whose ends disagree
    stays undecided. A true mean that lies on the edge is called either with the interval's error at most.
    """
    lowest, highest = min(low, high), max(low, high)
    if least <= lowest and highest <= most:
        return CONFIRMED
    return CONTRADICTED if highest < least or lowest > most else UNDECIDED


def level(values: Floats, images: int, wanted: float, alpha: float) -> tuple[str, float, float]:
    """Whether accuracies (n,) on so many images reach a level of the report's; and the interval of their mean.

    Reached means: at most one point below. So the whole interval above `wanted` less a point confirms (it is better or a
    tie), the whole interval below that contradicts, and a true mean one point below is confirmed with the error `alpha`.
    The deviation is never believed to be less than what the images alone give an accuracy, sqrt(p (1 - p) / n).
    """
    p = np.cumsum(values) / np.arange(1, len(values) + 1)
    low, high = (float(ends[-1]) for ends in running(values, np.sqrt(p * (1 - p) / images), alpha))
    return settled(low, high, wanted - MARGIN, np.inf), low, high


def of_level(arm: Evidence, values: Floats, split: str, wanted: float, alpha: float, what: str) -> Judgement:
    """`level` of what an arm has reached; `values` by seed, in their order."""
    status, low, high = level(values, arm.judged_images(split), wanted, alpha)
    said = [f"{low:.3f} to {high:.3f}" if np.isfinite(low) else TOO_FEW, many(len(values), "seed"), *_failed(arm)]
    figure = f"{what} {np.mean(values):.3f} ({', '.join(said)}); the report: {wanted:.3f}"
    return judged(status, figure, arm)


def of_epoch(arm: Evidence, epochs: Floats, least: int, most: int, alpha: float, what: str) -> Judgement:
    """Whether something happens in the epochs that the report names, give or take one, on average over seeds (n,)."""
    low, high = (float(ends[-1]) for ends in running(epochs, ROUNDING, alpha))
    said = f"{low:.1f} to {high:.1f}" if np.isfinite(low) else TOO_FEW
    figure = f"{what} {np.mean(epochs):.1f} ({said}, {many(len(epochs), 'seed')})"
    if arm.failed:
        return judged(UNDECIDED, f"{figure}; {', '.join(_failed(arm))}, which leaves this open", arm)
    return judged(settled(low, high, least - 1, most + 1), figure, arm)


def of_difference(a: Evidence, b: Evidence, alpha: float) -> Judgement:
    """Whether a is better than b on the same seeds: better confirms; worse contradicts, and so does a tie.

    The report says better: two arms that lie within one point of each other are not what it says.
    """
    pair = _pair(a, b, alpha)
    inside = ", ".join([interval(pair), many(pair.n, "seed"), *failures(pair)])
    figure = f"{a.name} minus {b.name}: {signed(100 * pair.mean)} points ({inside})"
    if pair.n == 0:
        return judged(UNDECIDED, f"{a.name} and {b.name} share no seed", a, b)
    status = UNDECIDED if pair.word == UNDECIDED else CONFIRMED if pair.word == BETTER else CONTRADICTED
    return judged(status, figure, a, b)


def _pair(a: Evidence, b: Evidence, alpha: float) -> Pair:
    """As the rulebook has it, at this sentence's share of the error: a run may not have planned what the report claims."""
    unplanned = make_pair(Arm(a.name), Arm(b.name), a.outcomes, b.outcomes, VerdictPlan(()))
    return replace(unplanned, planned=True, alpha=alpha)


def counted(holds: Sequence[bool], figure: str, *arms: Evidence) -> Judgement:
    """A rule of counting: confirmed where it holds on every seed, contradicted where on none, from FEWEST seeds on."""
    failed = [said for arm in arms for said in _failed(arm)]
    if failed:
        return judged(UNDECIDED, f"{figure}; {', '.join(failed)}, which leaves this open", *arms)
    if len(holds) < FEWEST:
        return judged(UNDECIDED, f"{figure}; fewer than {FEWEST} seeds", *arms)
    return judged(CONFIRMED if all(holds) else UNDECIDED if any(holds) else CONTRADICTED, figure, *arms)


def _failed(arm: Evidence) -> list[str]:
    return [f"{many(len(arm.failed), 'training')} of {arm.name} failed"] if arm.failed else []


def all_of(parts: list[Judgement]) -> Judgement:
    """A sentence with several parts: contradicted by one, confirmed only by all that could be run."""
    if not parts:
        return Judgement(NOT_RUN, "no run has both arms")
    states = {part.status for part in parts}
    order = (CONTRADICTED, UNDECIDED, NOT_COMPARABLE, NOT_RUN, CONFIRMED)
    conditions = dict.fromkeys(word for part in parts for word in part.conditions.split("; ") if word)
    worst = next(state for state in order if state in states)
    return Judgement(worst, "; ".join(part.figure for part in parts), "; ".join(conditions))
