"""A search in the order of its trials: when the best came, and what fewer of them would have found."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.axes import End, height_of, label_ends, limits, say_outside, whole_span
from analysis.figures.drawing import Panel
from analysis.figures.searched import Searched, anchor_lines, anchors_of, dots, drawn_values, spread_out
from analysis.figures.trials import accent
from analysis.statistics import Floats, expected_best
from console.wording import many
from trainables.metrics import as_text


def history_panels(of: Searched) -> list[Panel]:
    """Each trial's value and the best so far, in the order of the trials."""
    return [Panel(partial(_history, of), height=height_of(1 + len(anchors_of(of))))]


def _history(of: Searched, axes: Axes) -> None:
    rows = of.table
    axes.set(title="Best so far, trial by trial", xlabel="trial", ylabel=of.values, ylim=limits(rows["value"]))
    whole_span(axes, float(rows["trial"].min()), float(rows["trial"].max()), 0.02)
    shown = spread_out(rows)
    say_outside(axes, dots(axes, of, shown, shown["trial"].to_numpy(float)))
    best = best_of(of, rows)
    steps = np.flatnonzero(np.diff(best, prepend=np.nan) != 0)
    at, to = ([*of_steps[steps], of_steps[-1]] for of_steps in (rows["trial"].to_numpy(float), best))
    axes.plot(at, to, drawstyle="steps-post", color=accent(of.run), label="best so far", lw=1.8,
              marker="o" if len(rows) == 1 else None)  # fmt: skip
    label_ends(axes, [End(float(at[-1]), float(to[-1]), "best so far", accent(of.run)), *anchor_lines(axes, of)])


def best_of(of: Searched, rows: pd.DataFrame) -> Floats:
    """The best value so far."""
    found: Floats = of.by.turned(1) * np.maximum.accumulate(of.by.turned(1) * rows["value"].to_numpy(float))
    return found


def history_caption(of: Searched) -> str:
    """When the best came, and what came after it."""
    rows, best = of.table, of.best
    place = int(np.flatnonzero(rows["value"] == best["value"])[0]) + 1  # the first of equals
    left = len(rows) - place
    if len(rows) == 1:
        return f"The only trial with a result has {as_text(of.by.metric, best['value'])}."
    after = (
        f"the last {left} added nothing"
        if left > 1
        else "the last one added nothing"
        if left
        else "no trial came after it"
    )
    hollow = " Hollow: stopped early." * bool((rows["state"] != "complete").any())
    return (
        f"The best of {many(len(rows), 'trial')}, {as_text(of.by.metric, best['value'])}, came as the {ordinal(place)}; "
        f"{after}.{hollow}"
    )


def ordinal(number: int) -> str:
    """'1st', '12th', '23rd'."""
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{last}"


def expected_panels(of: Searched) -> list[Panel]:
    """Expected best on validation after k of the trials, in any order (Dodge et al. 2019; Tang et al. 2020).

    Of draws that learn from each other it promises a small search what only a long one finds.
    """
    return [Panel(partial(_expected, of), height=height_of(1 + len(anchors_of(of))))]


def _expected(of: Searched, axes: Axes) -> None:
    best = expected_values(of)
    anchors = [float(v) for v in anchors_of(of)["value"]]
    axes.set(title="What a smaller search would have found", xlabel="drawn trials", ylabel=f"expected {of.values}",
             ylim=limits([*best, *anchors], every=True))  # fmt: skip
    whole_span(axes, 1, len(best))
    kept = np.unique(np.geomspace(1, len(best), 60).astype(int)) - 1
    axes.plot(kept + 1, best[kept], color=accent(of.run), label="expected best", marker="o" if len(best) == 1 else None)
    label_ends(axes, [End(len(best), float(best[-1]), "expected best", accent(of.run)), *anchor_lines(axes, of)])


def expected_values(of: Searched) -> Floats:
    """(k,) the expected best of 1, 2, ... drawn trials."""
    found: Floats = of.by.turned(1) * expected_best(of.by.turned(1) * drawn_values(of.run))
    return found


def expected_caption(of: Searched) -> str:
    """What half of the trials would have found on average."""
    best, metric = expected_values(of), of.by.metric
    half = max(len(best) // 2, 1)
    return (
        f"{many(half, 'drawn trial')} would have found {as_text(metric, best[half - 1])} on average, all {len(best)} found "
        f"{as_text(metric, best[-1])}: the mean over all subsets."
    )
