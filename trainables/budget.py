"""What a trial has used, what ends it, and at which marks it is looked at. Asks no clock; trainables/loop.py does.

Updates are optimiser steps; seconds are of wall clock, and the charged ones are those of training, of scoring and of what
stood ready before the first epoch. Evaluation is ours and charged to nobody.
"""

import math
from bisect import bisect_right
from dataclasses import asdict, dataclass, fields
from functools import cached_property

from console.errors import UsageError
from records.epoch import EpochRecord

FEW = 2  # updates between two looks at the clock while none has been timed


class NoSecondsLeft(UsageError):
    """What stands ready before a trial's first epoch has cost all the seconds that it has."""


@dataclass
class Totals:
    """What the trial has used since its start."""

    updates: int = 0
    images_trained: int = 0
    images_scored: int = 0
    train_seconds: float = 0.0
    score_seconds: float = 0.0
    eval_seconds: float = 0.0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    @classmethod
    def of(cls, record: EpochRecord) -> "Totals":
        """What the trial had used by the end of that epoch."""
        return cls(**{each.name: getattr(record, each.name) for each in fields(cls)})

    @property
    def charged_seconds(self) -> float:
        return self.train_seconds + self.score_seconds


@dataclass
class Pace:
    """How long updates take in this process."""

    updates: int = 0
    seconds: float = 0.0

    def add(self, updates: int, seconds: float) -> None:
        self.updates, self.seconds = self.updates + updates, self.seconds + seconds

    @property
    def per_update(self) -> float:
        """Seconds; 0 while none has been timed."""
        return self.seconds / self.updates if self.updates else 0.0


@dataclass(frozen=True)
class Budget:
    """What ends a trial beside its epochs, and the marks at which its network is looked at.

    At most one of `updates` and `seconds` is given, and `marks` only with one of them (spaces/setting.py sees to it). What
    is used of a budget is counted in its own unit, updates or charged seconds.
    """

    updates: int | None = None
    seconds: float | None = None
    marks: int | None = None  # None: every epoch's end is a look

    @property
    def most(self) -> float:
        """How much there is; infinite where the epochs alone end the trial."""
        if self.seconds is not None:
            return self.seconds
        return math.inf if self.updates is None else self.updates

    @cached_property
    def looks_at(self) -> list[float]:
        """Where the marks lie, rising to the end of the budget; several that fall on one update are one."""
        if self.marks is None:
            return []
        if self.updates is not None:
            return sorted({-(-j * self.updates // self.marks) for j in range(1, self.marks + 1)})
        return [*(self.most * j / self.marks for j in range(1, self.marks)), self.most]

    def used(self, totals: Totals) -> float:
        return totals.updates if self.seconds is None else totals.charged_seconds

    def spent(self, totals: Totals) -> bool:
        return self.used(totals) >= self.most

    def passes_mark(self, before: float, now: float) -> bool:
        """Whether a mark lies above `before` and not above `now`."""
        return bisect_right(self.looks_at, before) < bisect_right(self.looks_at, now)

    def updates_ahead(self, before: float, now: float, per_update: float) -> float:
        """How many updates to make before the budget is asked again; infinite where it never need be.

        `before` is what was used when it was asked last, `now` what is used, `per_update` the seconds of an update. By the
        clock it is never more than half of what is left to the next mark: while updates take less than twice as long as so
        far, the first boundary at or after the mark is not missed.
        """
        stops = self.looks_at or [self.most]
        left = stops[bisect_right(stops, before)] - now
        if self.seconds is None:
            return left
        if left <= 0:  # scoring ran over it: looked at after the next batch
            return 1
        return max(1, int(left / per_update / 2)) if per_update else FEW

    def check(self, totals: Totals) -> None:
        """Raises NoSecondsLeft where nothing is left to train with. `totals`: before the first epoch."""
        if self.seconds is not None and self.spent(totals):
            raise NoSecondsLeft(
                f"its features, difficulty and pretraining alone cost {totals.charged_seconds:.4g} s of the "
                f"{self.seconds:.4g} s that it has"
            )
