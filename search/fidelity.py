"""Whether a cheap fidelity ranks trials as a dear one does: the rank correlation and its interval. numpy only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NORMAL = 1.96  # for 95 %
FEWEST = 4  # pairs from which on there is an interval


@dataclass(frozen=True)
class Agreement:
    """Spearman's correlation of two rankings of the same trials, with a 95 % interval; all in [-1, 1]."""

    pairs: int
    rho: float  # not a number where one of them ranks all alike
    low: float
    high: float

    @property
    def trusted(self) -> bool:
        """Whether the interval leaves no doubt that they agree more than by chance."""
        return self.low > 0


def agreement(cheap: Sequence[float], dear: Sequence[float]) -> Agreement:
    """Of figures (n,) of the same n trials.

    The interval is Fisher's, with the variance (1 + rho^2 / 2) / (n - 3) of Bonett and Wright (Psychometrika 65, 2000).
    Departures: below four pairs it is everything; and a perfect correlation, which would have an interval without width,
    counts as half-way to the next possible one, which has two neighbours swapped.
    """
    n, rho = len(cheap), spearman(cheap, dear)
    if n < FEWEST or math.isnan(rho):
        return Agreement(n, rho, -1.0, 1.0)
    most = 1 - 6 / (n**3 - n)  # two neighbours swapped make 1 - 12 / (n^3 - n)
    at = math.copysign(min(abs(rho), most), rho)
    half = NORMAL * math.sqrt((1 + at**2 / 2) / (n - 3))
    return Agreement(n, rho, math.tanh(math.atanh(at) - half), math.tanh(math.atanh(at) + half))


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's correlation of the ranks, equal figures sharing theirs; not a number where all of one are equal."""
    first, second = (_ranks(of) - (len(a) + 1) / 2 for of in (a, b))
    spread = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / spread if spread else math.nan


def _ranks(of: Sequence[float]) -> npt.NDArray[np.float64]:
    """(n,) from 1 on, the lowest first."""
    values = np.asarray(of, dtype=float)
    below, equal = (values[None, :] < values[:, None]).sum(axis=1), (values[None, :] == values[:, None]).sum(axis=1)
    ranks: npt.NDArray[np.float64] = below + (equal + 1) / 2
    return ranks
