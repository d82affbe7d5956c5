"""Curricula over a difficulty that is fixed beforehand: paced learning and manual division.

State: `progress`, how much of the planned training is done, in [0, 1]; it is told after each epoch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from spaces.manual_division import ManualDivisionConfig
from spaces.paced import PacedConfig
from spaces.trial import OrderedConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Floats, Ints, Plan, State
from trainables.curricula.pacing import DIGITS, pace
from trainables.curricula.share import WHOLE, first_per_class, millionths, part_of, share_of

STAGES = ("easy", "easy+medium", "all")


@dataclass(frozen=True)
class FixedOrder(Curriculum):
    """Takes images in one order all along; ties, and the random order, follow one shuffle of the seed."""

    config: OrderedConfig
    fixed: Floats  # (N,) difficulty; higher is harder
    shuffle: Ints  # (N,) a permutation drawn from the seed

    def begin(self) -> State:
        return {"progress": 0.0}

    def learn(self, state: State, feedback: Feedback) -> State:
        return {"progress": feedback.progress}

    def first(self, size: int, difficulty: Difficulty | None, rng: np.random.Generator) -> Ints:
        return self._ranked()[:size]

    def _ranked(self) -> Ints:
        """(N,) all the images in the order."""
        if self.config.order == "random":
            return self.shuffle
        sign = 1.0 if self.config.order == "easy_first" else -1.0
        return self.shuffle[np.argsort(sign * self.fixed[self.shuffle], kind="stable")]


@dataclass(frozen=True)
class Paced(FixedOrder):
    """A share of the images that grows with time by a pacing function (trainables/curricula/pacing.py).

    By class, a growing share may hold an image less of one class for an image more of another, as the remainders of the
    quotas fall; in every other case a larger share holds the smaller one.
    """

    config: PacedConfig

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        share = millionths(pace(self.config, state["progress"]))
        return Plan(images=self.first(part_of(len(self.labels), share), difficulty, rng), share=share / WHOLE)

    def first(self, size: int, difficulty: Difficulty | None, rng: np.random.Generator) -> Ints:
        if self.config.ranking == "image_per_class":
            return first_per_class(self._ranked(), self.labels, share_of(size, len(self.labels)))
        return super().first(size, difficulty, rng)


@dataclass(frozen=True)
class ManualDivision(FixedOrder):
    """Easy images, then easy and medium, then all (report, section 8). `fixed` holds the levels 0, 1 and 2.

    Departure: stages are parts of the training, not numbers of epochs, so a shorter training keeps their proportion.
    """

    config: ManualDivisionConfig

    def begin(self) -> State:
        return {"progress": 0.0, "trained_stage": 0}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        stage = self._stage(state["progress"])
        size = max(1, int(np.sum(self.fixed <= stage)))
        return Plan(self.first(size, difficulty, rng), size / len(self.labels), **self.terms(state))

    def terms(self, state: State) -> dict[str, Any]:
        stage = self._stage(state["progress"])
        return {
            "judged_on": tuple(range(stage + 1)),
            "stage": STAGES[stage],
            "rate_factor": (1.0, self.config.stage_rate_2, self.config.stage_rate_3)[stage],
            "fresh_optimizer": self.config.stage_optimizer == "fresh" and stage != state["trained_stage"],
        }

    def learn(self, state: State, feedback: Feedback) -> State:
        return {"progress": feedback.progress, "trained_stage": self._stage(state["progress"])}

    def _stage(self, progress: float) -> int:
        easy = self.config.easy_part
        ends = (easy, easy + (1 - easy) * self.config.medium_part)
        return sum(round(progress, DIGITS) >= round(end, DIGITS) for end in ends)
