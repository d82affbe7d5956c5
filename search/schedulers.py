"""Every scheduler by its name: who stops trials early, or changes their fields while they run. No Ray here.

A scheduler is one declaration. It either has a `rule`, a pure object (search/racing) that every executor and the
benchmark of searchers ask, or it `make`s one of Ray's, whose module is loaded only when that is called: --help and a dry
run must do without Ray.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from console.errors import unknown
from records.epoch import SCORED_PER_TRAINED
from search.racing.halving import REDUCTION, Asha, HyperBand
from search.racing.median import Median
from search.racing.pasha import Pasha
from search.racing.rule import Rule, evenly
from search.racing.topk import TOP, TopK
from spaces.space import Space

if TYPE_CHECKING:
    from search.executors.schedulers import TrialScheduler

RAY_KEEPS = 3  # checkpoints of a trial that waits in a population; an older one may still be a donor's
RUNGS = 2  # of ASHA: at a ninth and a third of the longest trial

Past = dict[int, list[tuple[int, float]]]  # by trial: (work, best score so far) of each epoch in an earlier process


@dataclass(frozen=True)
class Race:
    """What a scheduler may know of the search that it serves."""

    space: Space
    seed: int
    epochs: int  # of a trial that is not stopped early
    longest: int  # work of the dearest such trial, in images trained on
    images: int  # of the training split
    interval: int  # epochs between two exchanges of a population
    past: Past  # how the trials of an earlier process did
    furthest: int  # epochs of the trial that came furthest in an earlier process
    topk: int = TOP  # trials that go on after the first slice of work

    @property
    def slice(self) -> int:
        """The work of an epoch of the dearest trial, without what stands ready before the first."""
        ready = -(-self.images // SCORED_PER_TRAINED)
        return max(1, (self.longest - ready) // self.epochs)

    @property
    def grace(self) -> int:
        """Work before which ASHA and the median rule stop nobody."""
        return max(1, self.longest // int(REDUCTION**RUNGS))


@dataclass(frozen=True)
class Scheduler:
    """One way to spend less on trials that do badly."""

    name: str
    says: str  # one line for whoever chooses
    kind: Literal["none", "stopping", "population"]
    make: Callable[[Race], "TrialScheduler"] | None = None  # one of Ray's
    pauses: bool = False  # whether trials wait for each other
    rule: Callable[[Race], Rule] | None = None  # one that needs no Ray
    of_front: bool = False  # whether it judges accuracy and seconds together: the proposer does (proposers/front.py)


def _none(race: Race) -> "TrialScheduler":
    from search.executors.schedulers import make_fifo  # loads Ray

    return make_fifo()


def _pbt(race: Race) -> "TrialScheduler":
    from search.executors.population import make_pbt  # loads Ray

    return make_pbt(race.space, race.seed, race.interval, race.furthest)


def _pb2(race: Race) -> "TrialScheduler":
    from search.executors.population import make_pb2  # loads Ray

    return make_pb2(race.space, race.seed, race.interval, race.furthest)


def _asha(race: Race) -> Rule:
    return Asha(evenly(race.grace, race.longest, REDUCTION)[:RUNGS])


def _hyperband(race: Race) -> Rule:
    return HyperBand(race.longest, -(-race.longest // race.images), len(race.space.anchors))


def _pasha(race: Race) -> Rule:
    return Pasha(evenly(race.slice, race.longest, REDUCTION))


def _topk(race: Race) -> Rule:
    return TopK(race.slice, race.topk)


def _median(race: Race) -> Rule:
    return Median(race.grace)


ASHA = Scheduler("asha", "goes on with the best third of those that have done a ninth, and a third; the others wait",
                 "stopping", pauses=True, rule=_asha)  # fmt: skip
PASHA = Scheduler("pasha", "as asha, from one epoch's work and only as far as the ranking still changes", "stopping",
                  pauses=True, rule=_pasha)  # fmt: skip
TOPK = Scheduler("topk", "one epoch's work for each, then the best --topk to their end", "stopping", pauses=True,
                 rule=_topk)  # fmt: skip
MEDIAN = Scheduler("median", "stops what is below the median of the others at equal work", "stopping", rule=_median)
HYPERBAND = Scheduler("hyperband", "runs brackets in which the best third goes on and the others wait", "stopping",
                      pauses=True, rule=_hyperband)  # fmt: skip
PBT = Scheduler("pbt", "a population whose worst quarter goes on from its best, fields moved by a factor", "population",
                _pbt, pauses=True)  # fmt: skip
PB2 = Scheduler("pb2", "as pbt, fields chosen by a Gaussian process over the gains", "population", _pb2,
                pauses=True)  # fmt: skip
FRONT = Scheduler("front", "with motpe: stops what can no longer be better than all that took fewer seconds", "stopping",
                  _none, of_front=True)  # fmt: skip
NONE = Scheduler("none", "every trial runs to its end", "none", _none)
SCHEDULERS = {each.name: each for each in (ASHA, PASHA, TOPK, MEDIAN, HYPERBAND, FRONT, PBT, PB2, NONE)}


def get_scheduler(name: str) -> Scheduler:
    """The scheduler of this name, or UsageError with the nearest name."""
    if name not in SCHEDULERS:
        raise unknown("scheduler", name, SCHEDULERS)
    return SCHEDULERS[name]


def is_population(name: str | None) -> bool:
    """Whether this scheduler changes fields while trials run; None: not chosen yet, and then it is none that does."""
    return name is not None and get_scheduler(name).kind == "population"
