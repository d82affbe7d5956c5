"""Seeds as a line (mean) and a band (lowest to highest), where all of them have values; else each seed on its own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from analysis.runs import looked
from analysis.statistics import Floats

POINTS = 60  # of a curve over updates or seconds, where seeds do not meet at the same places
SHARED = 0.5  # of the longest seed: a mean over less is not the whole story
Curve = tuple[Floats, Floats, Floats, Floats]  # x, mean, lowest, highest


@dataclass(frozen=True)
class Look:
    """How an arm's line is drawn."""

    colour: str
    dash: Any = "-"
    width: float = 1.8
    gid: str = ""
    band: bool = True
    steps: bool = False  # a value holds until the next


def strands(rows: pd.DataFrame, x: str, y: str) -> list[tuple[Floats, Floats]]:
    """(x, y) of each seed of one arm, in order of x; values that are no numbers are left out."""
    known = rows[rows[y].notna()]
    found = [of_seed.sort_values(x) for _, of_seed in known.groupby("seed")]
    return [(s[x].to_numpy(float), s[y].to_numpy(float)) for s in found]


def curve(rows: pd.DataFrame, x: str, y: str) -> Curve:
    """One arm's seeds as mean, lowest and highest, where all of them have values; empty where they never all have."""
    seeds = strands(rows, x, y)
    if not seeds:
        return (np.empty(0),) * 4
    at: Floats
    if x == "epoch":
        at = np.array(sorted(set.intersection(*(set(of_x) for of_x, _ in seeds))), float)
    else:
        at = _shared(max(of_x[0] for of_x, _ in seeds), min(of_x[-1] for of_x, _ in seeds), np.linspace)
    return _summed(at, np.array([np.interp(at, *seed) for seed in seeds]))


def best_so_far(rows: pd.DataFrame, x: str, y: str = "eval_accuracy", lower_is_better: bool = False) -> Curve:
    """The same for the best so far: a staircase, since an epoch counts when it is over; what has ended keeps its best."""
    sign = -1 if lower_is_better else 1
    seeds = [(of_x, sign * np.maximum.accumulate(sign * of_y)) for of_x, of_y in strands(looked(rows), x, y)]
    if not seeds:
        return (np.empty(0),) * 4
    first, last = max(of_x[0] for of_x, _ in seeds), max(of_x[-1] for of_x, _ in seeds)
    at = _shared(max(first, 1e-3), max(last, 1e-3), np.geomspace)
    return _summed(at, np.array([of_y[_index(of_x, at)] for of_x, of_y in seeds]))


def steps_of(of: Curve) -> Curve:
    """Of a staircase, the places where it rises or falls, and its end."""
    kept = np.flatnonzero(np.diff(of[1], prepend=np.nan, append=np.nan)[:-1] != 0)
    places = np.unique([*kept, len(of[1]) - 1])
    x, mean, low, high = (values[places] for values in of)
    return x, mean, low, high


def _shared(first: float, last: float, spaced: Any) -> Floats:
    """Places from first to last; one where they are the same, none where they are not in order."""
    if last <= first:
        return np.array([first] if last == first else [])
    at: Floats = spaced(first, last, POINTS)
    at[0], at[-1] = first, last
    return at


def _summed(at: Floats, values: Floats) -> Curve:
    if not len(at):
        return (at,) * 4
    return at, values.mean(axis=0), values.min(axis=0), values.max(axis=0)


def _index(times: Floats, at: Floats) -> npt.NDArray[np.intp]:
    return np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 1)


def apart(of: Curve, seeds: list[tuple[Floats, Floats]]) -> bool:
    """Whether the seeds share too little of their way for a mean to speak for them."""
    whole = max((float(np.ptp(x)) for x, _ in seeds), default=0.0)
    return bool(not len(of[0]) or (whole > 0 and np.ptp(of[0]) < SHARED * whole))


def draw(axes: Axes, of: Curve, look: Look, label: str = "", seeds: list[tuple[Floats, Floats]] | None = None) -> None:
    """The mean as a line, and from the lowest to the highest seed as a band; `seeds` that are apart as thin lines."""
    x, mean, low, high = of
    one: dict[str, Any] = {"color": look.colour, "gid": look.gid}
    named = label or "_mean"
    if len(x):
        axes.plot(x, mean, ls=look.dash, lw=look.width, marker="o" if len(x) == 1 else None, ms=4, label=named,
                  drawstyle="steps-post" if look.steps else "default", **one)  # fmt: skip
    if len(x) == 1 and look.band:
        axes.vlines(x, low, high, lw=0.9, **one)
    elif len(x) and look.band and np.any(high > low):
        axes.fill_between(x, low, high, alpha=0.13, lw=0, **one)
    for number, (of_x, of_y) in enumerate(seeds or [] if seeds and apart(of, seeds) else []):
        axes.plot(of_x, of_y, ls=look.dash, lw=0.7, alpha=0.7, marker="." if len(of_x) == 1 else None, ms=5,
                  label="_seed" if len(x) or number else named, **one)  # fmt: skip


def end_of(of: Curve, seeds: list[tuple[Floats, Floats]]) -> tuple[float, float] | None:
    """Where the line ends: the mean, or else the seed that goes furthest."""
    if len(of[0]) and not apart(of, seeds):
        return float(of[0][-1]), float(of[1][-1])
    if not seeds:
        return None
    furthest = max(seeds, key=lambda seed: seed[0][-1])
    return float(furthest[0][-1]), float(furthest[1][-1])


def extent(of: Curve, seeds: list[tuple[Floats, Floats]]) -> Floats:
    """Every value of y that is drawn."""
    parts = [of[2], of[3], *(y for _, y in seeds if apart(of, seeds))]
    return np.concatenate(parts)
