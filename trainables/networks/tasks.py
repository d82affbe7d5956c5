"""What the network is asked for each image: its one class, or every label that applies.

N = images of the data set, n = images of one call, C = classes. Everything that treats the two tasks differently is here.
"""

from dataclasses import replace

import torch
from torch.nn import functional

from trainables.data.dataset import Bools, Ints
from trainables.metrics import Judged


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

    def judged(self, logits: torch.Tensor, index: torch.Tensor) -> Judged:
        """What metrics are computed from: logits (n, C) of the images `index` (n,)."""
        return Judged(logits.double().cpu().numpy(), self.labels[index].cpu().numpy())


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

    def judged(self, logits: torch.Tensor, index: torch.Tensor) -> Judged:
        return replace(super().judged(logits, index), targets=self.targets[index].cpu().numpy())


def make_task(labels: Ints, targets: Bools | None, device: torch.device) -> SingleLabel:
    """The task of labels (N,), or of targets (N, C) beside them, on the device."""
    main = torch.from_numpy(labels).to(device)
    return SingleLabel(main) if targets is None else MultiLabel(main, torch.from_numpy(targets).to(device))
