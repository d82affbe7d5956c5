"""TODO."""

from typing import Protocol

from records.epoch import EpochRecord
from records.history import Proposal


class Proposes(Protocol):
    """Who says what is run next: a sampler, or the lineup of a head-to-head."""

    samples: int
    asked: int

    def ask(self) -> Proposal | None: ...
    def adopt(self, proposal: Proposal) -> None: ...
    def report(self, record: EpochRecord) -> None: ...
    def tell(self, number: int, state: str) -> None: ...
