"""SeTa: a random part of the images, grouped by loss, and a window over the groups that slides from easy to hard.

Zhou et al. 2025 (scale efficient training for large datasets), and their released code. N = images of the training split.
"""

from dataclasses import dataclass

import numpy as np

from spaces.seta import SeTaConfig
from trainables.curricula.base import Difficulty, Floats, Ints, Plan, State
from trainables.curricula.selecting import Remembering, known

ROUNDS = 100  # of k-means at most


@dataclass(frozen=True)
class SeTa(Remembering):
    """The window moves on by a group each epoch and begins anew at the easiest when it has reached the hardest.

    The first epoch takes every group; the last part of the training takes a random part of all images ("partial
    annealing"). Departures: an image that was never trained on counts as the hardest, where theirs begin with a loss of
    3; k-means of numbers starts from quantiles, so it is the same on every call.
    """

    config: SeTaConfig

    def select(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        count = len(self.labels)
        part = rng.permutation(count)[: max(1, int((1 - self.config.drop) * count))]
        losses = known(state)
        if state["progress"] >= self.config.full_from or state["epoch"] == 0 or np.isnan(losses).all():
            return self.some(part)
        losses = np.where(np.isnan(losses), np.nanmax(losses), losses)[part]
        group = k_means(losses, min(self.config.groups, len(np.unique(losses))))
        return self.some(part[np.isin(group, self._window(state["epoch"], group.max() + 1))])

    def _window(self, epoch: int, groups: int) -> Ints:
        """The groups of an epoch, of those there are."""
        size = max(1, round(groups * self.config.window))
        first = epoch % (groups - size + 1)
        return np.arange(first, first + size)


def k_means(values: Floats, groups: int) -> Ints:
    """(n,) the group of each value, numbered by their means from the lowest; no group is empty (Lloyd's algorithm).

    `groups` is at most the number of different values.
    """
    centres = np.quantile(np.unique(values), (np.arange(groups) + 0.5) / groups)
    for _ in range(ROUNDS):
        of = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        before, centres = centres, _moved(centres, values, of)
        if np.array_equal(before, centres):
            break
    return np.unique(of, return_inverse=True)[1].astype(np.int64)


def _moved(centres: Floats, values: Floats, of: Ints) -> Floats:
    """The centres at the means of their groups, and that of an empty group at the value that fits worst."""
    worst = values[np.argmax(np.abs(values - centres[of]))]
    return np.sort([values[of == each].mean() if (of == each).any() else worst for each in range(len(centres))])
