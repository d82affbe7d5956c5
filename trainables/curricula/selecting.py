"""What the strategies share that pick images by a rule of their own: a random control, and the losses seen so far.

N = images of the training split, K = images of one epoch.
"""

from dataclasses import dataclass, replace

import numpy as np

from spaces.trial import SelectingConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Floats, Ints, Plan, State


@dataclass(frozen=True)
class Selecting(Curriculum):
    """Picks images by `select`; in random order as many at random, which is what its twin does."""

    config: SelectingConfig

    def select(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        """The rule."""
        raise NotImplementedError

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        chosen = self.select(state, difficulty, rng)
        if self.config.order == "random":
            images = self.first(len(chosen.images), difficulty, rng)
            chosen = replace(chosen, images=images, weights=None, absolute=False)
        return chosen

    def first(self, size: int, difficulty: Difficulty | None, rng: np.random.Generator) -> Ints:
        if self.config.order != "random":
            return super().first(size, difficulty, rng)
        return rng.permutation(len(self.labels))[:size]

    def some(self, images: Ints) -> Plan:
        """A plan of these images."""
        return Plan(images, len(images) / len(self.labels))


@dataclass(frozen=True)
class Remembering(Selecting):
    """Knows the loss of each image when it was last trained on, which costs nothing.

    State: `progress`, how much of the planned training is done, in [0, 1]; `epoch`, the epochs done; `losses`, in nats,
    None of an image that was never trained on.
    """

    @property
    def wants_losses(self) -> bool:
        return True

    def begin(self) -> State:
        return {"progress": 0.0, "epoch": 0, "losses": [None] * len(self.labels)}

    def learn(self, state: State, feedback: Feedback) -> State:
        after = {**state, "progress": feedback.progress, "epoch": state["epoch"] + 1}
        if feedback.losses is None:
            return after
        assert feedback.images is not None
        losses = known(state)
        losses[feedback.images] = feedback.losses
        return {**after, "losses": [None if np.isnan(loss) else loss for loss in losses.tolist()]}


def known(state: State) -> Floats:
    """(N,) the losses of the state; NaN of an image that was never trained on."""
    return np.array(state["losses"], dtype=np.float64)
