"""Twins: a curriculum's own selection in another order, with the sizes that its partner used on the same seed.

What is left between partner and twin is the order alone; what is left between twin and baseline is the set size
(Wu et al. 2021 find the second to be what matters).
"""

from dataclasses import dataclass

import numpy as np

from trainables.curricula.base import Curriculum, Difficulty, Feedback, Ints, Plan, Scoring, State


@dataclass(frozen=True)
class Yoked(Curriculum):
    """`inner` has the partner's config but for `order`. State: `epoch`, the epochs done, and `inner`, the inner state.

    Stages, their rates and their optimisers are the inner curriculum's own, and so are scoring passes in train mode,
    which move BatchNorm's running statistics: a random twin makes them as its partner does. What it does not look at, it
    is not charged for; soft weights go with the order of the losses, so a twin has none.
    """

    inner: Curriculum
    sizes: tuple[int, ...]  # images of the partner's epochs; the last one holds on

    def scoring(self, state: State) -> Scoring | None:
        return self.inner.scoring_of(whole=self._size(state) == len(self.labels))

    def begin(self) -> State:
        return {"epoch": 0, "inner": self.inner.begin()}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        size = self._size(state)
        images: Ints = np.arange(size) if size == len(self.labels) else self.inner.first(size, difficulty, rng)
        return Plan(images, size / len(self.labels), **self.inner.terms(state["inner"]))

    def learn(self, state: State, feedback: Feedback) -> State:
        return {"epoch": state["epoch"] + 1, "inner": self.inner.learn(state["inner"], feedback)}

    def _size(self, state: State) -> int:
        epoch: int = state["epoch"]
        return self.sizes[min(epoch, len(self.sizes) - 1)]
