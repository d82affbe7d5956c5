"""Successive halving: asynchronously (ASHA), with a ladder that grows (PASHA), and in brackets (HyperBand)."""

from collections.abc import Sequence

from search.racing.rule import Decision, Ladder, Look, Rule

REDUCTION = 3  # of the trials that reach a rung, the best third goes on


class Asha(Ladder):
    """ASHA (Li et al. 2020, algorithm 2): of n trials on a rung the best floor(n / 3) may go on.

    Departures: a trial that may go on when it reaches a rung does so at once, where the paper's worker takes any that may;
    and when the search has nothing else to do, one trial at least passes each rung, so that one reaches its end in a search
    of few trials.
    """

    def passing(self, place: int, last: bool) -> list[int]:
        rung = self.rungs[place]
        return rung.best(max(int(last), len(rung.scores) // REDUCTION))


class HyperBand(Rule):
    """HyperBand (Li et al. 2018, algorithm 1): brackets of successive halving, the one that halves most first.

    In a bracket trials wait for each other; the best third goes on. Departures: brackets begin again with the first when
    all are full, and one that is not full by the end of the search is judged as it is.
    """

    def __init__(self, longest: int, passes: int, first: int = 0):
        """`passes`: how often the dearest trial could train on every image; `first`: the number of the first trial."""
        super().__init__()
        self.first = first
        self.most = 0
        while REDUCTION ** (self.most + 1) <= passes:
            self.most += 1
        self.longest = longest
        self.brackets: list[Bracket] = []

    def judge(self, trial: int, look: Look) -> Decision:
        return self._bracket_of(trial).judge(trial, look)

    def choose(self, last: bool) -> int | None:
        for bracket in self.brackets:
            bracket.waiting = self.waiting
            if (trial := bracket.choose(last)) is not None:
                return trial
        return None

    def forget(self, trial: int) -> None:
        self._bracket_of(trial).forget(trial)

    def _bracket_of(self, trial: int) -> "Bracket":
        """By its number alone, so that it does not depend on which trial came first."""
        seat, place = trial - self.first, 0
        while True:
            if place == len(self.brackets):
                self.brackets.append(self._make(self.most - place % (self.most + 1)))
            if seat < self.brackets[place].size:
                return self.brackets[place]
            seat, place = seat - self.brackets[place].size, place + 1

    def _make(self, halvings: int) -> "Bracket":
        """ceil((s_max + 1) / (s + 1) * 3^s) trials, and s rungs."""
        size = -(-(self.most + 1) * REDUCTION**halvings // (halvings + 1))
        return Bracket([max(1, self.longest // REDUCTION**s) for s in range(halvings, 0, -1)], size)


class Bracket(Ladder):
    """Successive halving that waits: a rung is judged when all who can reach it have."""

    def __init__(self, levels: Sequence[int], size: int):
        super().__init__(levels)
        self.size = self.expected = size
        self.chosen: list[list[int]] = [[] for _ in levels]

    def passing(self, place: int, last: bool) -> list[int]:
        rung, expected = self.rungs[place], self.expected if place == 0 else len(self.chosen[place - 1])
        if not self.chosen[place] and (last or len(rung.scores) == expected):
            self.chosen[place] = rung.best(max(1, len(rung.scores) // REDUCTION))
        return self.chosen[place]

    def forget(self, trial: int) -> None:
        super().forget(trial)
        self.expected -= 1
        self.chosen = [[one for one in chosen if one != trial] for chosen in self.chosen]
