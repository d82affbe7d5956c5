"""The looks of one epoch: how often the network was judged, and what is kept of the best time."""

from dataclasses import dataclass

import torch

from records.epoch import ACCURACY, EpochRecord, Objective
from trainables.networks.outcomes import Evaluation

Weights = dict[str, torch.Tensor]


@dataclass
class Looks:
    """Those of one epoch so far. Its record shows the best; without any that counts, its end, for the curve alone."""

    objective: Objective = ACCURACY
    count: int = 0  # that count for selection
    evaluation: Evaluation | None = None  # the best one's: by the objective, then lower loss, then the earlier
    updates: int = 0  # of the trial, when it was taken

    def enter(self, evaluation: Evaluation, updates: int, counts: bool) -> bool:
        """Whether this one is the epoch's best so far."""
        self.count += counts
        standing = self.objective.standing
        best = self.evaluation is None or standing(evaluation) > standing(self.evaluation)
        if best:
            self.evaluation, self.updates = evaluation, updates
        return best


def outdoes(evaluation: Evaluation, best: EpochRecord | None, by: Objective) -> bool:
    """Whether it is better than the best epoch so far."""
    return best is None or by.standing(evaluation) > by.standing(best)


def copied(weights: Weights) -> Weights:
    """The weights as they are now: those of an engine change with its next update."""
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
