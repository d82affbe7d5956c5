"""RCAP: each class has a share by its loss, and within it images of high loss are likelier (Hassan et al. 2025).

C = classes, n_c = images of class c.
"""

from dataclasses import dataclass

import numpy as np

from spaces.rcap import RcapConfig
from trainables.curricula.base import Difficulty, Floats, Ints, Plan, State
from trainables.curricula.selecting import Remembering, known
from trainables.curricula.share import millionths, part_of


@dataclass(frozen=True)
class Rcap(Remembering):
    """Class c gets images in proportion to sqrt(L_c p_c), L_c its mean loss and p_c its part of the images.

    Within a class images are drawn without repeats, with chances that follow softmax(loss / temperature). Losses are cut
    off at log C, which is also that of an image that was never trained on. Departures: their released code takes for L_c
    the sum of the chances of what was drawn last, we the mean loss (the paper speaks of class-wise aggregated loss);
    shares are rounded to a sum that is exact, where theirs round each up.
    """

    config: RcapConfig

    def select(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        classes = np.unique(self.labels)
        top = np.log(max(2, len(classes)))
        losses = np.clip(np.nan_to_num(known(state), nan=top), 0, top)
        members = [np.flatnonzero(self.labels == label) for label in classes]
        means = np.array([losses[images].mean() for images in members])
        sizes = np.array([len(images) for images in members])
        counts = class_counts(means, sizes, part_of(len(losses), millionths(self.config.share)))
        drawn = [self._draw(images, losses, count, rng) for images, count in zip(members, counts, strict=True)]
        return self.some(np.concatenate(drawn))

    def _draw(self, images: Ints, losses: Floats, count: int, rng: np.random.Generator) -> Ints:
        chances = np.exp((losses[images] - losses[images].max()) / self.config.temperature)
        # a chance of zero could not be drawn even where the share asks for all images
        chances = np.maximum(chances, 1e-12)
        return rng.choice(images, count, replace=False, p=chances / chances.sum())


def class_counts(losses: Floats, sizes: Ints, total: int) -> Ints:
    """(C,) images of each class, `total` in all: by sqrt(loss times part), no class more than it has.

    What a class cannot give goes to the others in the same proportion; remainders to the largest, then the lower class.
    """
    wish = np.sqrt(np.maximum(losses, 1e-12) * sizes / sizes.sum())
    counts = np.zeros(len(sizes))
    open_ = np.ones(len(sizes), dtype=bool)
    while open_.any():
        counts[open_] = wish[open_] / wish[open_].sum() * (total - sizes[~open_].sum())
        over = open_ & (counts > sizes)
        if not over.any():
            break
        counts[over], open_ = sizes[over], open_ & ~over
    whole = np.floor(counts + 1e-9).astype(np.int64)
    rest = np.where(whole < sizes, counts - whole, -np.inf)
    whole[np.argsort(-rest, kind="stable")[: total - whole.sum()]] += 1
    return whole
