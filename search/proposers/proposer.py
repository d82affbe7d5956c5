"""What is asked of whoever says which trial is run next."""

from typing import Protocol

from records.epoch import EpochRecord
from records.events import Asked
from records.history import TrialHistory


class Proposer(Protocol):
    """A sampler's study, or the queue of a head-to-head; knows nothing of processes or files."""

    samples: int
    asked: int

    def ask(self) -> Asked | None:
        """The next trial; None while it must wait for another one, or when all have been asked for."""

    def adopt(self, asked: Asked) -> None:
        """A trial that was asked for in an earlier process."""

    def report(self, record: EpochRecord) -> None:
        """An epoch of a trial."""

    def tell(self, trial: TrialHistory) -> None:
        """A trial has ended, or is interrupted."""
