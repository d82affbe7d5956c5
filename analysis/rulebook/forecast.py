"""How many more seeds a pair would need: the future, drawn many times from what the seeds so far say."""

from dataclasses import dataclass

import numpy as np

from analysis.rulebook.sequence import Floats, half_widths, running
from analysis.rulebook.words import first_decided

DRAWS = 400
MOST = 200  # seeds: nobody runs more to settle one pair
FEWEST = 3  # seeds: fewer say nothing of their own spread
RANGE = (0.1, 0.9)


@dataclass(frozen=True)
class Forecast:
    """Seeds in addition to those that are there. Infinite: more than MOST in all."""

    median: float
    low: float  # in one of ten futures it takes no more
    high: float  # in nine of ten

    @property
    def hopeless(self) -> bool:
        """Whether an effect this small would stay undecided, more likely than not."""
        return not np.isfinite(self.median)


def forecast(values: Floats, floor: float, alpha: float, margin: float) -> Forecast | None:
    """What it would take to give the differences `values` (n,) a word; None below FEWEST.

    The true mean and spread are not known, so each future has its own, drawn from what the values leave possible (a flat
    prior: Student's t around their mean, a scaled chi-square for the variance); taking the observed mean for the true one
    would promise too few seeds. The same on every call.
    """
    if len(values) < FEWEST:
        return None
    futures = _futures(values, floor)
    low, high = _continued(values, futures, floor, alpha)
    more = first_decided(low, high, margin)
    cut = [float(np.quantile(more, share, method="higher")) for share in (0.5, *RANGE)]
    return Forecast(*cut)


def _futures(values: Floats, floor: float) -> Floats:
    """(DRAWS, MOST - n) differences of seeds that are not there yet."""
    draws, n = np.random.default_rng(0), len(values)
    spread = max(float(np.std(values, ddof=1)), floor) * np.sqrt((n - 1) / draws.chisquare(n - 1, DRAWS))
    mean = np.mean(values) + spread / np.sqrt(n) * draws.standard_normal(DRAWS)
    noise = draws.standard_normal((DRAWS, max(1, MOST - n)))
    drawn: Floats = mean[:, None] + spread[:, None] * noise
    return drawn


def _continued(values: Floats, futures: Floats, floor: float, alpha: float) -> tuple[Floats, Floats]:
    """(DRAWS, m) the intervals after each future value, those of the past taken into account."""
    past_low, past_high = (ends[-1] for ends in running(values, floor, alpha))
    counts = len(values) + np.arange(1, futures.shape[1] + 1, dtype=float)
    sums = values.sum() + np.cumsum(futures, axis=1)
    squares = (values**2).sum() + np.cumsum(futures**2, axis=1)
    means = sums / counts
    sds = np.sqrt(np.maximum(squares - counts * means**2, 0) / (counts - 1))
    half = half_widths(counts, np.maximum(sds, floor), alpha)
    low = np.maximum(np.maximum.accumulate(means - half, axis=1), past_low)
    high = np.minimum(np.minimum.accumulate(means + half, axis=1), past_high)
    return low, high
