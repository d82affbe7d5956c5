"""Every scheduler by its name: who stops trials early, or changes their fields while they run. No Ray here.

A scheduler is one declaration. Its `make` loads the module with Ray's classes only when it is called: --help, a dry run
and --executor local must do without Ray.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from console.errors import unknown
from spaces.space import Space

if TYPE_CHECKING:
    from search.executors.schedulers import Past, TrialScheduler

RAY_KEEPS = 3  # checkpoints of a trial that waits; an older one may still be a donor's


@dataclass(frozen=True)
class Race:
    """What a scheduler may know of the search that it serves."""

    space: Space
    seed: int
    epochs: int  # of a trial that is not stopped early
    longest: int  # work of the dearest such trial, in images trained on
    images: int  # of the training split
    interval: int  # epochs between two exchanges of a population
    past: "Past"  # how the trials of an earlier process did
    furthest: int  # epochs of the trial that came furthest in an earlier process


@dataclass(frozen=True)
class Scheduler:
    """One way to spend less on trials that do badly."""

    name: str
    says: str  # one line for whoever chooses
    kind: Literal["none", "stopping", "population"]
    make: Callable[[Race], "TrialScheduler"]
    pauses: bool = False  # whether trials wait for each other, for which Ray keeps checkpoints of its own
    of_front: bool = (
        False  # whether it judges accuracy and seconds together, which the proposer does (proposers/front.py)
    )


def _none(race: Race) -> "TrialScheduler":
    from search.executors.schedulers import make_fifo  # loads Ray

    return make_fifo()


def _asha(race: Race) -> "TrialScheduler":
    from search.executors.schedulers import make_asha  # loads Ray

    return make_asha(race.longest, race.past)


def _median(race: Race) -> "TrialScheduler":
    from search.executors.schedulers import make_median  # loads Ray

    return make_median(race.longest, race.past)


def _hyperband(race: Race) -> "TrialScheduler":
    from search.executors.schedulers import make_hyperband  # loads Ray

    return make_hyperband(-(-race.longest // race.images))


def _pbt(race: Race) -> "TrialScheduler":
    from search.executors.population import make_pbt  # loads Ray

    return make_pbt(race.space, race.seed, race.interval, race.furthest)


def _pb2(race: Race) -> "TrialScheduler":
    from search.executors.population import make_pb2  # loads Ray

    return make_pb2(race.space, race.seed, race.interval, race.furthest)


ASHA = Scheduler("asha", "stops what is not in the best third when it has done a ninth, and a third", "stopping", _asha)
MEDIAN = Scheduler("median", "stops what is below the median of the others at equal work", "stopping", _median)
HYPERBAND = Scheduler(
    "hyperband",
    "runs brackets in which the best third goes on and the others wait",
    "stopping",
    _hyperband,
    pauses=True,
)
PBT = Scheduler("pbt", "a population whose worst quarter goes on from its best, fields moved by a factor", "population",
                _pbt, pauses=True)  # fmt: skip
PB2 = Scheduler("pb2", "as pbt, fields chosen by a Gaussian process over the gains so far", "population", _pb2,
                pauses=True)  # fmt: skip
FRONT = Scheduler("front", "with motpe: stops what can no longer be better than all that took fewer seconds", "stopping",
                  _none, of_front=True)  # fmt: skip
NONE = Scheduler("none", "every trial runs to its end", "none", _none)
SCHEDULERS = {scheduler.name: scheduler for scheduler in (ASHA, MEDIAN, HYPERBAND, FRONT, PBT, PB2, NONE)}


def get_scheduler(name: str) -> Scheduler:
    """The scheduler of this name, or UsageError with the nearest name."""
    if name not in SCHEDULERS:
        raise unknown("scheduler", name, SCHEDULERS)
    return SCHEDULERS[name]


def is_population(name: str | None) -> bool:
    """Whether this scheduler changes fields while trials run; None: not chosen yet, and then it is none that does."""
    return name is not None and get_scheduler(name).kind == "population"
