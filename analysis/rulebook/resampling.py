"""What the test images alone leave open of a difference that has no formula: the jackknife over groups of images.

numpy only. n = judged images.
"""

import numpy as np

from records.files import Arrays
from trainables.metrics import Judged, Metric

GROUPS = 30  # left out one after another; more cost more and say little more of a deviation that seeds average
LEAST = 1e-38  # a probability that is kept as zero


def judged_of(said: Arrays) -> Judged:
    """What a network said, from its kept predictions: logits up to what no metric here looks at."""
    likely = np.clip(said["probabilities"].astype(float), LEAST, 1.0)
    targets = said.get("targets")
    logits = np.log(likely) if targets is None else np.log(likely) - np.log(np.clip(1 - likely, LEAST, 1.0))
    return Judged(logits, said["true"], targets)


def jackknife_sd(metric: Metric, a: Arrays, b: Arrays) -> float:
    """Standard deviation of the difference of two networks on the same images; not a number where there is none.

    The delete-a-group jackknife (Efron and Tibshirani 1993, chapter 11), the groups drawn with a seed of their own: the
    same on every call.
    """
    first, second, images = judged_of(a), judged_of(b), len(a["true"])
    groups = min(GROUPS, images)
    member = np.random.default_rng(0).permutation(images) % max(1, groups)
    values = [_difference(metric, first, second, np.flatnonzero(member != group)) for group in range(groups)]
    if groups < 2 or np.isnan(values).any():
        return float("nan")
    return float(np.sqrt((groups - 1) * np.var(values)))


def _difference(metric: Metric, a: Judged, b: Judged, index: np.ndarray) -> float:
    figures = [metric.compute(_taken(of, index)) for of in (a, b)]
    return float("nan") if figures[0] is None or figures[1] is None else figures[0] - figures[1]


def _taken(of: Judged, index: np.ndarray) -> Judged:
    return Judged(of.logits[index], of.labels[index], None if of.targets is None else of.targets[index])
