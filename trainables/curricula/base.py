"""What a curriculum is. numpy only: no torch, no Ray, no files, no clock.

N = training images, K = images seen in one epoch, C = classes. Images are numbered 0 to N - 1 within the training split.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
State = dict[str, Any]  # plain numbers and lists: survives JSON unchanged


@dataclass(frozen=True)
class Scoring:
    """The difficulty a curriculum needs: every `every` epochs, with BatchNorm in this mode."""

    every: int
    mode: Literal["eval", "train"]
    charged: bool = True  # False of a control's pass, made only so that BatchNorm is moved as its partner's is


@dataclass(frozen=True)
class Difficulty:
    """What the last scoring pass found; higher is harder."""

    values: Floats  # (N,) by image
    order: Ints  # (N,) the order in which the images went through the network, in batches


@dataclass(frozen=True)
class Plan:
    """One epoch: what is trained on. The loop shuffles; the order of `images` carries no meaning."""

    images: Ints  # (K,) of a curriculum without repeats; balancing may repeat some
    share: float  # of the training set that is offered, in [0, 1]
    weights: Floats | None = None  # (K,) how much each counts in the loss; None: all the same
    absolute: bool = False  # weights scale each loss as they stand; else by their part of the batch's sum of weights
    scale: float = 1.0  # side at which images are shown, as a part of their own, in (0, 1]
    judged_on: tuple[int, ...] | None = None  # levels of the division that the stage's own figures are taken on
    stage: str = ""
    rate_factor: float = 1.0  # of the stage; multiplies what the learning-rate rule says
    fresh_optimizer: bool = False  # the optimiser starts anew before this epoch


@dataclass(frozen=True)
class Feedback:
    """What one epoch showed."""

    accuracy: float  # running train accuracy over the images trained on, in [0, 1]
    progress: float = 0.0  # how much of the planned training is done, in [0, 1]
    images: Ints | None = None  # (K,) trained on, in the order of training
    losses: Floats | None = None  # (K,) of each when it was trained on, in nats; only where `wants_losses`


@dataclass(frozen=True)
class Curriculum:
    """Every image, every epoch: the interface, and the baseline with nothing overridden.

    Methods are pure: same arguments, same answer, nothing modified. `labels` (N,) are the classes of the training split.
    """

    labels: Ints

    @property
    def wants_losses(self) -> bool:
        """Whether `learn` looks at the loss of each image trained on: nothing is computed for it, but it is kept."""
        return False

    def scoring(self, state: State) -> Scoring | None:
        """What the loop must score before the next plan, and charge for unless it says otherwise; None: nothing."""
        return self.scoring_of(whole=True)

    def scoring_of(self, whole: bool) -> Scoring | None:
        """What must be scored for a plan of the whole training set, or of a part of it; None: nothing. Asked by twins."""
        return None

    def begin(self) -> State:
        return {}

    def terms(self, state: State) -> dict[str, Any]:
        """What a plan says beside images, share and weights: stage, rate factor, optimiser. A twin keeps them."""
        return {}

    def plan(self, state: State, difficulty: Difficulty | None, rng: np.random.Generator) -> Plan:
        return Plan(images=np.arange(len(self.labels)), share=1.0)

    def learn(self, state: State, feedback: Feedback) -> State:
        return state

    def first(self, size: int, difficulty: Difficulty | None, rng: np.random.Generator) -> Ints:
        """The `size` images that the curriculum's order takes first; what a twin of other sizes trains on."""
        raise NotImplementedError(f"{type(self).__name__} has no order of images, so it has no twin")
