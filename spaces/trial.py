"""What every strategy lets you set: the optimiser, the batches and the learning-rate rule.

One field here is one hyperparameter everywhere: the command line, the ledger and the parquet columns follow from it.
Learning rates are a start and factors below one, gates a first gate and positive gaps, so that every draw is legal.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MUTABLE: dict[str, JsonValue] = {"mutable": True}  # of a field whose value may change while a trial runs


class TrialConfig(BaseModel):
    """What is legal for any strategy; a strategy adds its own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    learning_rate: float = Field(
        1e-3, gt=0, le=10, description="learning rate of the first epoch", json_schema_extra=MUTABLE
    )
    rate: Literal["constant", "cosine", "epoch_steps", "accuracy_steps"] = Field(
        "constant", description="learning-rate rule"
    )
    rate_gate: float = Field(0.85, ge=0, le=1, description="accuracy_steps: train accuracy of the first fall")
    rate_gap_2: float = Field(0.04, gt=0, le=1, description="accuracy_steps: from the first gate to the second")
    rate_gap_3: float = Field(0.03, gt=0, le=1, description="accuracy_steps: from the second gate to the third")
    rate_reading: Literal["never_rise", "fall_back"] = Field(
        "never_rise", description="accuracy_steps: whether a rate may rise again when accuracy drops (fall_back)"
    )
    rate_epochs_1: int = Field(50, ge=1, description="epoch_steps: epochs before the first fall")
    rate_epochs_2: int = Field(20, ge=1, description="epoch_steps: epochs from the first fall to the second")
    rate_epochs_3: int = Field(10, ge=1, description="epoch_steps: epochs from the second fall to the third")
    rate_factor_1: float = Field(0.5, gt=0, le=1, description="steps: the rate is multiplied by this at the first fall")
    rate_factor_2: float = Field(0.1, gt=0, le=1, description="steps: and by this at the second")
    rate_factor_3: float = Field(0.02, gt=0, le=1, description="steps: and by this at the third")
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="optimiser; sgd has Nesterov momentum 0.9")
    weight_decay: float = Field(0.0, ge=0, le=1, description="L2 penalty; decoupled under adamw")
    batch_size: int = Field(32, ge=2, le=4096, description="images per update")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all classes")
    augment: Literal["none", "flips"] = Field("none", description="flips: mirrored and upturned, each with chance 1/2")


class OrderedConfig(TrialConfig):
    """What is legal for a strategy that takes images by difficulty. Twins differ from it in `order` alone."""

    order: Literal["easy_first", "hard_first", "random"] = Field(
        "easy_first", description="which images come first; hard_first and random are the controls"
    )
