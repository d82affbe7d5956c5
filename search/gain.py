"""What a search may still gain, and what its validation images can tell apart. numpy only; more is better throughout.

n = trials drawn so far, m = trials still to come, k = the best few of the n that the tail is fitted to.

The idea is that of Makarova et al., "Automatic termination for hyperparameter optimization" (AutoML 2022): a search is over
when what it may still gain is less than the error of what it is judged by. Departures: their bound on the gain is the
regret of a Gaussian process over all fields, which a space with fields that come and go has none of, and their error is the
deviation between the folds of a cross-validation, where there is one split here. The gain is taken from the best trials
instead: above a high threshold the excesses of draws are about exponential (Pickands 1975; the fit to the k largest is
Weissman's, 1978). Figures that cannot pass a best possible one have a shorter tail: this promises too much and stops late.
"""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
TAIL = 4  # the best of so many trials are its tail
FEWEST = 3  # excesses that a scale is fitted to
SURE = 0.95  # of the gain that is given: the best of what comes adds no more with this probability


def possible_gain(draws: Floats, best: float, more: int) -> float:
    """What the best of `more` further trials adds to `best` at most, with probability SURE. In the unit of the scores.

    Were the scale of the tail known; fitted to the best few of exponential draws, it holds 0.88 of the time.

    draws (n,): the scores in the order of asking, n > 2 * FEWEST. A sampler that learns draws better later than before, so
    the later half is looked at by itself as well, and the larger of the two gains counts.
    """
    return max(_gain(part, best, more) for part in (draws, draws[len(draws) // 2 :]))


def _gain(draws: Floats, best: float, more: int) -> float:
    """By P(score > x) = k / n exp(-(x - u) / scale) above u, the (k+1)-th best, and 1 - (1 - P)^m for the best of m."""
    n, k = len(draws), max(FEWEST, math.ceil(len(draws) / TAIL))
    falling = np.sort(draws)[::-1]
    threshold = falling[k]
    scale = float(np.mean(falling[:k] - threshold))
    if scale == 0 or more < 1:
        return 0.0
    at_best = k / n * math.exp(-max(0.0, best - threshold) / scale)
    at_most = -math.expm1(math.log(SURE) / more)  # the probability that each of m may have, for SURE of all of them
    return max(0.0, scale * math.log(at_best / at_most)) if at_best > 0 else 0.0


def difference_sd(accuracy: float, images: int) -> float:
    """The standard error of a difference of two accuracies near this one, each over so many images.

    Binomial, as of independent images. Two networks err on some of the same images, so it is rather too large; by Laplace's
    rule ((hits + 1) of (images + 2)), so that it is not zero for a network that errs on none.
    """
    hits = (accuracy * images + 1) / (images + 2)
    return math.sqrt(2 * hits * (1 - hits) / images)


def spread_between(deviations: list[float]) -> float:
    """The standard error of a difference of two trainings, from the deviation between seeds of several; 0 of none."""
    known = [sd for sd in deviations if math.isfinite(sd)]
    return math.sqrt(2 * sum(sd**2 for sd in known) / len(known)) if known else 0.0
