"""Self-paced learning: the easiest share of the images by loss, a share that grows when a gate is passed.

Kumar, Packer and Koller 2010, with the pacing rule of the report (section 9.2). Departures from Kumar: the share is set by
train accuracy instead of an annealed loss threshold, so the number of images per epoch is known beforehand.
"""

from dataclasses import dataclass

import numpy as np

from spaces.self_paced import SelfPacedConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Ints, Plan, Scoring, State
from trainables.curricula.share import WHOLE, class_quotas, millionths, part_of


@dataclass(frozen=True)
class SelfPaced(Curriculum):
    """State: `share` in millionths; `passes`, the epochs that passed the gate since the share last grew."""

    config: SelfPacedConfig

    def scoring(self, state: State) -> Scoring | None:
        """Nothing once the share is whole, except in train mode, where scoring itself changes the network."""
        if state["share"] == WHOLE and self.config.score_mode == "eval":
            return None
        return Scoring(every=self.config.score_every, mode=self.config.score_mode)

    def begin(self) -> State:
        return {"share": millionths(self.config.share_start), "passes": 0}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        if state["share"] == WHOLE:
            return super().plan(state, difficulty, rng)
        assert difficulty is not None, "a share of the images is chosen by difficulty"
        return Plan(images=self._easiest(difficulty, state["share"]), share=state["share"] / WHOLE)

    def learn(self, state: State, feedback: Feedback) -> State:
        """Below `slow_from` each pass grows the share; from there on it takes `slow_epochs` passes, not in a row."""
        if not feedback.accuracy > self.config.gate:
            return state
        needed = self.config.slow_epochs if state["share"] >= millionths(self.config.slow_from) else 1
        if state["passes"] + 1 < needed:
            return {**state, "passes": state["passes"] + 1}
        return {"share": min(WHOLE, state["share"] + millionths(self.config.share_step)), "passes": 0}

    def _easiest(self, difficulty: Difficulty, share: int) -> Ints:
        if self.config.ranking == "batch":
            return easiest_batches(difficulty, share, self.config.batch_size)
        if self.config.ranking == "image_per_class":
            return easiest_per_class(difficulty.values, self.labels, share)
        return np.argsort(difficulty.values, kind="stable")[: part_of(len(self.labels), share)]


def easiest_per_class(values: np.ndarray, labels: Ints, share: int) -> Ints:
    """The easiest images of each class, in the classes' own proportions."""
    quotas = class_quotas(labels, share)
    ranked = np.argsort(values, kind="stable")
    return np.concatenate([ranked[labels[ranked] == label][:quota] for label, quota in enumerate(quotas)])


def easiest_batches(difficulty: Difficulty, share: int, batch_size: int) -> Ints:
    """The images of the batches with the lowest mean loss, as scored; the last batch may be a short one (trap 1)."""
    starts = range(0, len(difficulty.order), batch_size)
    batches = [difficulty.order[start : start + batch_size] for start in starts]
    means = np.array([difficulty.values[batch].mean() for batch in batches])
    easiest = np.argsort(means, kind="stable")[: part_of(len(batches), share)]
    return np.concatenate([batches[i] for i in easiest])
