"""SuperLoss: each image counts by a confidence that falls with its loss, in closed form (Castells et al. 2020)."""

from dataclasses import dataclass, replace

import numpy as np

from spaces.superloss import SuperLossConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Floats, Plan, State
from trainables.curricula.selecting import known

ITERATIONS = 20  # of Halley's method at most; five are enough nearly everywhere


@dataclass(frozen=True)
class SuperLoss(Curriculum):
    """Every image, every epoch, with weight exp(-W(max(-2/e, (loss - threshold) / regularisation) / 2)).

    That is the factor of its gradient: above one where the loss is under the threshold, below one over it. The
    threshold is log C, or a running mean of the losses. Departure: the loss of an image is that of the epoch before,
    where theirs is the present one, so that the weights are known before the epoch begins; in the first all weigh alike.

    State: `losses` as of Remembering, and `mean`, the running mean; None before the first epoch.
    """

    config: SuperLossConfig

    @property
    def wants_losses(self) -> bool:
        return True

    def begin(self) -> State:
        return {"losses": [None] * len(self.labels), "mean": None}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        plan = super().plan(state, difficulty, rng)
        if state["mean"] is None:
            return plan
        classes = max(2, len(np.unique(self.labels)))
        threshold = state["mean"] if self.config.threshold == "mean" else np.log(classes)
        losses = np.nan_to_num(known(state), nan=threshold)
        return replace(plan, weights=confidence(losses, threshold, self.config.regularisation), absolute=True)

    def learn(self, state: State, feedback: Feedback) -> State:
        if feedback.losses is None:
            return state
        assert feedback.images is not None
        losses = known(state)
        losses[feedback.images] = feedback.losses
        mean, now = state["mean"], float(feedback.losses.mean())
        if mean is not None:
            now = self.config.smoothing * mean + (1 - self.config.smoothing) * now
        return {"losses": [None if np.isnan(loss) else loss for loss in losses.tolist()], "mean": now}


def confidence(losses: Floats, threshold: float, regularisation: float) -> Floats:
    """(n,) the weights in (0, e] of these losses, of which one at the threshold weighs 1."""
    return np.exp(-lambert_w(np.maximum(-2 / np.e, (losses - threshold) / regularisation) / 2))


def lambert_w(x: Floats) -> Floats:
    """The w of w exp(w) = x, for x from -1/e on, on the branch from -1 on; by Halley's method."""
    to_branch = np.sqrt(np.maximum(0.0, 2 * (np.e * x + 1)))
    w = np.where(x < 0, -1 + to_branch - to_branch**2 / 3, np.log1p(np.maximum(x, 0.0)))
    for _ in range(ITERATIONS):
        power = np.exp(w)
        off = w * power - x
        slope = power * (w + 1) - (w + 2) * off / (2 * w + 2 + 1e-300)
        at_branch = np.abs(w + 1) < 1e-6  # where the slope vanishes, and w is right already
        step = np.where(at_branch, 0.0, off / np.where(at_branch, 1.0, slope))
        w = w - step
        if np.max(np.abs(step), initial=0.0) < 1e-13:
            break
    return w
