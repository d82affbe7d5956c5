"""What happens in a run: one event is one line of its ledger, and everything else follows from these.

Times are in seconds since 1970; lines of format 1 can lack them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeVar

from records.epoch import OWN, EpochRecord, Row
from records.typed import check_types
from spaces.setting import Setting

FORMAT = 2  # of the run folders that are written
READ = (1, 2)  # formats that are read; the first has no `Started`, and arms as texts

LIMITS = {  # of figures, (least, most)
    **dict.fromkeys(("train_accuracy", "eval_accuracy", "eval_knn", "accuracy", "knn"), (0.0, 1.0)),
    **dict.fromkeys(("learning_rate", "share", "eval_loss", "loss", "train_seconds", "score_seconds", "eval_seconds"),
                    (0.0, math.inf)),
}  # fmt: skip
T = TypeVar("T")
Kind = Literal["search", "head_to_head"]
Ending = Literal["complete", "pruned", "failed", "interrupted"]


@dataclass(frozen=True)
class Started:
    """A run begins. The first event of a ledger: what follows is in this format."""

    name: ClassVar = "started"
    kind: Kind
    format: int = FORMAT
    time: float | None = None


@dataclass(frozen=True)
class Resumed:
    """A run is gone on with, by another process."""

    name: ClassVar = "resumed"
    samples: int
    time: float | None = None


@dataclass(frozen=True)
class Round:
    """A head-to-head goes on: these arms, by name, are to be run on these seeds as well."""

    name: ClassVar = "round"
    seeds: tuple[int, ...]
    arms: tuple[str, ...]
    time: float | None = None


@dataclass(frozen=True)
class Asked:
    """A trial has been asked for."""

    name: ClassVar = "asked"
    trial: int  # its number, from 0
    config: Row  # every field
    values: Row  # the searched fields that mean something in this config
    anchor: str | None = None
    withheld: bool = False  # an anchor that no draw could have given: the sampler is not told of it
    setting: Setting | None = None  # where it is not the run's
    time: float | None = None


@dataclass(frozen=True)
class Placed:
    """A process has taken a trial up."""

    name: ClassVar = "placed"
    trial: int
    host: str
    node: str  # Ray's id of it
    gpus: tuple[str, ...]  # as Ray counts them
    threads: int
    time: float | None = None


@dataclass(frozen=True)
class Member:
    """What a population's member trains an epoch with."""

    fields: dict[str, float]  # those that change while a trial runs
    donor: tuple[int, int] | None = None  # trial and epoch that its state was taken over from, if just before


@dataclass(frozen=True)
class Epoch:
    """An epoch has been trained."""

    name: ClassVar = "epoch"
    record: EpochRecord
    member: Member | None = None
    time: float | None = None


@dataclass(frozen=True)
class Lost:
    """A trial has lost its process, and is started again from its last checkpoint."""

    name: ClassVar = "lost"
    trial: int
    reason: str
    failures: int  # of this trial so far
    time: float | None = None


@dataclass(frozen=True)
class Paused:
    """A trial waits, with its checkpoint, for others to come as far; its next epoch says that it was promoted."""

    name: ClassVar = "paused"
    trial: int
    time: float | None = None


@dataclass(frozen=True)
class Ended:
    """A trial is over, or interrupted: then it may be gone on with."""

    name: ClassVar = "ended"
    trial: int
    state: Ending
    reason: str = ""
    peak_memory_mb: float = 0.0
    time: float | None = None


@dataclass(frozen=True)
class Enough:
    """A search asks for no further trials, though it was to have more: they would probably show nothing new."""

    name: ClassVar = "enough"
    trials: int  # asked for by then
    samples: int  # that were wanted
    reason: str  # a sentence
    gain: float  # the most that the others might have added, in the unit of what is picked by
    noise: float  # the standard error of a difference of two trials, in the same unit
    time: float | None = None


@dataclass(frozen=True)
class Tested:
    """Test has been opened for a trial's selected network."""

    name: ClassVar = "test"
    trial: int
    accuracy: float
    loss: float
    knn: float
    metrics: dict[str, float | None] = field(default_factory=dict)  # every further one, by name
    time: float | None = None

    def figure(self, name: str) -> float | None:
        """By the metric's name."""
        value: float | None = getattr(self, name) if name in OWN else self.metrics.get(name)
        return value


Event = Started | Resumed | Round | Asked | Placed | Epoch | Lost | Paused | Ended | Enough | Tested
KINDS: dict[str, type[Event]] = {
    kind.name: kind for kind in (Started, Resumed, Round, Asked, Placed, Epoch, Lost, Paused, Ended, Enough, Tested)
}
NAMES = {kind: tuple(each.name for each in fields(kind)) for kind in KINDS.values()}


def _checked(made: T) -> T:
    """Raises ValueError naming the first field that is not of its type, or not within its limits."""
    check_types(made)
    for name, value in vars(made).items():
        if name in LIMITS and not LIMITS[name][0] <= value <= LIMITS[name][1]:
            raise ValueError(f"{name} is {value!r:.60}")
    return made


BUILT: dict[str, Callable[[Any], Any]] = {  # what a line holds otherwise than as plain values
    "record": lambda row: _checked(EpochRecord.from_row(row)),
    "member": lambda row: _checked(Member(row["fields"], row["donor"] and tuple(row["donor"]))),
    "setting": lambda row: Setting(**row),
    "gpus": tuple,
    "seeds": tuple,
    "arms": tuple,
}


def to_line(event: Event) -> Row:
    """The JSON object of an event's line; what is not there is left out."""
    line: Row = {"event": event.name}
    for name in NAMES[type(event)]:
        value = getattr(event, name)
        if value is not None or name == "anchor":
            line[name] = _plain(value)
    return line


def _plain(value: Any) -> Any:
    if isinstance(value, EpochRecord):
        return value.row()
    if isinstance(value, Member):
        return dict(vars(value))
    return value.model_dump(mode="json") if isinstance(value, Setting) else value


def from_line(line: Any) -> Event | None:
    """The event of a line's JSON object; None for a kind that this version does not know.

    Fields that are not known are passed over. Raises KeyError, TypeError or ValueError where the line is not what its
    kind should be.
    """
    kind = KINDS.get(line["event"])
    if kind is None:
        return None
    given = {name: line[name] for name in NAMES[kind] if name in line}
    if kind is Tested and "map" in line:  # as format 1 has it
        given["metrics"] = {"map": line["map"]}
    for name in BUILT.keys() & given.keys():
        given[name] = given[name] if given[name] is None else BUILT[name](given[name])
    return _checked(kind(**given))
