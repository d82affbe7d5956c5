"""SuperLoss: what is hard counts for less, by how hard it is (Castells et al. 2020)."""

from typing import ClassVar, Literal

from optuna.distributions import CategoricalDistribution, FloatDistribution
from pydantic import Field

from spaces.ranges import FLIPS, RATES
from spaces.space import Anchor, Space
from spaces.trial import TrialConfig


class SuperLossConfig(TrialConfig):
    """Every image weighed by its loss; the formula is in trainables/curricula/superloss.py."""

    is_curriculum: ClassVar[bool] = True

    regularisation: float = Field(
        1.0, gt=0, le=100, description="how far weights stay from 1; higher is nearer (the paper's lambda)"
    )
    threshold: Literal["mean", "log_classes"] = Field(
        "mean", description="loss that weighs 1: a running mean, or that of a guess, log C"
    )
    smoothing: float = Field(0.9, ge=0, lt=1, description="mean: what is kept of it from one epoch to the next")


def _anchor(name: str, regularisation: float) -> Anchor:
    values = {"regularisation": regularisation, "threshold": "log_classes"}
    return Anchor(
        name,
        f"regularisation {regularisation:g} and the threshold of a guess, as on that data set",
        values | {"learning_rate": 1e-4, "rate": "cosine", "augment": "flips"},
    )


SUPERLOSS = Space(
    strategy="superloss",
    config=SuperLossConfig,
    search=RATES
    | FLIPS
    | {
        "regularisation": FloatDistribution(0.1, 10.0, log=True),
        "threshold": CategoricalDistribution(("mean", "log_classes")),
    },
    anchors=(_anchor("cifar10", 1.0), _anchor("cifar100", 0.25)),
)
