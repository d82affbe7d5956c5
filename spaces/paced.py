"""Paced learning: a fixed order of difficulty, and a share that grows with the training done."""

from typing import Literal

from optuna.distributions import CategoricalDistribution, FloatDistribution
from pydantic import Field

from spaces.ranges import RATES
from spaces.space import Anchor, Space
from spaces.trial import OrderedConfig


class PacedConfig(OrderedConfig):
    """A difficulty fixed beforehand and a pacing function of time (Hacohen and Weinshall 2019; Wu et al. 2021)."""

    pacing: Literal["linear", "root", "geometric", "step"] = Field("linear", description="how the share grows")
    share_start: float = Field(0.2, gt=0, le=1, description="share of the training set in the first epoch")
    full_at: float = Field(0.5, gt=0, le=1, description="part of the training after which every image is used")


LINEAR = Anchor("linear", "from a fifth of the images to all of them at half time", {"learning_rate": 1e-4})

PACED = Space(
    strategy="paced",
    config=PacedConfig,
    search=RATES
    | {
        "pacing": CategoricalDistribution(("linear", "root", "geometric", "step")),
        "share_start": FloatDistribution(0.05, 0.8),
        "full_at": FloatDistribution(0.1, 1.0),
        "order": CategoricalDistribution(("easy_first", "hard_first", "random")),
    },
    anchors=(LINEAR,),
)
