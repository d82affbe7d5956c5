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
from trainables.curricula.share import WHOLE, millionths, part_of

STAGES = ("easy", "easy+medium", "all")
DIGITS = 9  # in which a part of the training is compared: 50/230 of 230 epochs is 50 epochs


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
        if self.config.order == "random":
            return self.shuffle[:size]
        sign = 1.0 if self.config.order == "easy_first" else -1.0
        return self.shuffle[np.argsort(sign * self.fixed[self.shuffle], kind="stable")][:size]


@dataclass(frozen=True)
class Paced(FixedOrder):
    """A share of the images that grows with time by a pacing function (Wu et al. 2021, table 1, here on [0, full_at])."""

    config: PacedConfig

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        share = millionths(pace(self.config, state["progress"]))
        return Plan(images=self.first(part_of(len(self.labels), share), difficulty, rng), share=share / WHOLE)


def pace(config: PacedConfig, progress: float) -> float:
    """The share at this progress: `share_start` at 0, 1 from `full_at` on."""
    start, done = config.share_start, min(1.0, round(progress / config.full_at, DIGITS))
    if config.pacing == "linear":
        return start + (1 - start) * done
    if config.pacing == "root":
        return float(np.sqrt(start**2 + (1 - start**2) * done))
    if config.pacing == "geometric":
        return float(start ** (1 - done))
    return 1.0 if done == 1.0 else start


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
