"""The statistics of a report, each checked against a hand-worked or published example in tests/analysis/test_statistics.py.

n = seeds, m = comparisons in one family. Differences are fractions (accuracies in [0, 1]).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import gammaln

FEWEST_SEEDS = 3  # two differences that happen to agree have an interval of no width
LEVEL = 0.95
ALPHA = 0.05
POWER = 0.8
EXACT_UP_TO = 16  # seeds: 65,536 sign patterns; beyond, as many random ones
MOST_SEEDS = 200  # nobody runs more to settle one comparison
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """What n paired differences say. Intervals are not a number below FEWEST_SEEDS."""

    n: int
    mean: float
    sd: float
    low: float  # 95 % interval by Student's t
    high: float
    boot_low: float  # 95 % percentile bootstrap of the mean; with three seeds no wider than their range
    boot_high: float
    p: float  # exact sign-flip permutation, two-sided
    improvement: float  # share of the seeds on which the first is ahead; a tie counts half


def paired(differences: Floats) -> Paired:
    """Summarise the differences (n,) of two arms on the same seeds."""
    n, mean = len(differences), float(np.mean(differences))
    enough = n >= FEWEST_SEEDS
    sd = float(np.std(differences, ddof=1)) if n > 1 else float("nan")
    low, high = t_interval(differences) if enough else (float("nan"),) * 2
    boot_low, boot_high = bootstrap_interval(differences) if enough else (float("nan"),) * 2
    ahead = float(np.mean((differences > 0) + 0.5 * (differences == 0)))
    return Paired(n, mean, sd, low, high, boot_low, boot_high, sign_flip(differences), ahead)


def t_interval(values: Floats) -> tuple[float, float]:
    """95 % interval of the mean by Student's t; not a number for one value."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def bootstrap_interval(values: Floats) -> tuple[float, float]:
    """95 % percentile interval of the mean over 9,999 resamples, the same on every call."""
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (values,), np.mean, confidence_level=LEVEL, method="percentile", rng=np.random.default_rng(0)
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def sign_flip(differences: Floats) -> float:
    """Two-sided p that the differences are symmetric about zero: Fisher's permutation of their signs, on their sum."""
    if len(differences) < 2 or not np.any(differences):
        return 1.0
    exact = np.inf if len(differences) <= EXACT_UP_TO else 2**EXACT_UP_TO
    tested = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=exact, vectorized=True,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(tested.pvalue)


def smallest_p(n: int) -> float:
    """The smallest p that the sign-flip test of n differences can give."""
    return min(1.0, 2.0 ** (1 - n))


def holm(p: Floats) -> Floats:
    """Holm's (1979) adjusted p-values of a family (m,)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def power(mean: float, sd: float, n: int, alpha: float = ALPHA) -> float:
    """Power of the two-sided paired t test, if the true difference is `mean` and normal with this sd."""
    if sd < 1e-9:  # equal differences, but for rounding
        return float(abs(mean) > 1e-9)
    shift, edge = abs(mean) / sd * np.sqrt(n), stats.t.ppf(1 - alpha / 2, n - 1)
    return float(stats.nct.sf(edge, n - 1, shift) + stats.nct.cdf(-edge, n - 1, shift))


def seeds_to_detect(mean: float, sd: float, family: int = 1) -> int | None:
    """Seeds in all for 80 % power at 5 % over a family (Bonferroni, Holm's first step); None: more than MOST_SEEDS.

    Never fewer than let the sign-flip test reach that level. Assumes that the observed mean and sd are the true ones.
    """
    alpha = ALPHA / family
    for n in range(FEWEST_SEEDS, MOST_SEEDS + 1):
        if smallest_p(n) <= alpha and power(mean, sd, n, alpha) >= POWER:
            return n
    return None


def seeds_to_tie(mean: float, sd: float, margin: float) -> int | None:
    """Seeds in all until the 95 % interval is expected within ±margin; None: never, or more than MOST_SEEDS."""
    for n in range(FEWEST_SEEDS, MOST_SEEDS + 1):
        if abs(mean) + stats.t.ppf((1 + LEVEL) / 2, n - 1) * sd / np.sqrt(n) <= margin:
            return n
    return None


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p of McNemar's test: images that only a, and only b, gets right."""
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)


def expected_best(values: Floats) -> Floats:
    """(n,) expected maximum of k of the n values drawn without replacement, for k = 1 ... n.

    The unbiased estimator (Tang et al., ACL 2020): the i-th smallest is the maximum of C(i-1, k-1) of C(n, k) subsets.
    """
    ranked, n = np.sort(values), len(values)
    i, k = np.meshgrid(np.arange(1, n + 1), np.arange(1, n + 1))
    with np.errstate(invalid="ignore"):
        log = _log_choose(i - 1, k - 1) - _log_choose(np.full_like(i, n), k)
    weights = np.where(i >= k, np.exp(np.where(i >= k, log, -np.inf)), 0.0)
    found: Floats = weights @ ranked
    return found


def _log_choose(n: npt.NDArray[np.int64], k: npt.NDArray[np.int64]) -> Floats:
    """Logarithm of the number of ways to choose k of n; minus infinity or not a number where k is more than n."""
    found: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found
