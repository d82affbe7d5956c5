"""Shares counted in integer millionths, and what a share of something is.

Adding 0.05 again and again in floats gives 0.39999999999999997 and 0.49999999999999994 and loses a batch at each.
"""

import numpy as np

from trainables.curricula.base import Ints

WHOLE = 1_000_000


def millionths(share: float) -> int:
    """0.05 -> 50000; the nearest one, and never none."""
    return max(1, round(share * WHOLE))


def part_of(total: int, share: int) -> int:
    """How many of `total` a share in millionths is: rounded down, at least one."""
    return max(1, total * share // WHOLE)


def share_of(part: int, total: int) -> int:
    """The smallest share in millionths of which `part` is the part: part_of(total, share_of(part, total)) == part."""
    return -(-part * WHOLE // total)


def class_quotas(labels: Ints, share: int) -> Ints:
    """(C,) images per class that add up to part_of(N, share): rounded down, what is missing to the largest remainders.

    Ties go to the lower class number; a class without images gets none.
    """
    counts = np.bincount(labels)
    quotas = counts * share // WHOLE
    missing = part_of(len(labels), share) - int(quotas.sum())
    remainders = counts * share % WHOLE
    first = np.argsort(-remainders, kind="stable")[:missing]
    quotas[first] += 1
    return quotas.astype(np.int64)


def first_per_class(ranked: Ints, labels: Ints, share: int) -> Ints:
    """The images of each class that come first in the order `ranked` (N,), in the classes' own proportions."""
    quotas = class_quotas(labels, share)
    return np.concatenate([ranked[labels[ranked] == label][:quota] for label, quota in enumerate(quotas)])
