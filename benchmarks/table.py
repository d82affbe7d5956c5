"""What a benchmark found, as one row each: ours, a peer and a floor, measured side by side in rounds of one run."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True)
class Row:
    """One thing measured. Each list has one figure per round; an empty one was not measured."""

    name: str
    unit: str  # of the figures: "images/s", "s", "MB"
    ours: Sequence[float]
    peer: Sequence[float] = ()
    floor: Sequence[float] = ()
    higher_is_better: bool = False
    peer_name: str = ""
    floor_name: str = ""
    target: str = ""  # what was promised, in words
    note: str = ""
    load: float = field(default_factory=lambda: os.getloadavg()[0])  # load average over the last minute, when measured

    @property
    def times_peer(self) -> float | None:
        """How many times better than the peer: the median over rounds."""
        return self._ratio(self.ours, self.peer)

    @property
    def of_floor(self) -> float | None:
        """Ours as a share of the floor: 1 is the floor itself, below 1 is what we add to it."""
        return self._ratio(self.ours, self.floor)

    def _ratio(self, ours: Sequence[float], other: Sequence[float]) -> float | None:
        if not ours or not other:
            return None
        pairs = zip(ours, other, strict=True)
        return statistics.median(a / b if self.higher_is_better else b / a for a, b in pairs)


def in_turns(rounds: int, *ways: Callable[[], Found]) -> list[list[Found]]:
    """What each way finds, once per round; every second round goes backwards, so that drift meets all alike."""
    found: list[list[Found]] = [[] for _ in ways]
    for number in range(rounds):
        turn = list(zip(ways, found, strict=True))
        for way, figures in turn if number % 2 == 0 else reversed(turn):
            figures.append(way())
    return found
