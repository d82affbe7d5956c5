"""What the network is asked for each image: its one class, or every label that applies.

N = images of the data set, n = images of one call, C = classes. Everything that treats the two tasks differently is here.
"""

import torch
from torch.nn import functional


class SingleLabel:
    """One class per image: softmax and cross-entropy."""

    def __init__(self, labels: torch.Tensor):
        """labels (N,) int64, on the device that logits will be on."""
        self.labels = labels

    def loss(
        self, logits: torch.Tensor, index: torch.Tensor, smoothing: float = 0.0, reduction: str = "none"
    ) -> torch.Tensor:
        """Loss in nats of logits (n, C) of the images `index` (n,): (n,), or their mean ("mean")."""
        return functional.cross_entropy(logits, self.labels[index], label_smoothing=smoothing, reduction=reduction)

    def hits(self, logits: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """(n,) bool: whether the likeliest class is right."""
        return logits.argmax(dim=1) == self.labels[index]

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(dim=1)

    def mean_average_precision(self, logits: torch.Tensor, index: torch.Tensor) -> float | None:
        """Only asked of the multi-label task."""
        return None


class MultiLabel(SingleLabel):
    """Any number of labels per image: a sigmoid and binary cross-entropy for each class, on logits.

    A hit is an image whose likeliest class is among its labels, which is the accuracy of the report (section 3: "if it
    detected any of the image classes"). The labels of the base class stay each image's main class: KNN, class counts and
    stratified splits go by it.
    """

    def __init__(self, labels: torch.Tensor, targets: torch.Tensor):
        """targets (N, C) bool."""
        super().__init__(labels)
        self.targets = targets

    def loss(
        self, logits: torch.Tensor, index: torch.Tensor, smoothing: float = 0.0, reduction: str = "none"
    ) -> torch.Tensor:
        """The mean over classes of the binary cross-entropy; smoothing pulls each target towards a half."""
        wanted = self.targets[index].to(logits.dtype) * (1 - smoothing) + smoothing / 2
        each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=1)
        return each.mean() if reduction == "mean" else each

    def hits(self, logits: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return self.targets[index].gather(1, logits.argmax(dim=1, keepdim=True)).squeeze(1)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.sigmoid()

    def mean_average_precision(self, logits: torch.Tensor, index: torch.Tensor) -> float | None:
        """The mean over the classes that occur among these images of `average_precision`; None where none occurs."""
        wanted = self.targets[index]
        occurring = torch.nonzero(wanted.any(dim=0)).flatten().tolist()
        each = [average_precision(logits[:, label].double(), wanted[:, label]) for label in occurring]
        return sum(each) / len(each) if each else None


def average_precision(scores: torch.Tensor, relevant: torch.Tensor) -> float:
    """The sum over thresholds of (recall gained) x (precision there), without interpolation.

    Equal scores are one threshold. scores (n,), relevant (n,) bool with at least one True. The definition of
    scikit-learn's average_precision_score.
    """
    order = scores.argsort(descending=True, stable=True)
    ranked, right = scores[order], relevant[order].double().cumsum(0)
    last = torch.ones(len(ranked), dtype=torch.bool, device=ranked.device)  # of the images with its score
    last[:-1] = ranked[1:] != ranked[:-1]
    right, taken = right[last], torch.nonzero(last).flatten() + 1
    gained = right.diff(prepend=right.new_zeros(1))
    return float((gained * right / taken).sum() / right[-1])
