"""A strategy from outside: a random part of the images that grows while training, whatever their difficulty.

Importing this module enters it into the registries; `--plugin growing` has every command do so, workers too.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from optuna.distributions import FloatDistribution
from pydantic import Field

from spaces.ranges import RATES
from spaces.registry import SPACES
from spaces.space import Anchor, Space
from spaces.trial import TrialConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Plan, State
from trainables.strategies import STRATEGIES, Strategy


class GrowingConfig(TrialConfig):
    """A random part of the images, growing in a straight line: what of a curriculum is its size alone."""

    is_curriculum: ClassVar[bool] = True  # a head-to-head plans to compare it with plain fine-tuning

    share_start: float = Field(0.2, gt=0, le=1, description="share of the training set in the first epoch")
    full_at: float = Field(0.5, gt=0, le=1, description="part of the training after which every image is used")


@dataclass(frozen=True)
class Growing(Curriculum):
    """State: `progress`, how much of the training is done. Methods are pure: same arguments, same answer."""

    config: GrowingConfig

    def begin(self) -> State:
        return {"progress": 0.0}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        start = self.config.share_start
        share = min(1.0, start + (1 - start) * state["progress"] / self.config.full_at)
        size = max(1, int(share * len(self.labels)))
        return Plan(rng.permutation(len(self.labels))[:size], share)

    def learn(self, state: State, feedback: Feedback) -> State:
        return {"progress": feedback.progress}


SPACES["growing"] = Space(
    strategy="growing",
    config=GrowingConfig,
    search=RATES | {"share_start": FloatDistribution(0.05, 0.5), "full_at": FloatDistribution(0.2, 1.0)},
    anchors=(
        Anchor("half", "a fifth of the images at first, all of them from the middle on", {"learning_rate": 1e-3}),
    ),
)
STRATEGIES["growing"] = Strategy(GrowingConfig, lambda facts, config: Growing(facts.labels, config))
