"""A random part of the images in every epoch: a strategy, and the control of all that choose."""

from optuna.distributions import FloatDistribution
from pydantic import Field

from spaces.ranges import FLIPS, RATES
from spaces.space import Anchor, Space
from spaces.trial import TrialConfig


class RandomSubsetConfig(TrialConfig):
    """Another random part in every epoch, without repeats until all were seen (RS2, Okanovic et al. 2024)."""

    share: float = Field(0.3, gt=0, le=1, description="share of the training set in each epoch")


def _part(percent: int) -> Anchor:
    values = {"share": percent / 100, "learning_rate": 1e-4, "rate": "cosine", "augment": "flips"}
    return Anchor(f"rs2_{percent}", f"{percent} % of the images an epoch, one of the paper's shares", values)


RANDOM_SUBSET = Space(
    strategy="random_subset",
    config=RandomSubsetConfig,
    search=RATES | FLIPS | {"share": FloatDistribution(0.05, 0.9)},
    anchors=(_part(30), _part(10)),
)
