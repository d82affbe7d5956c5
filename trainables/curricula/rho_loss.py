"""RHO-LOSS: images that can still be learnt, are worth it, and are not learnt yet (Mindermann et al. 2022)."""

from dataclasses import dataclass

import numpy as np

from spaces.rho_loss import RhoLossConfig
from trainables.curricula.base import Difficulty, Floats, Ints, Plan, Scoring, State
from trainables.curricula.selecting import Selecting


@dataclass(frozen=True)
class RhoLoss(Selecting):
    """Of each large batch, the part with the largest loss less the loss under a model that has not seen the image.

    That second, irreducible loss is `fixed` (N,): by heads on features that are cross-validated over the training split,
    so that no image outside it is used (theirs train a small network on held-out data, or on halves of the training set).
    Departure: losses are scored before an epoch and not before each batch, and a large batch is chosen from once an epoch.
    """

    config: RhoLossConfig
    fixed: Floats

    def scoring(self, state: State) -> Scoring | None:
        return self.scoring_of(whole=False)

    def scoring_of(self, whole: bool) -> Scoring | None:
        return None if self.config.order == "random" else Scoring(every=self.config.score_every, mode="eval")

    def select(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        order = rng.permutation(len(self.labels))
        if self.config.order == "random":
            return self.some(order[: sum(self._size(len(part)) for part in self._large_batches(order))])
        assert difficulty is not None, "images are chosen by their present loss"
        reducible = difficulty.values - self.fixed
        chosen = [self._best(part, reducible) for part in self._large_batches(order)]
        return self.some(np.concatenate(chosen))

    def _large_batches(self, order: Ints) -> list[Ints]:
        size = max(1, round(self.config.batch_size / self.config.share))
        return [order[first : first + size] for first in range(0, len(order), size)]

    def _best(self, part: Ints, reducible: Floats) -> Ints:
        return part[np.argsort(-reducible[part], kind="stable")[: self._size(len(part))]]

    def _size(self, count: int) -> int:
        return max(1, round(count * self.config.share))
