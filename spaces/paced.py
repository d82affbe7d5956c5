"""Paced learning: a fixed order of difficulty, and a share that grows with the training done."""

from typing import Any, Literal, get_args

from optuna.distributions import CategoricalDistribution, FloatDistribution
from pydantic import Field, field_validator

from console.errors import UsageError
from spaces.ranges import RATES
from spaces.space import Anchor, Space
from spaces.trial import OrderedConfig, only_where

Pacing = Literal[
    "linear",
    "square_root",
    "quadratic",
    "exponential",
    "logarithmic",
    "step",
    "competence",
    "geometric",
    "stepped",
]


class PacedConfig(OrderedConfig):
    """A difficulty fixed beforehand and a pacing function of time (Hacohen and Weinshall 2019; Wu et al. 2021).

    The pacing functions and their sources are in trainables/curricula/pacing.py.
    """

    pacing: Pacing = Field("linear", description="how the share grows")
    share_start: float = Field(0.2, gt=0, le=1, description="share of the training set in the first epoch")
    full_at: float = Field(0.5, gt=0, le=1, description="part of the training after which every image is used")
    ranking: Literal["image", "image_per_class"] = Field(
        "image", description="what is ranked by difficulty: images, or images within each class"
    )
    growth: float = Field(
        1.9,
        gt=1,
        le=100,
        description="stepped: the share is multiplied by this at each step",
        json_schema_extra=only_where("pacing", "stepped"),
    )

    @field_validator("pacing", mode="before")
    @classmethod
    def _not_root(cls, given: Any) -> Any:
        """Version 0.1.0 recorded competence under a name that others give to another function."""
        if given == "root":
            raise UsageError(
                "The pacing function 'root' is called competence now (Platanios et al. 2019); pass pacing=competence for "
                "what it was, or square_root for b + (1 - b) sqrt(d) (Wu et al. 2021)."
            )
        return given


LINEAR = Anchor("linear", "from a fifth of the images to all of them at half time", {"learning_rate": 1e-4})

PACED = Space(
    strategy="paced",
    config=PacedConfig,
    search=RATES
    | {
        "pacing": CategoricalDistribution(get_args(Pacing)),
        "ranking": CategoricalDistribution(("image", "image_per_class")),
        "share_start": FloatDistribution(0.05, 0.8),
        "full_at": FloatDistribution(0.1, 1.0),
        "order": CategoricalDistribution(("easy_first", "hard_first", "random")),
    },
    anchors=(LINEAR,),
)
