"""Self-paced learning: what is legal, what is searched, and the two readings of the report."""

from typing import Literal

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field

from spaces.ranges import RATES
from spaces.space import Anchor, Space
from spaces.trial import MUTABLE, OrderedConfig


class SelfPacedConfig(OrderedConfig):
    """Train on the easiest share; the share grows when the train accuracy passes a gate (report, section 9.2)."""

    share_start: float = Field(0.1, gt=0, le=1, description="share of the training set in the first epoch")
    share_step: float = Field(
        0.05, gt=0, le=1, description="added to the share when it grows", json_schema_extra=MUTABLE
    )
    gate: float = Field(
        0.85, ge=0, le=1, description="train accuracy to pass, strictly above", json_schema_extra=MUTABLE
    )
    slow_from: float = Field(0.6, ge=0, le=1, description="share from which growing needs slow_epochs passes")
    slow_epochs: int = Field(2, ge=1, le=100, description="epochs that must pass the gate per step, from slow_from on")
    ranking: Literal["image", "image_per_class", "batch"] = Field(
        "image", description="what is ranked by loss: images, images within each class, or whole shuffled batches"
    )
    soft: Literal["hard", "linear", "logarithmic"] = Field(
        "hard", description="weight of a chosen image: 1 (hard), or falling with its loss (Jiang et al. 2014)"
    )
    score_mode: Literal["eval", "train"] = Field(
        "eval", description="BatchNorm while scoring; train moves its running statistics"
    )
    score_every: int = Field(1, ge=1, le=1000, description="epochs between two scorings; 1 is fresh every epoch")


AS_RUN = Anchor(
    "as_run",
    "as its authors ran it: batches ranked in train mode, constant rate 1e-4",
    {"learning_rate": 1e-4, "rate": "constant", "ranking": "batch", "score_mode": "train"},
)
AS_DESCRIBED = Anchor(
    "as_described",
    "as the report's text has it: images ranked, rate from 1e-3 falling at 85, 89 and 92 % train accuracy",
    {"learning_rate": 1e-3, "rate": "accuracy_steps", "rate_reading": "fall_back", "ranking": "image"}
    | {"rate_factor_1": 0.5, "rate_factor_2": 0.1, "rate_factor_3": 0.02},
)

SELF_PACED = Space(
    strategy="self_paced",
    config=SelfPacedConfig,
    search={
        "share_start": FloatDistribution(0.05, 0.6),
        "share_step": FloatDistribution(0.02, 0.3),
        "gate": FloatDistribution(0.5, 0.95),
        "slow_from": FloatDistribution(0.4, 1.0),
        "slow_epochs": IntDistribution(1, 3),
        "ranking": CategoricalDistribution(("image", "image_per_class", "batch")),
        "score_mode": CategoricalDistribution(("eval", "train")),
        "score_every": IntDistribution(1, 3),
        **RATES,
    },
    anchors=(AS_RUN, AS_DESCRIBED),
)
