"""InfoBatch: what is learnt already is shown less often, and counts for more where it is (Qin et al. 2024)."""

from optuna.distributions import FloatDistribution
from pydantic import Field

from spaces.ranges import FLIPS, RATES
from spaces.space import Anchor, Space
from spaces.trial import SelectingConfig


class InfoBatchConfig(SelectingConfig):
    """Images of low loss are dropped by chance; the rule is in trainables/curricula/infobatch.py."""

    drop: float = Field(0.5, ge=0, lt=1, description="chance that an image of less than the mean loss is left out")
    full_from: float = Field(0.875, ge=0, le=1, description="part of the training from which every image is used")


PAPER = Anchor(
    "paper",
    "half of the images of low loss left out, all of them used in the last eighth",
    {"drop": 0.5, "full_from": 0.875, "learning_rate": 1e-4, "rate": "cosine", "augment": "flips"},
)

INFOBATCH = Space(
    strategy="infobatch",
    config=InfoBatchConfig,
    search=RATES | FLIPS | {"drop": FloatDistribution(0.1, 0.9), "full_from": FloatDistribution(0.5, 1.0)},
    anchors=(PAPER,),
)
