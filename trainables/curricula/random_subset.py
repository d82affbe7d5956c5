"""Repeated random sampling: another random part of the images in every epoch (RS2, Okanovic et al. 2024).

The control of every rule that trains on fewer images: what is left between the two is which ones.
"""

from dataclasses import dataclass

import numpy as np

from spaces.random_subset import RandomSubsetConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Plan, State
from trainables.curricula.share import WHOLE, millionths, part_of


@dataclass(frozen=True)
class RandomSubset(Curriculum):
    """Without repeats until all images were seen, and then again: their variant without replacement.

    State: `shown`, how many times each image was trained on. The images shown least come next, in random order among
    those shown as often, so an epoch that begins on a new round takes what the last round left over.
    """

    config: RandomSubsetConfig

    def begin(self) -> State:
        return {"shown": [0] * len(self.labels)}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        share = millionths(self.config.share)
        order = np.lexsort((rng.random(len(self.labels)), np.array(state["shown"])))
        return Plan(order[: part_of(len(self.labels), share)], share / WHOLE)

    def learn(self, state: State, feedback: Feedback) -> State:
        if feedback.images is None:
            return state
        shown = np.array(state["shown"]) + np.bincount(feedback.images, minlength=len(self.labels))
        return {"shown": shown.tolist()}
