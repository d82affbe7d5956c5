"""RCAP: more images of the classes, and within them of the images, that are not learnt yet (Hassan et al. 2025)."""

from optuna.distributions import FloatDistribution
from pydantic import Field

from spaces.ranges import FLIPS, RATES
from spaces.space import Anchor, Space
from spaces.trial import SelectingConfig


class RcapConfig(SelectingConfig):
    """Class shares from class losses, and high losses first; the rule is in trainables/curricula/rcap.py."""

    share: float = Field(0.3, gt=0, le=1, description="share of the training set in each epoch")
    temperature: float = Field(
        1.0, gt=0, le=100, description="within a class chances follow softmax(loss / this); higher is more even"
    )


def _part(percent: int) -> Anchor:
    values = {"share": percent / 100, "temperature": 1.0, "learning_rate": 1e-4, "rate": "cosine", "augment": "flips"}
    return Anchor(f"paper_{percent}", f"{percent} % of the images an epoch, at temperature 1", values)


RCAP = Space(
    strategy="rcap",
    config=RcapConfig,
    search=RATES
    | FLIPS
    | {"share": FloatDistribution(0.05, 0.9), "temperature": FloatDistribution(0.1, 10.0, log=True)},
    anchors=(_part(30), _part(10)),
)
