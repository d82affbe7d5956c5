"""Frozen transfer: only the head is trained (report, sections 4 and 7)."""

from typing import Literal

from optuna.distributions import IntDistribution
from pydantic import Field

from spaces.ranges import RATES
from spaces.space import Anchor, Space
from spaces.trial import TrialConfig


class TransferConfig(TrialConfig):
    """Everything frozen but the head, or but the head and the last block (report, sections 4.1 and 7)."""

    batchnorm: Literal["frozen", "batch"] = Field(
        "frozen", description="frozen layers' BatchNorm: as pretrained, or (the report's way) by the batch and drifting"
    )
    unfreeze: Literal["head", "last_block"] = Field("head", description="what is trained")


AS_RUN = Anchor(
    "frozen",
    "constant rate 1e-3: the rate the report's optimiser really had, on features that do not drift",
    {"learning_rate": 1e-3},
)
DRIFTING = Anchor(
    "as_run",
    "as its authors ran it: constant rate 1e-3, frozen layers in train mode",
    {"learning_rate": 1e-3, "batchnorm": "batch"},
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
    anchors=(AS_RUN, AS_DESCRIBED),
)
