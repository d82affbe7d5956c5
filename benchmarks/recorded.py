"""Recorded searches whose every trial ran to its end, as small tables of figures, and what they say of any config.

E = epochs of a trial. Accuracies are of validation; work is in images trained on (EpochRecord.work).
"""

import gzip
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from console.errors import UsageError
from records.epoch import ACCURACY, Objective
from records.history import TrialHistory, read_history
from search.options import SearchOptions
from search.planning.plan import longest_work
from search.planning.space import make_space
from search.schedulers import Race
from spaces.space import Space

FEWEST = 50  # drawn trials of a table: with fewer the nearest config is too far away
KEPT = ("space", "set", "search")  # options that make the space again
DIGITS = 5


@dataclass(frozen=True)
class Curve:
    """One recorded trial."""

    values: dict[str, Any]  # the searched fields that mean something
    work: list[int]  # (E,) by the end of each epoch
    accuracy: list[float]  # (E,)
    loss: list[float]  # (E,)

    @property
    def final(self) -> float:
        """Of the best epoch at full length."""
        return max(self.accuracy)


@dataclass(frozen=True)
class Recorded:
    """A recorded search without its anchors."""

    name: str
    options: dict[str, Any]
    images: int  # of the training split
    epochs: int
    curves: list[Curve]

    @property
    def space(self) -> Space:
        return make_space(SearchOptions(**self.options, anchors="none"))[0]

    def race(self, topk: int) -> Race:
        """What a scheduler is told of this search."""
        longest = longest_work(self.space, self.epochs, self.images)
        return Race(self.space, 0, self.epochs, longest, self.images, 1, {}, 0, topk)

    def nearest(self, values: dict[str, Any], space: Space) -> tuple[Curve, float]:
        """The recorded trial whose config is the nearest, and how far it is, in [0, 1]; 0: it is the very config."""
        far = [distance(space.search, values, curve.values) for curve in self.curves]
        best = min(range(len(far)), key=far.__getitem__)
        return self.curves[best], far[best]

    def write(self, folder: Path) -> Path:
        """As compressed JSON, the same bytes each time."""
        path = folder / f"{self.name}.json.gz"
        rows = vars(self) | {"curves": [vars(curve) for curve in self.curves]}
        path.write_bytes(gzip.compress(json.dumps(rows).encode(), mtime=0))
        return path


def distance(search: dict[str, BaseDistribution], one: dict[str, Any], other: dict[str, Any]) -> float:
    """The mean over all searched fields of how far two values are apart; 1 where one config has the field alone."""
    return sum(_apart(search[name], name, one, other) for name in search) / len(search)


def _apart(distribution: BaseDistribution, name: str, one: dict[str, Any], other: dict[str, Any]) -> float:
    if name not in one or name not in other:
        return float((name in one) != (name in other))
    if isinstance(distribution, CategoricalDistribution):
        return float(one[name] != other[name])
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    scale = math.log if distribution.log else float
    return abs(scale(one[name]) - scale(other[name])) / (scale(distribution.high) - scale(distribution.low))


def read(path: Path) -> Recorded:
    """A table, or the run folder that one is made of. Raises UsageError where a trial did not run to its end."""
    if path.is_dir():
        return of_run(path)
    rows = json.loads(gzip.decompress(path.read_bytes()))
    return Recorded(**rows | {"curves": [Curve(**row) for row in rows["curves"]]})


def of_run(folder: Path) -> Recorded:
    """The drawn trials of a run folder."""
    history = read_history(folder)
    run = history.run
    if run["options"]["scheduler"] != "none" or Objective.of(run["setting"]) != ACCURACY:
        raise UsageError(
            f"{folder} cannot be replayed, since not all of its trials ran to their end; make one with --scheduler none, "
            f"picked by accuracy."
        )
    curves = list(_curves(history.trials.values()))
    if len(curves) < FEWEST:
        raise UsageError(
            f"{folder} has {len(curves)} drawn trials that are complete; a replay wants {FEWEST} at least."
        )
    kept = {name: run["options"][name] for name in KEPT}
    return Recorded(folder.name, kept, run["data"]["train"], run["setting"]["epochs"], curves)


def _curves(trials: Any) -> Iterator[Curve]:
    for trial in trials:
        if trial.state == "complete" and not trial.asked.anchor:
            yield _curve(trial)


def _curve(trial: TrialHistory) -> Curve:
    return Curve(
        trial.asked.values,
        [record.work(trial.asked.config) for record in trial.records],
        [round(record.eval_accuracy, DIGITS) for record in trial.records],
        [round(record.eval_loss, DIGITS) for record in trial.records],
    )
