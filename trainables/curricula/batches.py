"""How an order of images is cut into batches: one rule for training, for scoring and for ranking batches."""

import numpy as np

from trainables.curricula.base import Ints


def batches(order: Ints, size: int) -> list[Ints]:
    """`order` cut into batches of `size`; a last batch of one image joins the one before (BatchNorm needs two)."""
    cut = [order[start : start + size] for start in range(0, len(order), size)]
    if len(cut) > 1 and len(cut[-1]) == 1:
        cut[-2:] = [np.concatenate(cut[-2:])]
    return cut


def updates_of(images: int, size: int) -> int:
    """Updates that one pass over so many images makes."""
    return len(batches(np.arange(images), size))
