"""One slice of work for everybody, then the best k to their end."""

from search.racing.rule import Ladder

TOP = 3  # trials that go on, at least
SHARE = 9  # and one in so many: three of fifty lose what three of twenty keep (benchmarks/NOTES.md)


def how_many(samples: int) -> int:
    """Of so many trials, as many go on where nothing else is asked."""
    return max(TOP, samples // SHARE)


class TopK(Ladder):
    """One epoch and top k (Egele et al. 2023, arXiv 2307.15422; 2024, arXiv 2404.04111).

    Departures: the slice is as much work as the dearest trial's epoch, since epochs of a curriculum differ in size, where
    the papers have an epoch of each; who goes on does so from its checkpoint, where the papers train the best again; and
    the score of a trial is that of its best epoch within the slice.
    """

    def __init__(self, slice_of_work: int, k: int = TOP):
        super().__init__([slice_of_work])
        self.k = k
        self.chosen: list[int] = []

    def passing(self, place: int, last: bool) -> list[int]:
        """Nobody before all have had their slice; then the same k, even if further trials are begun afterwards."""
        if last:
            self.chosen = self.rungs[0].best(self.k)
        return self.chosen

    def forget(self, trial: int) -> None:
        super().forget(trial)
        self.chosen = [one for one in self.chosen if one != trial]
