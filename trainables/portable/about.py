"""What a kept network says of itself, as the text `model` in the metadata of best.safetensors.

Whoever has the file alone can load it, prepare images as in training, and say where it comes from. A file may come from
somebody else: what is read is held to types and limits, and weights stay plain tables of numbers.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from console.arguments import complaint_of
from console.errors import UsageError
from records.about import PACKAGE
from records.epoch import OWN, EpochRecord
from records.files import read_text
from trainables.data.pictures import NEUTRAL, Resize
from trainables.networks.kept import Kept

FORMAT: Literal[1] = 1
MODEL = "model"  # the name of the text
SCALE = 1 / 255
MOST_TEXT = 16_000_000  # characters; a class has a name of some
Name = Annotated[str, Field(max_length=10_000)]
Channel = Annotated[float, Field(ge=-1e6, le=1e6)]
Byte = Annotated[int, Field(ge=0, le=255)]


class _Part(BaseModel):
    """Strict; what a later version adds is passed over."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Preprocessing(_Part):
    """From a picture to the network's input: resized with Pillow, in RGB, times `scale`, minus `mean`, by `std`."""

    resize: Resize  # squash: all of it; crop: the central square; pad: all of it on `padding`
    size: int = Field(ge=8, le=1024)  # pixels a side
    interpolation: Literal["bilinear"] = "bilinear"
    library: Literal["Pillow"] = "Pillow"
    colours: Literal["RGB"] = "RGB"
    scale: float = SCALE
    mean: tuple[Channel, Channel, Channel]
    std: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] = Field(min_length=3, max_length=3)
    padding: tuple[Byte, Byte, Byte] = NEUTRAL


class Transformer(_Part):
    """What is kept of a vision transformer; the defaults are all of it."""

    blocks: int = Field(0, ge=0, le=200)  # from the first on; 0: all
    read_out: Literal["class_token", "mean"] = "class_token"


class Origin(_Part):
    """Which trial of which run."""

    name: Name
    trial: int = Field(ge=0, lt=2**31)
    seed: int = Field(ge=0, lt=2**31)
    data: Name  # its name, or the last part of its path
    data_digest: Name
    package: Name = PACKAGE
    version: Name | None


class ModelAbout(_Part):
    """All of it. `part` says whether the file holds the whole network or its head alone."""

    format: Literal[1] = FORMAT
    architecture: Annotated[str, Field(min_length=1, max_length=200)]
    image_size: int = Field(ge=8, le=1024)
    kept: Transformer = Transformer()
    part: Literal["whole", "head"] = "whole"
    backbone: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = (
        None  # digest of what a lone head was trained on
    )
    classes: tuple[Name, ...] = Field(min_length=2, max_length=100_000)
    task: Literal["single_label", "multi_label"]
    preprocessing: Preprocessing
    precision: Literal["fp32", "tf32", "bf16", "fp16"]  # in which the run computed; the numbers here are float32
    strategy: Name
    config: dict[str, JsonValue]
    metrics: dict[str, float | int | str | None]  # of the kept epoch, and on which split
    run: Origin
    plugins: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _as_this_version_prepares_images(self) -> Self:
        rule = self.preprocessing
        if (rule.size, rule.scale, rule.padding) != (self.image_size, SCALE, NEUTRAL):
            raise ValueError("prepares images otherwise than this version does")
        return self

    @property
    def what_is_kept(self) -> Kept:
        return Kept(self.kept.blocks, self.kept.read_out)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What a file says; None where it says nothing. Raises UsageError naming what is not as it was written."""
        text = read_text(path, MODEL)
        return None if text is None else cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Self:
        """The inverse of `text`. Raises UsageError."""
        if len(text) > MOST_TEXT:
            raise UsageError(f"{path} says too much of its network ({len(text):,} characters); it is none of ours.")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "it"
            raise UsageError(f"{path} does not say what network it is: {where} {complaint_of(error)[1]}; pass a "
                             f"best.safetensors as a run keeps it.") from None  # fmt: skip

    def text(self) -> str:
        """As it is written."""
        return self.model_dump_json()


def metrics_of(record: EpochRecord) -> dict[str, float | int | str | None]:
    """Epoch, split and every figure of it that is a number, by the metric's name."""
    figures = {name: record.figure(name) for name in (*OWN, *record.metrics)}
    finite = {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}
    return {"epoch": record.epoch, "split": record.eval_split, **finite}


def columns_of(classes: Sequence[str]) -> list[str]:
    """Columns of the classes' probabilities, each another; classes of one name have their number behind it."""
    often = Counter(classes)
    return [f"probability_{name}" + (f"_{at}" if often[name] > 1 else "") for at, name in enumerate(classes)]
