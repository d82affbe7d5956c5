"""What a trial needs beside its hyperparameters: data, network, protocol, seed and the hardware it was given."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from console.arguments import PATH
from spaces.arm import Arm

MOST_EPOCHS = 1_000_000
MOST_UPDATES = 10**9
MOST_MARKS = 1000
MOST_SECONDS = 1e8  # three years
KNOWN_WEIGHTS = ("imagenet", "textures", "none")
KNOWN_DIFFICULTIES = ("true", "head", "confusion", "reference")
# fields that run.json, ledgers and tables have known under another name from the start
RECORDED = {"max_updates": "updates"}


def _arm(given: Any) -> Any:
    """Runs of format 1 have arms as texts, and so have the tables of configs."""
    return Arm.read(given) if isinstance(given, str) else given


class Setting(BaseModel):
    """Everything that is the same for all trials of a run. Together with a config it says how to run a trial again."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    strategy: str
    arm: Annotated[Arm | None, BeforeValidator(_arm)] = Field(None, description="of a head-to-head: who competes")
    data: Annotated[str, PATH] = "scenes"
    data_root: Annotated[str | None, PATH] = None
    split: Annotated[str | None, PATH] = Field(
        None,
        description="CSV file with columns path,split, official:K of DTD, or folders: the data's own train/, val/ and "
        "test/; None: stratified by seed",
    )
    train_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="of each class's training images, those that there are; the others are not looked at",
    )
    task: Literal["single_label", "multi_label"] = Field(
        "single_label", description="one class per image, or every label that DTD's annotations give it"
    )
    skip_bad_images: bool = False
    image_size: int = Field(64, ge=8, le=1024)
    resize: Literal["squash", "crop", "pad"] = Field("squash", description="how a picture becomes a square")
    model: str = "resnet18"
    weights: Annotated[str, PATH] = Field("none", description="imagenet, textures, none, or the path of a state dict")
    difficulty: Annotated[str, PATH] = Field(
        "head",
        description="where it is needed beforehand: true, head, confusion, reference, a CSV or a division's folder",
    )
    protocol: Literal["holdout", "report"] = Field(
        "holdout", description="holdout: epochs judged on validation, test opened at the end; report: judged on test"
    )
    metric: str = Field("accuracy", description="what epochs, trials and arms are picked and compared by")
    lower_is_better: bool = Field(
        False,
        description="of the metric; recorded beside it, so that whoever reads a run need not know its declaration",
    )
    seed: int = Field(0, ge=0, lt=2**31)
    epochs: int = Field(12, ge=1, le=MOST_EPOCHS, description="at most")
    max_updates: int | None = Field(
        None, ge=1, le=MOST_UPDATES, description="the trial ends after this many; None: after its epochs"
    )
    max_seconds: float | None = Field(
        None,
        gt=0,
        le=MOST_SECONDS,
        description="the trial ends after so many charged seconds (training, scoring, what stood ready before)",
    )
    marks: int | None = Field(
        None,
        ge=1,
        le=MOST_MARKS,
        description="looks at even parts of max_updates or max_seconds; None: at every epoch's end",
    )
    sizes: tuple[int, ...] | None = Field(None, description="a twin's: images of each epoch of its partner")
    spared_seed: int | None = Field(
        None, description="images that a search of this seed judged its trials on are not tested on"
    )
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = Field(1, ge=1, description="CPU threads of one trial")
    precision: Literal["auto", "bf16", "fp16", "tf32", "fp32"] = "auto"
    accelerate: Literal["auto", "graph", "compile", "none"] = "auto"
    plugins: tuple[str, ...] = Field((), description="modules that declare what this setting names")
    data_digest: str | None = Field(None, description="what the data must hash to; None: not checked")

    @model_validator(mode="before")
    @classmethod
    def _from_recorded_names(cls, values: Any) -> Any:
        """Take a field under its own name or under the one that is recorded."""
        own = {recorded: name for name, recorded in RECORDED.items()}
        return {own.get(name, name): value for name, value in values.items()} if isinstance(values, dict) else values

    @field_validator("max_seconds")
    @classmethod
    def _one_budget(cls, given: float | None, info: ValidationInfo) -> float | None:
        """Two budgets would end at different marks."""
        if given is not None and info.data.get("max_updates") is not None:
            raise ValueError("cannot stand beside max_updates: a trial has one budget, of updates or of seconds")
        return given

    @field_validator("marks")
    @classmethod
    def _marks_of_a_budget(cls, given: int | None, info: ValidationInfo) -> int | None:
        """Marks are parts of something."""
        if given is not None and info.data.get("max_updates") is None and info.data.get("max_seconds") is None:
            raise ValueError("wants max_updates or max_seconds, of which marks are even parts")
        return given

    @model_serializer(mode="wrap")
    def _to_recorded_names(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is written today reads like what was written before: one name on disk, whatever the version."""
        return {RECORDED.get(name, name): value for name, value in dump(self).items()}

    @property
    def contestant(self) -> Arm:
        """Who the trial stands for: its arm, or in a search its strategy alone."""
        return self.arm or Arm(self.strategy)


def absolute_unless(path: str, words: tuple[str, ...]) -> str:
    """One of these words as it is, else the path made absolute: worker processes have other folders."""
    return path if path in words else str(Path(path).absolute())
