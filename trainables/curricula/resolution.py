"""Images shown smaller at first: a schedule of the side around any curriculum, which says nothing of which images.

Progressive resizing; EfficientTrain (Wang et al. 2023) is the same on the low frequencies of an image, which
is what is left of it at a smaller side.
"""

from dataclasses import dataclass, replace

import numpy as np

from spaces.trial import TrialConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Ints, Plan, Scoring, State
from trainables.curricula.pacing import DIGITS


@dataclass(frozen=True)
class Resolution(Curriculum):
    """State: `progress`, how much of the planned training is done, in [0, 1]; `inner`, the state of what it is around."""

    config: TrialConfig
    inner: Curriculum

    @property
    def wants_losses(self) -> bool:
        return self.inner.wants_losses

    def scoring(self, state: State) -> Scoring | None:
        return self.inner.scoring(state["inner"])

    def begin(self) -> State:
        return {"progress": 0.0, "inner": self.inner.begin()}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        plan = self.inner.plan(state["inner"], difficulty, rng)
        return replace(plan, scale=scale(self.config, state["progress"]))

    def learn(self, state: State, feedback: Feedback) -> State:
        return {"progress": feedback.progress, "inner": self.inner.learn(state["inner"], feedback)}

    def first(self, size: int, difficulty: Difficulty | None, rng: np.random.Generator) -> Ints:
        return self.inner.first(size, difficulty, rng)


def scale(config: TrialConfig, progress: float) -> float:
    """The side at this progress in [0, 1], as a part of the whole: `resolution_start` at 0, 1 from `resolution_full_at` on.

    It grows by as much at each of `resolution_steps` equal intervals.
    """
    done = min(1.0, progress / config.resolution_full_at)
    steps = int(round(done * config.resolution_steps, DIGITS))
    return config.resolution_start + (1 - config.resolution_start) * steps / config.resolution_steps
