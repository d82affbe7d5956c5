"""What is asked of whoever says which trial is run next."""

from typing import Protocol, runtime_checkable

from records.epoch import EpochRecord
from records.events import Asked, Round
from records.history import TrialHistory


class Proposer(Protocol):
    """A sampler's study, or the queue of a head-to-head; knows nothing of processes or files."""

    asked: int

    @property
    def samples(self) -> int:
        """Trials in all, as far as is known by now."""

    def ask(self) -> Asked | None:
        """The next trial; None while it must wait for another one, or when all have been asked for."""

    def adopt(self, asked: Asked) -> None:
        """A trial that was asked for in an earlier process."""

    def report(self, record: EpochRecord) -> None:
        """An epoch of a trial."""

    def tell(self, trial: TrialHistory) -> None:
        """A trial has ended, or is interrupted."""


@runtime_checkable
class Endable(Protocol):
    """A proposer that can be told to ask for no more."""

    def enough(self) -> None:
        """No further trials are wanted than those that have been asked for."""


@runtime_checkable
class Prunes(Protocol):
    """A proposer that says itself which trials are not worth going on with."""

    def hopeless(self, record: EpochRecord) -> bool:
        """Whether nothing that the study could still learn from may come of a trial after this epoch."""


@runtime_checkable
class InRounds(Protocol):
    """A proposer that can be given more to run."""

    def adopt_round(self, event: Round) -> None:
        """Further seeds for some arms, begun now or in an earlier process."""


@runtime_checkable
class Hears(Protocol):
    """A proposer that wants to know of trials that are paused, perhaps for good."""

    def paused(self, trial: TrialHistory) -> None:
        """A trial waits to be promoted."""
