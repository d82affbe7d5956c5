"""What run.json must hold for a run to be read, and of which type; what else is in it is let be.

Versions add fields and leave them out, so everything that is not in every run.json since format 1 has a default here.
"""

import contextlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from console.arguments import complaint_of
from console.errors import UsageError
from records.epoch import Row
from spaces.ranges import check_distribution

PACKAGE = "curriculum-tune"
Count = Field(ge=0, le=10**12)


class _Part(BaseModel):
    """Strict, so that what is read may be used as it stands in the file."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Options(_Part):
    name: str
    data: str
    space: str
    sampler: str
    seed: int = Count
    samples: int = Count
    epochs: int = Count


class _Setting(_Part):
    strategy: str
    protocol: Literal["holdout", "report"]
    seed: int = Count
    image_size: int = Count
    model: str
    weights: str
    metric: str = "accuracy"
    lower_is_better: bool = False
    task: str = "single_label"
    split: str | None = None
    plugins: list[str] = []


class _Data(_Part):
    name: str
    digest: str
    classes: list[str]
    train: int = Count
    validation: int = Count
    test: int = Count
    class_counts: dict[str, list[int]] = {}

    @field_validator("class_counts")
    @classmethod
    def _of_every_class(cls, counts: dict[str, list[int]], info: ValidationInfo) -> dict[str, list[int]]:
        classes = info.data.get("classes")  # not there where it is itself damaged
        if classes is not None and any(len(of_split) != len(classes) for of_split in counts.values()):
            raise ValueError(f"must have a number for each of the {len(classes)} classes")
        return counts


class _Space(_Part):
    search: dict[str, Annotated[str, AfterValidator(check_distribution)]]
    anchors: dict[str, dict[str, Any]]


class _Compare(_Part):
    strategies: str


class About(_Part):
    kind: Literal["search", "head_to_head"]
    command: str
    options: _Options
    setting: _Setting
    data: _Data
    space: _Space
    versions: dict[str, str | None]
    machine: dict[str, Any] = {}
    asked: list[str] = []
    resumed: list[dict[str, Any]] = []
    after: list[dict[str, Any]] = []
    compare: _Compare | None = None
    verdict: dict[str, Any] | None = None
    budget: dict[str, Any] = {}


def check_about(file: Path, run: Row) -> None:
    """Raises UsageError naming the first key of run.json that is not there, or not what is written there."""
    try:
        About.model_validate(run)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        lacks = first["type"] in ("missing", "model_type")  # a part that is no object has none of its keys
        why = f"it lacks '{where}'" if lacks else f"'{where}' {complaint_of(error)[1]}"
        raise UsageError(f"{file} is damaged ({why}); the run cannot be read without it.") from None
    if run["kind"] == "head_to_head" and "compare" not in run:
        raise UsageError(f"{file} is damaged (it lacks 'compare'); the run cannot be read without it.")


def other_version(run: Row) -> str | None:
    """The version of this package that made the run, where that is not the one that reads it."""
    made = run.get("versions", {}).get(PACKAGE)
    with contextlib.suppress(PackageNotFoundError):
        return None if made in (None, version(PACKAGE)) else str(made)
    return None
