"""What a report describes, each checked against a hand-worked or published example in tests/analysis/test_statistics.py.

Who is better is the rulebook's to say (analysis/rulebook). n = seeds, m = comparisons in one family.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import gammaln

FEWEST_SEEDS = 3  # two differences that happen to agree have an interval of no width
LEVEL = 0.95
Floats = npt.NDArray[np.float64]


def t_interval(values: Floats) -> tuple[float, float]:
    """95 % interval of the mean by Student's t; not a number for one value."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def holm(p: Floats) -> Floats:
    """Holm's (1979) adjusted p-values of a family (m,)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


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
