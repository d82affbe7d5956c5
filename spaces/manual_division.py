"""Manual division: easy, then easy and medium, then all (report, section 8)."""

from typing import Literal

from optuna.distributions import CategoricalDistribution, FloatDistribution
from pydantic import Field

from spaces.ranges import RATES
from spaces.space import Anchor, Space
from spaces.trial import OrderedConfig


class ManualDivisionConfig(OrderedConfig):
    """Three stages of growing difficulty from a division made beforehand (report, section 8)."""

    easy_part: float = Field(1 / 3, gt=0, lt=1, description="part of the training spent on easy images")
    medium_part: float = Field(0.8, gt=0, lt=1, description="part of what is left then, on easy and medium ones")
    stage_optimizer: Literal["fresh", "kept"] = Field("fresh", description="whether each stage starts a new optimiser")
    stage_rate_2: float = Field(1.0, gt=0, le=10, description="learning rate of the second stage, times the first's")
    stage_rate_3: float = Field(1.0, gt=0, le=10, description="learning rate of the third stage, times the first's")


AS_DESCRIBED = Anchor(
    "as_described",
    "50, 80 and 20 epochs of 150, or the same parts of fewer",
    {"learning_rate": 1e-3, "easy_part": 50 / 150, "medium_part": 80 / 100},
)
AS_RUN = Anchor(
    "as_run",
    "50, 80 and 100 epochs of 230, or the same parts of fewer; a new Adam at 1e-3 for each stage",
    {"learning_rate": 1e-3, "easy_part": 50 / 230, "medium_part": 80 / 180},
)

MANUAL_DIVISION = Space(
    strategy="manual_division",
    config=ManualDivisionConfig,
    search=RATES
    | {
        "easy_part": FloatDistribution(0.05, 0.5),
        "medium_part": FloatDistribution(0.1, 0.9),
        "stage_optimizer": CategoricalDistribution(("fresh", "kept")),
        "stage_rate_2": FloatDistribution(0.1, 2.0, log=True),
        "stage_rate_3": FloatDistribution(0.1, 2.0, log=True),
    },
    anchors=(AS_RUN, AS_DESCRIBED),
)
