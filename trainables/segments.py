"""What one epoch trains on, in which order, and how it is cut into segments at the ends of its batches.

K = images of the epoch, B = its updates.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainables.curricula.base import Floats, Ints
from trainables.curricula.batches import batches
from trainables.seeds import rng
from trainables.views import Views, showings


def shuffled(seed: int, epoch: int, images: Ints, total: int) -> tuple[Ints, Ints]:
    """`images` in the epoch's order, and where each of them stood in `images`.

    The order is one permutation of all N images, filtered: arms that share a seed meet their common images in the same
    order, and no curriculum trains from easy to hard within an epoch. What comes again has its place in a permutation of
    its own, so repeats are spread over the epoch and leave the first ones in their order.
    """
    generator, times = rng(seed, epoch, "order"), showings(images)
    places = np.argsort([generator.permutation(total) for _ in range(times.max(initial=0) + 1)], axis=1)
    positions = np.lexsort((times, places[times, images]))
    return images[positions], positions


@dataclass(frozen=True)
class Segment:
    """Consecutive batches of an epoch; fields as of Work."""

    images: Ints
    weights: Floats | None
    views: Views | None


@dataclass(frozen=True)
class Work:
    """One epoch's images in their order, with what goes with each."""

    images: Ints  # (K,) in the data set
    weights: Floats | None  # (K,) how much each counts, or (K, 2) its label and its partner's; None: all the same
    views: Views | None  # how each is shown; None: as it is
    batch_size: int

    @cached_property
    def edges(self) -> Ints:
        """(B + 1,) where the batches begin and end."""
        sizes = [len(batch) for batch in batches(self.images, self.batch_size)]
        return np.cumsum([0, *sizes], dtype=np.int64)

    @property
    def updates(self) -> int:
        return len(self.edges) - 1

    def segment(self, first: int, end: int) -> Segment:
        """The batches from `first` to before `end`, which the engine cuts as it would the whole.

        All batches are of one size but the last, and that one has more than one image, or the epoch has no other.
        """
        at = slice(self.edges[first], self.edges[end])
        return Segment(
            self.images[at],
            None if self.weights is None else self.weights[at],
            None if self.views is None else self.views[at],
        )
