"""How far explanations agree, and how far they would by chance."""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np

from analysis.explaining.by_lime import Local, Mask


def overlap(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks (H, W); not a number where one of them selects nothing or everything."""
    if any(not mask.any() or mask.all() for mask in (a, b)):
        return float("nan")
    return float(np.sum(a & b) / np.sum(a | b))


def chance(a: int, b: int, of: int) -> float:
    """The overlap to expect of `a` and of `b` out of `of` superpixels of one size, both picked at random.

    How many are in both is hypergeometric: the mean of k / (a + b - k), k being in both with probability
    C(a, k) C(of - a, b - k) / C(of, b). Not a number where one picks none or all.
    """
    if min(a, b) < 1 or max(a, b) >= of:
        return float("nan")
    shared = range(max(0, a + b - of), min(a, b) + 1)
    return sum(k / (a + b - k) * comb(a, k) * comb(of - a, b - k) for k in shared) / comb(of, b)


def agreement(found: Sequence[Local]) -> tuple[float, float]:
    """Overlap of what is picked and its level by chance, both means over every two; not numbers for fewer than two."""
    pairs = list(combinations(found, 2))
    if not pairs:
        return float("nan"), float("nan")
    seen = [overlap(a.mask, b.mask) for a, b in pairs]
    expected = [chance(len(a.picked), len(b.picked), min(a.count, b.count)) for a, b in pairs]
    return float(np.mean(seen)), float(np.mean(expected))
