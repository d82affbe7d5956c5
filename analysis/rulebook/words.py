"""better, worse, tie, undecided: what an interval says. Differences are fractions (accuracies in [0, 1])."""

import numpy as np

from analysis.rulebook.sequence import Floats

BETTER, WORSE, TIE, UNDECIDED = "better", "worse", "tie", "undecided"
NO_WORD = ""  # of a pair that was not planned, or whose figures cannot carry a word
DECIDED = (BETTER, WORSE, TIE)
MARGIN = 0.01  # a difference within ± one point is called a tie, unless the plan says otherwise


def word(low: float, high: float, margin: float) -> str:
    """The word of an interval: whole on one side of zero, or whole within ±margin, or neither.

    Of an empty one (seeds that drift: early ones exclude what late ones hold) nothing is said.
    """
    if low > high:
        return UNDECIDED
    if low > 0:
        return BETTER
    if high < 0:
        return WORSE
    return TIE if low >= -margin and high <= margin else UNDECIDED


def first_decided(low: Floats, high: Floats, margin: float) -> Floats:
    """(...): after how many values the intervals (..., n) first give a word; infinite where they give none."""
    decided = (low > 0) | (high < 0) | ((low >= -margin) & (high <= margin))
    found: Floats = np.where(decided.any(axis=-1), decided.argmax(axis=-1) + 1.0, np.inf)
    return found
