"""InfoBatch: images of low loss are dropped by chance, those of them that stay count for more (Qin et al. 2024)."""

from dataclasses import dataclass, replace

import numpy as np

from spaces.infobatch import InfoBatchConfig
from trainables.curricula.base import Difficulty, Plan, State
from trainables.curricula.selecting import Remembering, known


@dataclass(frozen=True)
class InfoBatch(Remembering):
    """Images whose last loss is below the mean are dropped with chance r; what is kept of them weighs 1 / (1 - r).

    So the expected gradient of an epoch is that of all images, in fewer updates. The last part of the training uses all.
    Departures: an image that was never trained on is not dropped, where theirs begin with a loss that is the same for
    all, which comes to the same; the part of the training is one of the budget, not of epochs.
    """

    config: InfoBatchConfig

    def select(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        losses, whole = known(state), self.some(np.arange(len(self.labels)))
        if state["progress"] >= self.config.full_from or np.isnan(losses).all():
            return whole
        low = np.flatnonzero(losses < np.nanmean(losses))
        kept = rng.choice(low, int((1 - self.config.drop) * len(low)), replace=False)
        images = np.sort(np.concatenate([np.setdiff1d(whole.images, low), kept]))
        weights = np.where(np.isin(images, kept), 1 / (1 - self.config.drop), 1.0)
        return replace(self.some(images), weights=weights, absolute=True)
