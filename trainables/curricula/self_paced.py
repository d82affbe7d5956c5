"""Self-paced learning: the easiest share of the images by loss, a share that grows when a gate is passed.

Kumar, Packer and Koller 2010, with the pacing rule of the report (section 9.2). Departures from Kumar: the share is set
by train accuracy instead of an annealed loss threshold, so the number of images per epoch is known beforehand.
"""

from dataclasses import dataclass

import numpy as np

from spaces.self_paced import SelfPacedConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Floats, Ints, Plan, Scoring, State
from trainables.curricula.batches import batches
from trainables.curricula.share import WHOLE, first_per_class, millionths, part_of, share_of


@dataclass(frozen=True)
class SelfPaced(Curriculum):
    """State: `share` in millionths; `passes`, the epochs that passed the gate since the share last grew."""

    config: SelfPacedConfig

    def scoring(self, state: State) -> Scoring | None:
        return self.scoring_of(whole=state["share"] == WHOLE)

    def scoring_of(self, whole: bool) -> Scoring | None:
        """Nothing for a random order, nor once the share is whole, save in train mode: there scoring moves the network.

        A random order makes those passes at the same epochs, so that it differs from the others in the order alone: each
        refreshes BatchNorm's running statistics. It looks at no score, so it is not charged for them.
        """
        random = self.config.order == "random"
        if self.config.score_mode == "eval" and (random or whole):
            return None
        return Scoring(every=self.config.score_every, mode=self.config.score_mode, charged=not random)

    def begin(self) -> State:
        return {"share": millionths(self.config.share_start), "passes": 0}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        if state["share"] == WHOLE:
            return super().plan(state, difficulty, rng)
        ranked = self._ordered(difficulty, rng)
        images = self._take(self._size(state["share"], ranked), ranked)
        return Plan(images=images, share=state["share"] / WHOLE, weights=self._weights(images, ranked))

    def learn(self, state: State, feedback: Feedback) -> State:
        """Below `slow_from` each pass grows the share; from there on it takes `slow_epochs` passes, not in a row."""
        if not feedback.accuracy > self.config.gate:
            return state
        needed = self.config.slow_epochs if state["share"] >= millionths(self.config.slow_from) else 1
        if state["passes"] + 1 < needed:
            return {**state, "passes": state["passes"] + 1}
        return {"share": min(WHOLE, state["share"] + millionths(self.config.share_step)), "passes": 0}

    def first(self, size: int, difficulty: Difficulty | None, rng: np.random.Generator) -> Ints:
        return self._take(size, self._ordered(difficulty, rng))

    def _ordered(self, difficulty: Difficulty | None, rng: np.random.Generator) -> Difficulty:
        """The difficulty by which the lowest come first: the loss, its opposite, or random numbers of this epoch."""
        if self.config.order == "random":
            return Difficulty(rng.random(len(self.labels)), rng.permutation(len(self.labels)))
        assert difficulty is not None, "a share of the images is chosen by difficulty"
        sign = 1.0 if self.config.order == "easy_first" else -1.0
        return Difficulty(sign * difficulty.values, difficulty.order)

    def _size(self, share: int, ranked: Difficulty) -> int:
        """Images that a share is: of the images, or of the batches, of which one may be short."""
        if self.config.ranking != "batch":
            return part_of(len(self.labels), share)
        cut = ranked_batches(ranked, self.config.batch_size)
        return sum(len(batch) for batch in cut[: part_of(len(cut), share)])

    def _take(self, size: int, ranked: Difficulty) -> Ints:
        if self.config.ranking == "batch":
            return np.concatenate(ranked_batches(ranked, self.config.batch_size))[:size]
        order = np.argsort(ranked.values, kind="stable")
        if self.config.ranking == "image_per_class":
            return first_per_class(order, self.labels, share_of(size, len(self.labels)))
        return order[:size]

    def _weights(self, images: Ints, ranked: Difficulty) -> Floats | None:
        if self.config.soft == "hard" or self.config.order != "easy_first":
            return None
        left_out = np.delete(ranked.values, images)
        threshold = left_out.min(initial=np.inf)
        return soft_weights(ranked.values[images], max(threshold, ranked.values[images].max()), self.config.soft)


def ranked_batches(difficulty: Difficulty, batch_size: int) -> list[Ints]:
    """The batches as scored, the lowest mean first; the batch that was scored last may be a short one."""
    cut = batches(difficulty.order, batch_size)
    means = np.array([difficulty.values[batch].mean() for batch in cut])
    return [cut[i] for i in np.argsort(means, kind="stable")]


def soft_weights(losses: Floats, threshold: float, soft: str) -> Floats:
    """Weights in (0, 1] that fall with the loss (Jiang et al. 2014, equations 6 and 7); a zero threshold weighs alike.

    Departure: the logarithmic scheme wants a threshold below one, so losses are taken as parts of the threshold, times
    0.9. A floor keeps an image at the threshold in play, as the choice of images is already made.
    """
    if threshold <= 0:
        return np.ones(len(losses))
    part = losses / threshold
    weights = 1 - part if soft == "linear" else np.log(0.9 * part + 0.1) / np.log(0.1)
    return np.maximum(weights, 0.01)
