"""What a result of a search costs: every trial's value against its seconds, and those that none surpasses in both."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.axes import limits, log_x, say_outside, with_room
from analysis.figures.drawing import Panel
from analysis.figures.searched import Searched, dots, spread_out
from analysis.figures.study import STATES
from analysis.figures.style import SMALL
from analysis.figures.trials import accent, gid_of
from console.wording import rounded
from records.epoch import ACCURACY, Objective
from trainables.metrics import as_text

NARROW = 0.2  # of the axis: what is nearer to its left has no room for a name there
FAR = 10  # times the median: then seconds are logarithmic
APART = (0.35, 0.09)  # of the axes, between two numbered trials of the front


def front_panels(of: Searched) -> list[Panel]:
    """Value against seconds: every trial, and those that none surpasses in both."""
    return [Panel(partial(_front, of))]


def _front(of: Searched, axes: Axes) -> None:
    rows = pareto(of.run.finals, of.by)
    rows = rows.assign(value=rows[f"selection_{of.by.metric}"].astype(float))
    axes.set(title="What a result costs", xlabel="seconds of training and scoring", ylabel=of.values,
             ylim=with_room(limits(rows["value"])))  # fmt: skip
    seconds = rows["seconds"].to_numpy(float)
    far = seconds.max() > FAR * np.median(seconds) and seconds.min() > 0
    axes.set_xlim(0.9 * seconds.min() if far else 0, 1.06 * max(float(seconds.max()), 1e-3))
    if far:
        log_x(axes)
    shown = spread_out(rows)
    outside = dots(axes, of, shown, shown["seconds"].to_numpy(float))
    best = rows[rows["front"]].sort_values("seconds")
    axes.plot(best["seconds"], best["value"], drawstyle="steps-post", color=accent(of.run), lw=1.4, marker="o", ms=5,
              label="front")  # fmt: skip
    say_outside(axes, outside)
    for at, row in _apart(axes, best):
        left = at[0] < NARROW
        axes.annotate(f"trial {row.trial}", (row.seconds, row.value), xytext=(4 if left else -5, 4), fontsize=SMALL,
                      textcoords="offset points", ha="left" if left else "right", gid=gid_of(row.trial))  # fmt: skip


def _apart(axes: Axes, best: pd.DataFrame) -> list[tuple[Any, Any]]:
    """The rows of the front whose names would not stand on each other, the best first, and where: fractions of the axes."""
    kept: list[tuple[Any, Any]] = []
    inverse = axes.transAxes.inverted()
    for row in best[::-1].itertuples():
        at = inverse.transform(axes.transData.transform((row.seconds, row.value)))
        if -0.01 <= at[1] <= 1 and all(abs(at[0] - x) > APART[0] or abs(at[1] - y) > APART[1] for (x, y), _ in kept):
            kept.append((at, row))
    return kept


def pareto(finals: pd.DataFrame, by: Objective = ACCURACY) -> pd.DataFrame:
    """The trials with a result, quickest first, and whether each is on the front: better than all quicker ones.

    The front is of complete trials alone: one that was stopped early has not taken the seconds of a whole one.
    """
    rows = finals[finals["best_epoch"].notna() & finals["state"].isin(STATES)]
    rows = rows[rows[f"selection_{by.metric}"].notna()]
    rows = rows.sort_values(["seconds", f"selection_{by.metric}"], ascending=[True, by.lower_is_better]).copy()
    score = rows[f"selection_{by.metric}"].astype(float) * by.turned(1)
    score = score.where(rows["state"] == "complete", -np.inf)
    return rows.assign(front=score > score.cummax().shift(fill_value=-np.inf))


def front_caption(of: Searched) -> str:
    """The best trial's seconds, and the last step before it."""
    front = pareto(of.run.finals, of.by)
    front = front[front["front"]].sort_values("seconds")
    if front.empty:
        return "No trial was trained to its end, so none has a price."
    value, last = f"selection_{of.by.metric}", front.iloc[-1]
    said = f"Trial {last['trial']} reaches {as_text(of.by.metric, last[value])} in {rounded(last['seconds'])} s"
    if len(front) == 1:
        return f"{said}; no quicker trial has as much."
    before = front.iloc[-2]
    return (
        f"{said}; trial {before['trial']} has {as_text(of.by.metric, before[value])} in "
        f"{100 * before['seconds'] / max(last['seconds'], 1e-9):.0f} % of that time."
    )
