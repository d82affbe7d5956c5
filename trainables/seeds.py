"""Randomness by address: a fresh generator for each (seed, epoch, purpose), so there is no generator to checkpoint.

Two purposes never share numbers, and drawing more for one disturbs no other.
"""

from typing import Literal

import numpy as np

Purpose = Literal[
    "initialise", "order", "score", "plan", "augment", "propose", "folds",
    "crop", "colour", "policy", "erase", "mix", "network", "network_scoring", "balance",
]  # fmt: skip
_ADDRESS: dict[Purpose, int] = {
    "initialise": 1,
    "order": 2,
    "score": 3,
    "plan": 4,
    "augment": 5,
    "propose": 6,
    "folds": 7,
    "crop": 8,
    "colour": 9,
    "policy": 10,
    "erase": 11,
    "mix": 12,
    "network": 13,
    "network_scoring": 14,
    "balance": 15,
}


def rng(seed: int, epoch: int, purpose: Purpose) -> np.random.Generator:
    """The generator of this address; the same address always gives the same numbers."""
    return np.random.default_rng([seed, epoch, _ADDRESS[purpose]])


def integer(seed: int, epoch: int, purpose: Purpose) -> int:
    """A seed in [0, 2^31) for libraries that want an integer."""
    return int(rng(seed, epoch, purpose).integers(2**31))
