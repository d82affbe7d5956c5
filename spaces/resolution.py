"""Images shown smaller at first, all of them: the schedule alone. Any other strategy may have it as well (--set)."""

from typing import ClassVar

from optuna.distributions import FloatDistribution, IntDistribution
from pydantic import Field

from spaces.ranges import FLIPS, RATES
from spaces.space import Anchor, Space
from spaces.trial import TrialConfig


class ResolutionConfig(TrialConfig):
    """The side of the images grows while training (Wang et al. 2023).

    The schedule is in trainables/curricula/resolution.py.
    """

    is_curriculum: ClassVar[bool] = True

    resolution_start: float = Field(
        0.375, gt=0, le=1, description="side of the images in the first epoch, as a part of their own; 1: always whole"
    )


QUICK = Anchor(
    "quick",
    "from 3/8 of the side to the whole in three steps, whole for the last quarter",
    {"resolution_start": 0.375, "learning_rate": 1e-4, "rate": "cosine", "augment": "flips"},
)
EFFICIENT_TRAIN = Anchor(
    "efficient_train",
    "160/224 of the side, 192/224, and the whole from 80 % on: EfficientTrain's, in steps of equal length",
    {"resolution_start": 160 / 224, "resolution_steps": 2, "resolution_full_at": 0.8}
    | {"learning_rate": 1e-4, "rate": "cosine", "augment": "flips"},
)

RESOLUTION_SCHEDULE = {
    "resolution_start": FloatDistribution(0.25, 1.0),
    "resolution_full_at": FloatDistribution(0.2, 1.0),
    "resolution_steps": IntDistribution(1, 6),
}

RESOLUTION = Space(
    strategy="resolution",
    config=ResolutionConfig,
    search=RATES | FLIPS | RESOLUTION_SCHEDULE,
    anchors=(QUICK, EFFICIENT_TRAIN),
)
