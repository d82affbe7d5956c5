"""python -m benchmarks.stopped_fronts RUN ...: what --scheduler front would have saved, and what the front would have lost.

Of recorded searches whose trials all came to their end. Each is put into many orders, and the rule (search.proposers.front
itself) is asked after every epoch, one trial at a time. ASHA's rungs at a ninth and a third of the work, which judge by
accuracy alone, stand beside it. Nothing is trained.
"""

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from console.layout import UNBOUND, columns
from records.history import read_history
from search.proposers.front import Curve, Front, Point, dominates

REDUCTION, RUNGS = 3, (9, 3)


@dataclass(frozen=True)
class Raced:
    """One order of a search, had trials been stopped."""

    stopped: int
    saved: float  # share of the seconds
    lost: int  # trials of the front of all that were stopped
    front: int  # trials on it
    area: float  # that the front of the others has, as a share of that of all


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stopped_fronts", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="a search without early stopping")
    parser.add_argument("--orders", type=int, default=100, help="orders of each search's trials")
    asked = parser.parse_args(words)
    print(f"{platform.machine()}, {os.cpu_count()} cores; seconds are those of the ledgers; {asked.orders} orders each")
    head = [
        "search",
        "trials",
        "rule",
        "stopped",
        "seconds saved",
        "front",
        "of it stopped",
        "area left",
        "orders without loss",
    ]
    table = [head]
    for folder in asked.runs:
        curves = curves_of(folder)
        rng = np.random.default_rng(0)
        orders = [[curves[place] for place in rng.permutation(len(curves))] for _ in range(asked.orders)]
        for name, rule in (("front", raced), ("asha", by_asha)):
            table.append([folder.name, str(len(curves)), name, *said([rule(order) for order in orders])])
    print(columns(table, UNBOUND))
    return 0


def said(of: list[Raced]) -> list[str]:
    def mean(name: str) -> float:
        return statistics.fmean(getattr(one, name) for one in of)

    return [f"{mean('stopped'):.1f}", f"{mean('saved'):.0%}", f"{mean('front'):.1f}", f"{mean('lost'):.2f}",
            f"{mean('area'):.1%}", f"{sum(one.lost == 0 for one in of)} of {len(of)}"]  # fmt: skip


def curves_of(folder: Path) -> list[Curve]:
    """(seconds, best accuracy so far) by epoch, of every complete trial."""
    found = []
    for trial in read_history(folder).trials.values():
        if trial.state == "complete":
            best = np.maximum.accumulate([one.eval_accuracy for one in trial.records])
            found.append([(one.seconds, float(top)) for one, top in zip(trial.records, best, strict=True)])
    return found


def raced(curves: Sequence[Curve]) -> Raced:
    """Stopped by the hope of each."""
    front, ran = Front(1.0), []
    for trial, curve in enumerate(curves):
        looks = (front.hopeless(trial, epoch, *point) for epoch, point in enumerate(curve, start=1))
        ran.append(next((epoch for epoch, hopeless in enumerate(looks, start=1) if hopeless), len(curve)))
        if ran[-1] == len(curve):
            front.complete(trial)
        else:
            front.leave(trial)
    return counted(curves, ran)


def by_asha(curves: Sequence[Curve]) -> Raced:
    """Stopped at a ninth and at a third of the epochs unless among the best third of those that came so far."""
    rungs: dict[int, list[float]] = {}
    ran = []
    for curve in curves:
        ran.append(len(curve))
        for part in RUNGS:
            epoch = max(1, len(curve) // part)
            scores = rungs.setdefault(part, [])
            scores.append(curve[epoch - 1][1])
            if curve[epoch - 1][1] < np.quantile(scores, 1 - 1 / REDUCTION) and epoch < len(curve):
                ran[-1] = epoch
                break
    return counted(curves, ran)


def counted(curves: Sequence[Curve], ran: list[int]) -> Raced:
    """`ran`: the epochs that each was trained for."""
    ends = [curve[-1] for curve in curves]
    front = [not any(dominates(other, end) for other in ends) for end in ends]
    stopped = [epochs < len(curve) for curve, epochs in zip(curves, ran, strict=True)]
    spent = sum(curve[epochs - 1][0] for curve, epochs in zip(curves, ran, strict=True))
    of_front = {end for end, on in zip(ends, front, strict=True) if on}
    kept = {end for end, on, early in zip(ends, front, stopped, strict=True) if on and not early}
    saved = 1 - spent / sum(end[0] for end in ends)
    whole = [end for end, early in zip(ends, stopped, strict=True) if not early]
    left = area(whole, ends) / (area(ends, ends) or 1.0)
    return Raced(sum(stopped), saved, len(of_front - kept), len(of_front), left)


def area(points: Sequence[Point], of: Sequence[Point]) -> float:
    """What the points dominate, up to the most seconds and down to the least score of all (the hypervolume)."""
    latest, least = max(seconds for seconds, _ in of), min(score for _, score in of)
    covered, top = 0.0, least
    for seconds, score in sorted(points):
        covered += (latest - seconds) * max(0.0, score - top)
        top = max(top, score)
    return covered


if __name__ == "__main__":
    sys.exit(main())
