"""Trials of a search for accuracy and for few seconds: which can no longer come to the front, and what they are worth then.

Standard library alone. A point is (seconds, score): what a trial has cost, and its best score so far, more being better.

A trial that is stopped early has not taken the seconds of a whole one, so what it shows is no point of the front: counted
as one, whatever is stopped first would look cheapest. (Optuna allows no pruning with several objectives; its issues 3450
and 4902 ask for it.) So a trial is stopped only where even its hope is dominated. Its hope is the point that it would end
at if from this epoch on it gained as much as the one of the complete trials that gained most, for as few further seconds,
in proportion, as the one that took fewest. The hope is a bound on an end that nobody knows: it is what the sampler is told
(an observation censored on the side of better), and a complete trial that it was told of dominates it.
"""

from collections.abc import Sequence
from math import isfinite

Point = tuple[float, float]
Curve = list[Point]  # by epoch
FEWEST = 5  # complete trials that a hope is taken from


def hope(curve: Sequence[Point], whole: Sequence[Curve]) -> Point | None:
    """The best end of a trial that came along `curve`, by those that were trained to theirs; None while these are too few.

    Of the whole ones those count that have taken more epochs than it has.
    """
    epoch = len(curve)
    longer = [other for other in whole if len(other) > epoch]
    if epoch == 0 or len(longer) < FEWEST:
        return None
    seconds, score = curve[-1]
    dearer = min(other[-1][0] / other[epoch - 1][0] if other[epoch - 1][0] > 0 else 1.0 for other in longer)
    return seconds * dearer, score + max(other[-1][1] - other[epoch - 1][1] for other in longer)


def dominates(one: Point, other: Point) -> bool:
    """Whether it is no dearer and no worse, and not the same."""
    return one[0] <= other[0] and one[1] >= other[1] and one != other


class Front:
    """What a search has seen of its trials' curves. The same events in the same order make the same front."""

    def __init__(self, ceiling: float):
        """`ceiling`: the best possible score."""
        self.ceiling = ceiling
        self.curves: dict[int, Curve] = {}  # of trials that run
        self.whole: list[Curve] = []
        self.hopes: dict[int, Point] = {}  # of trials that came to be hopeless

    def hopeless(self, trial: int, epoch: int, seconds: float, score: float) -> bool:
        """Whether, after this epoch, even the hope of a trial is dominated by a complete one."""
        self._enter(trial, epoch, seconds, score)
        return trial in self.hopes

    def complete(self, trial: int) -> None:
        """A trial has come to its end."""
        self.hopes.pop(trial, None)
        curve = self.curves.pop(trial, [])
        self.whole += [curve] if curve and isfinite(curve[-1][1]) else []

    def leave(self, trial: int) -> Point | None:
        """A trial is over before its end; its hope, where that is known."""
        self.curves.pop(trial, None)
        return self.hopes.pop(trial, None)

    def _enter(self, trial: int, epoch: int, seconds: float, score: float) -> None:
        curve = self.curves.setdefault(trial, [])
        if epoch != len(curve) + 1:  # told of before
            return
        curve.append((seconds, max(score, curve[-1][1] if curve else score)))
        best = hope(curve, self.whole)
        if best is None:
            return
        best = best[0], min(best[1], self.ceiling)
        if any(dominates(other[-1], best) for other in self.whole):
            self.hopes[trial] = best
        else:
            self.hopes.pop(trial, None)
