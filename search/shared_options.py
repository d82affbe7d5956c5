"""What may be asked of any run, each flag once: name, type, default, limits and help, in the class of its group.

A command offers the groups that it uses. pydantic has the fields of the class that is named last first.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from console.arguments import HERE, PATH
from console.fields import OneOf
from search.tracking.trackers import TRACKERS
from spaces.setting import MOST_EPOCHS
from trainables.metrics import OBJECTIVES

MOST_TRIALS = 100_000


def only_with(name: str, *values: str) -> Any:
    """Says of a flag that it has an effect beside another one alone: beside these values of it, or any but its default."""
    return {"only_with": [name, *values]}


class Options(BaseModel):
    """None means: chosen from the rest, and written into run.json as chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    groups: ClassVar = (
        "data",
        "network",
        "training",
        "search",
        "comparison",
        "verdict",
        "machine",
        "output",
    )  # of --help
    group: ClassVar[str] = ""  # that the fields of the class stand in


class ImageOptions(Options):
    """Which images, and how large."""

    group = "data"

    data: Annotated[str, PATH] = Field(
        "scenes",
        description="scenes, textures (drawn here), rsscn7, dtd, torchvision:NAME, an .npz file of images and labels, or "
        "a folder of class folders (in train/, val/ and test/ or not)",
    )
    data_root: Annotated[str | None, HERE] = Field(
        None, description="folder that holds rsscn7, dtd or a set of torchvision's"
    )
    task: Literal["single_label", "multi_label"] = Field(
        "single_label", description="multi_label: every label in dtd's annotations, binary cross-entropy"
    )
    skip_bad_images: bool = Field(False, description="leave out files that are no readable images")
    image_size: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="pixels a side (64 for drawn data, else 256; the network's own where it takes none such)",
    )
    resize: Literal["squash", "crop", "pad"] = Field(
        "squash", description="how a picture becomes a square: squash, crop to its middle, or pad with grey"
    )


class SplitOptions(Options):
    """Which of them are trained on."""

    group = "data"

    split: Annotated[str | None, PATH] = Field(
        None,
        description="CSV with columns path,split; official[:1 to 10] for dtd; folders: the data's own train/, val/ and "
        "test/; seed: stratified by --seed (folders where there are such, else seed)",
    )
    train_share: float = Field(
        1.0, gt=0, le=1, description="train on this share of each class's training images, as if there were no others"
    )
    verify: bool = Field(False, description="read the whole image cache first; a damaged one is built anew")


class NetworkOptions(Options):
    """Which network."""

    group = "network"

    model: str | None = Field(
        None,
        description="small_cnn, vit_tiny, vit_s_14, a classifier of torchvision by its name, or timm:NAME (small_cnn for "
        "drawn data, else resnet18)",
    )
    weights: Annotated[str | None, PATH] = Field(
        None,
        description="imagenet (the network's own), textures, none or a state-dict file (imagenet; for drawn data none or "
        "textures)",
    )


class PartOptions(Options):
    """What of it is trained."""

    group = "network"

    train: Literal["all", "last_block", "head"] | None = Field(
        None,
        description="what is trained of the network, by any strategy (all; of transfer the head); head: on features that "
        "are computed once, unless --set augment=flips",
    )


class ScoringOptions(Options):
    """How hard an image is, and chance."""

    group = "training"

    difficulty: Annotated[str | None, PATH] = Field(
        None,
        description="of paced and manual_division: true, head, confusion, reference, a CSV path,difficulty, or a folder "
        "with easy/, medium/ and hard/ (true for drawn data, else head)",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of split, initialisation, order and draws")


class TrainingOptions(Options):
    """How long is trained, and what for."""

    group = "training"

    epochs: int = Field(12, ge=1, le=MOST_EPOCHS, description="epochs of a trial that is not stopped early")
    protocol: Literal["holdout", "report"] = Field(
        "holdout", description="holdout: judged on validation, test opened at the end; report: judged on test"
    )
    metric: Annotated[str, OneOf(OBJECTIVES)] = Field(
        "accuracy", description="what epochs, trials and arms are picked and compared by; map of multi_label alone"
    )


class MachineOptions(Options):
    """What a training may take of a machine."""

    group = "machine"

    gpus_per_trial: float | None = Field(None, ge=0, description="GPUs of one trial (1 where there is one)")
    cpus_per_trial: int | None = Field(None, ge=1, description="CPU threads of one trial (all, shared by --concurrent)")
    precision: Literal["auto", "bf16", "fp16", "tf32", "fp32"] = Field(
        "auto", description="auto: bf16 where the hardware has it, else fp16 on a GPU with tensor cores, else fp32"
    )


class WorkerOptions(Options):
    """Where several run, and how."""

    group = "machine"

    executor: Literal["ray", "local"] = Field("ray", description="local: one trial after another, here, without Ray")
    address: str | None = Field(None, description="an existing Ray cluster; else a private local Ray")
    concurrent: int | None = Field(None, ge=1, description="trials at a time")
    accelerate: Literal["auto", "graph", "compile", "none"] = Field(
        "auto", description="updates as CUDA graphs, or networks compiled; auto: none, until that was measured on GPUs"
    )
    max_failures: int = Field(
        0,
        ge=0,
        le=1000,
        description="times a trial whose worker was lost is started again",
        json_schema_extra=only_with("executor", "ray"),
    )


class OutOptions(Options):
    """Where files go, and what was declared outside."""

    group = "output"

    plugin: tuple[str, ...] = Field((), description="modules that declare more of what has a name")
    out: Annotated[str, HERE] = Field("runs", description="folder for run folders")


class ViewOptions(Options):
    """How a run is called, and who looks on."""

    group = "output"

    name: str | None = Field(None, description="name of the run folder (space, data and time)")
    dashboard: bool = Field(False, description="pages in the browser while it runs; search.dashboard opens them later")
    track: tuple[Annotated[str, OneOf(TRACKERS)], ...] = Field(
        (), description="send configs, curves and files there while it runs; repeatable; search.track sends them later"
    )


class ResumeOptions(Options):
    """What is asked of a run that is gone on with."""

    group = "output"

    other_code: bool = Field(
        False, description="with --resume: go on though source or packages are others now; the run says so from then on"
    )


class RunOptions(ResumeOptions, ViewOptions, OutOptions, WorkerOptions, MachineOptions, TrainingOptions, ScoringOptions,
                 PartOptions, NetworkOptions, SplitOptions, ImageOptions):  # fmt: skip
    """What may be asked of any run."""
