"""SeTa: a window over groups of images that slides from easy to hard (Zhou et al. 2025)."""

from optuna.distributions import FloatDistribution, IntDistribution
from pydantic import Field

from spaces.ranges import FLIPS, RATES
from spaces.space import Anchor, Space
from spaces.trial import SelectingConfig


class SeTaConfig(SelectingConfig):
    """A random part, grouped by loss, and a sliding window; the rule is in trainables/curricula/seta.py."""

    drop: float = Field(0.1, ge=0, lt=1, description="share of the images left out at random in each epoch")
    groups: int = Field(10, ge=1, le=1000, description="groups that the images fall into by their loss")
    window: float = Field(0.5, gt=0, le=1, description="share of the groups that one epoch trains on")
    full_from: float = Field(0.875, ge=0, le=1, description="part of the training from which all groups are used")


COMMON = {"drop": 0.1, "full_from": 0.875, "learning_rate": 1e-4, "rate": "cosine", "augment": "flips"}
RELEASED = Anchor(
    "released",
    "ten groups and a window of half of them, as the released code has it; a tenth left out, all groups in the last eighth",
    {"groups": 10, "window": 0.5} | COMMON,
)
CIFAR = Anchor(
    "cifar", "five groups and a window of nine tenths of them, as on CIFAR-100", {"groups": 5, "window": 0.9} | COMMON
)

SETA = Space(
    strategy="seta",
    config=SeTaConfig,
    search=RATES
    | FLIPS
    | {
        "drop": FloatDistribution(0.0, 0.7),
        "groups": IntDistribution(3, 20),
        "window": FloatDistribution(0.2, 0.9),
        "full_from": FloatDistribution(0.5, 1.0),
    },
    anchors=(RELEASED, CIFAR),
)
