"""What every strategy lets you set: the optimiser, the batches and the learning-rate rule.

One field here is one hyperparameter everywhere: the command line, the ledger and the parquet columns follow from it.
Learning rates are a start and factors below one, gates a first gate and positive gaps, so that every draw is legal.
"""

from typing import Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from console.errors import UsageError

Extra = dict[str, JsonValue]  # what a field says of itself beside type, limits and default (json_schema_extra)


class Condition(NamedTuple):
    """A field with it has an effect only where the field `on` holds one of these values."""

    on: str
    values: tuple[str, ...]


def only_where(on: str, *values: str) -> Extra:
    """Says `Condition(on, values)` of a field."""
    return {"only_where": {"on": on, "values": list(values)}}


MUTABLE: Extra = {"mutable": True}  # of a field whose value may change while a trial runs
ACCURACY_STEPS = only_where("rate", "accuracy_steps")
EPOCH_STEPS = only_where("rate", "epoch_steps")
STEPS = only_where("rate", "accuracy_steps", "epoch_steps")
RANDAUGMENT = only_where("policy", "randaugment")
PARTLY_FROZEN = only_where("unfreeze", "head", "last_block")


class TrialConfig(BaseModel):
    """What is legal for any strategy; a strategy adds its own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    is_curriculum: ClassVar[bool] = False  # whether it chooses, weighs or shows images by a rule that is to be judged

    learning_rate: float = Field(
        1e-3, gt=0, le=10, description="learning rate of the first epoch", json_schema_extra=MUTABLE
    )
    rate: Literal["constant", "cosine", "epoch_steps", "accuracy_steps"] = Field(
        "constant", description="learning-rate rule"
    )
    rate_gate: float = Field(
        0.85,
        ge=0,
        le=1,
        description="accuracy_steps: train accuracy of the first fall",
        json_schema_extra=ACCURACY_STEPS,
    )
    rate_gap_2: float = Field(
        0.04,
        gt=0,
        le=1,
        description="accuracy_steps: from the first gate to the second",
        json_schema_extra=ACCURACY_STEPS,
    )
    rate_gap_3: float = Field(
        0.03,
        gt=0,
        le=1,
        description="accuracy_steps: from the second gate to the third",
        json_schema_extra=ACCURACY_STEPS,
    )
    rate_reading: Literal["never_rise", "fall_back"] = Field(
        "never_rise",
        description="accuracy_steps: whether a rate may rise again when accuracy drops (fall_back)",
        json_schema_extra=ACCURACY_STEPS,
    )
    rate_epochs_1: int = Field(
        50, ge=1, description="epoch_steps: epochs before the first fall", json_schema_extra=EPOCH_STEPS
    )
    rate_epochs_2: int = Field(
        20, ge=1, description="epoch_steps: epochs from the first fall to the second", json_schema_extra=EPOCH_STEPS
    )
    rate_epochs_3: int = Field(
        10, ge=1, description="epoch_steps: epochs from the second fall to the third", json_schema_extra=EPOCH_STEPS
    )
    rate_factor_1: float = Field(
        0.5,
        gt=0,
        le=1,
        description="steps: the rate is multiplied by this at the first fall",
        json_schema_extra=STEPS,
    )
    rate_factor_2: float = Field(
        0.1, gt=0, le=1, description="steps: and by this at the second", json_schema_extra=STEPS
    )
    rate_factor_3: float = Field(
        0.02, gt=0, le=1, description="steps: and by this at the third", json_schema_extra=STEPS
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="optimiser; sgd has Nesterov momentum 0.9")
    weight_decay: float = Field(0.0, ge=0, le=1, description="L2 penalty; decoupled under adamw")
    batch_size: int = Field(32, ge=2, le=4096, description="images per update")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all classes")
    augment: Literal["none", "flips"] = Field("none", description="flips: mirrored and upturned, each with chance 1/2")
    crop: float = Field(
        1.0, gt=0, le=1, description="random resized crop: the smallest part of the area that is kept; 1: none"
    )
    colour_jitter: float = Field(
        0.0, ge=0, le=1, description="brightness, contrast and saturation times a factor this far from 1 at most"
    )
    policy: Literal["none", "randaugment", "trivialaugment"] = Field(
        "none", description="operations on geometry and colour, drawn for each image"
    )
    randaugment_ops: int = Field(
        2, ge=1, le=6, description="randaugment: operations on each image", json_schema_extra=RANDAUGMENT
    )
    randaugment_magnitude: int = Field(
        9, ge=0, le=30, description="randaugment: how strong each operation is, of 30", json_schema_extra=RANDAUGMENT
    )
    random_erasing: float = Field(0.0, ge=0, le=1, description="chance that a rectangle of an image is made grey")
    mixup: float = Field(
        0.0, ge=0, le=10, description="alpha of the Beta distribution by which images and labels are blended; 0: none"
    )
    cutmix: float = Field(
        0.0, ge=0, le=10, description="alpha: a rectangle is taken from another image, with its share of the label"
    )
    class_weight: Literal["none", "balanced"] = Field(
        "none", description="balanced: an image counts in the loss by the inverse of how frequent its class is"
    )
    sampling: Literal["as_is", "balanced"] = Field(
        "as_is", description="balanced: images are repeated until each class comes as often as the largest one"
    )

    @property
    def augments(self) -> bool:
        """Whether an image may be shown otherwise than it is, or mixed with another."""
        words = (self.augment, self.policy)
        return (
            words != ("none", "none")
            or self.crop < 1
            or any((self.colour_jitter, self.random_erasing, self.mixup, self.cutmix))
        )

    # of the network: what of it is kept, and how fast its head learns
    blocks: int = Field(
        0, ge=0, le=200, description="of a vision transformer: blocks that are kept, from the first on; 0: all"
    )
    read_out: Literal["class_token", "mean"] = Field(
        "class_token",
        description="of a vision transformer: features are its class token, or the mean of its patch tokens",
    )
    head_rate: float = Field(
        1.0, gt=0, le=1000, description="the head's own learning rate is the rate times this; a new head may want more"
    )

    # at which resolution: any strategy may show its images smaller at first
    resolution_start: float = Field(
        1.0, gt=0, le=1, description="side of the images in the first epoch, as a part of their own; 1: always whole"
    )
    resolution_full_at: float = Field(
        0.75, gt=0, le=1, description="part of the training after which images are shown whole"
    )
    resolution_steps: int = Field(
        3, ge=1, le=100, description="steps in which the side grows to the whole, each by as much"
    )

    # what of it is trained
    batchnorm: Literal["frozen", "batch"] = Field(
        "frozen",
        description="frozen layers' BatchNorm: as pretrained, or (the report's way) by the batch and drifting",
        json_schema_extra=PARTLY_FROZEN,
    )
    unfreeze: Literal["all", "last_block", "head"] = Field("all", description="what is trained of the network")

    @property
    def on_features(self) -> bool:
        """Whether the head is trained on features that never change, so that computing them once will do."""
        frozen = self.unfreeze == "head" and self.batchnorm == "frozen"
        return frozen and not self.augments and self.resolution_start == 1

    @classmethod
    def condition(cls, name: str) -> Condition | None:
        """Where the field of this name has an effect; None: always."""
        said = _extra(cls, name).get("only_where")
        return Condition(said["on"], tuple(said["values"])) if said else None

    @classmethod
    def is_mutable(cls, name: str) -> bool:
        """Whether the field of this name may change while a trial runs."""
        return bool(_extra(cls, name).get("mutable"))


def check_task(config: TrialConfig, task: str) -> None:
    """Raises UsageError where the task leaves a field without meaning."""
    if task == "multi_label" and config.class_weight != "none":
        raise UsageError(
            f"class_weight={config.class_weight} weighs an image by its one class, where --task multi_label gives it "
            f"several; leave out one of the two."
        )


def fields_of_part(part: str) -> dict[str, str]:
    """What a config has where this part of the network is trained. A head sees features, and these never change:

    without flips they are computed once.
    """
    return {"unfreeze": part} | ({"augment": "none"} if part == "head" else {})


def orders(config: TrialConfig) -> tuple[str, ...]:
    """The orders that the strategy of this config can take images in; none where that means nothing."""
    info = type(config).model_fields.get("order")
    return get_args(info.annotation) if info else ()


def _extra(config: type[TrialConfig], name: str) -> dict[str, Any]:
    extra = config.model_fields[name].json_schema_extra
    return extra if isinstance(extra, dict) else {}


class HeadConfig(TrialConfig):
    """What is legal for a strategy that trains the head alone, or with the last block; everything else is frozen."""

    unfreeze: Literal["head", "last_block"] = Field("head", description="what is trained of the network")


class OrderedConfig(TrialConfig):
    """What is legal for a strategy that takes images by difficulty. Twins differ from it in `order` alone."""

    is_curriculum: ClassVar[bool] = True

    order: Literal["easy_first", "hard_first", "random"] = Field(
        "easy_first", description="which images come first; hard_first and random are the controls"
    )


class SelectingConfig(TrialConfig):
    """What is legal for a strategy that picks images by a rule of its own. Its twin picks as many at random."""

    is_curriculum: ClassVar[bool] = True

    order: Literal["by_rule", "random"] = Field("by_rule", description="how images are picked; random is the control")
