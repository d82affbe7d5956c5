"""RHO-LOSS: images whose loss is high and need not be (Mindermann et al. 2022)."""

from optuna.distributions import FloatDistribution, IntDistribution
from pydantic import Field

from spaces.ranges import FLIPS, RATES
from spaces.space import Anchor, Space
from spaces.trial import SelectingConfig


class RhoLossConfig(SelectingConfig):
    """The largest reducible losses of each large batch; the rule is in trainables/curricula/rho_loss.py."""

    share: float = Field(0.1, gt=0, le=1, description="share of a large batch that is trained on")
    score_every: int = Field(1, ge=1, le=1000, description="epochs between two scorings; 1 is fresh every epoch")


PAPER = Anchor(
    "paper",
    "a tenth of every large batch: 32 of 320 images",
    {"share": 0.1, "batch_size": 32, "learning_rate": 1e-4, "rate": "cosine", "augment": "flips"},
)

RHO_LOSS = Space(
    strategy="rho_loss",
    config=RhoLossConfig,
    search=RATES | FLIPS | {"share": FloatDistribution(0.05, 0.9), "score_every": IntDistribution(1, 3)},
    anchors=(PAPER,),
)
