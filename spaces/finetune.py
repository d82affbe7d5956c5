"""Fine-tuning and training from scratch: every image, every epoch, all layers."""

from optuna.distributions import CategoricalDistribution, FloatDistribution

from spaces.ranges import FLIPS, RATES
from spaces.space import Anchor, Space
from spaces.trial import TrialConfig


class FinetuneConfig(TrialConfig):
    """All layers from pretrained weights, no curriculum: the baseline that the report lacks."""


class ScratchConfig(TrialConfig):
    """All layers from random weights, no curriculum (report, section 4.2)."""


PLAIN = Anchor("plain", "constant rate 1e-4, no augmentation: as_run without its curriculum", {"learning_rate": 1e-4})
COSINE = Anchor(
    "cosine",
    "cosine rate from 1e-4 and flips: what one would try first",
    {"learning_rate": 1e-4, "rate": "cosine", "augment": "flips"},
)
REPORT_PARTS = Anchor(
    "report_parts",
    "Adam from 1e-3, falling tenfold after 50, 70 and 80 epochs of 90; the report names its parts and not its rates",
    {"learning_rate": 1e-3, "rate": "epoch_steps", "augment": "flips"}
    | {"rate_factor_1": 0.1, "rate_factor_2": 0.1, "rate_factor_3": 0.1},
)

FINETUNE = Space(
    strategy="finetune",
    config=FinetuneConfig,
    search=RATES | FLIPS,
    anchors=(PLAIN, COSINE),
)

SCRATCH = Space(
    strategy="scratch",
    config=ScratchConfig,
    search=RATES
    | FLIPS
    | {
        "optimizer": CategoricalDistribution(("adam", "adamw", "sgd")),
        "label_smoothing": FloatDistribution(0.0, 0.2),
        "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
    },
    anchors=(REPORT_PARTS,),
)
