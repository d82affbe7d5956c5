"""What training and evaluating a network gives. K = images of one epoch, n = images evaluated, C = classes."""

from dataclasses import dataclass

import numpy as np

from records.epoch import OWN
from trainables.data.dataset import Bools, Floats, Floats32, Ints


@dataclass(frozen=True)
class Trained:
    """What training on some images showed; of several segments of an epoch, their sum."""

    summed_loss: float  # over images, in nats
    hits: int
    images: int
    updates: int
    losses: Floats | None = None  # (K,) of each image as it was trained on, unweighted; None where nobody wants them
    seconds: float | None = None  # its part of the seconds where others were trained along with it

    def __add__(self, other: "Trained") -> "Trained":
        kept = self.losses is not None and other.losses is not None
        return Trained(
            self.summed_loss + other.summed_loss,
            self.hits + other.hits,
            self.images + other.images,
            self.updates + other.updates,
            np.concatenate([self.losses, other.losses]) if kept else None,
            None if self.seconds is None or other.seconds is None else self.seconds + other.seconds,
        )

    @property
    def loss(self) -> float:
        """Mean over images."""
        return self.summed_loss / self.images

    @property
    def accuracy(self) -> float:
        """Running, in [0, 1]."""
        return self.hits / self.images


@dataclass(frozen=True)
class Evaluation:
    loss: float
    accuracy: float
    knn: float
    true: Ints  # (n,); of several labels, the main one
    predicted: Ints  # (n,), the likeliest class
    probabilities: Floats32  # (n, C)
    losses: Floats  # (n,), of each image, in nats
    correct: Bools  # (n,)
    metrics: dict[str, float | None]  # every further one, by name
    targets: Bools | None = None  # (n, C) every label that applies, of the multi-label task only

    def figure(self, name: str) -> float | None:
        """By the metric's name."""
        value: float | None = getattr(self, name) if name in OWN else self.metrics.get(name)
        return value
