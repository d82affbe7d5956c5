"""Frozen transfer: only the head is trained (report, sections 4 and 7)."""

from optuna.distributions import IntDistribution

from spaces.ranges import RATES
from spaces.space import Anchor, Space
from spaces.trial import HeadConfig


class TransferConfig(HeadConfig):
    """Everything frozen but the head, or but the head and the last block (report, sections 4.1 and 7)."""


# As its authors ran it, this was with batchnorm "batch": frozen layers in train mode, whose statistics drift. No anchor and
# no search has that; --set batchnorm=batch asks for it.
FROZEN = Anchor(
    "frozen",
    "constant rate 1e-3: the rate the report's optimiser really had, on features that do not drift",
    {"learning_rate": 1e-3},
)
AS_DESCRIBED = Anchor(
    "as_described",
    "as the report's text has it: rate from 1e-3 falling at 85, 89 and 92 % train accuracy",
    {"learning_rate": 1e-3, "rate": "accuracy_steps", "rate_reading": "fall_back"}
    | {"rate_factor_1": 0.5, "rate_factor_2": 0.1, "rate_factor_3": 0.02},
)

TRANSFER = Space(
    strategy="transfer",
    config=TransferConfig,
    search=RATES | {"batch_size": IntDistribution(16, 256, log=True)},
    anchors=(FROZEN, AS_DESCRIBED),
)
