"""Figures of a verdict: paired differences with their intervals."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import COLOURS, panels, styled
from analysis.rulebook.measure import Measure
from analysis.rulebook.plan import ACCURACY


def forest(
    rows: pd.DataFrame, label: Callable[[pd.Series], str], title: str, margin: float = 0.0, measure: Measure = ACCURACY
) -> Figure:
    """Differences in the measure's unit with their intervals; the band is the margin of a tie. No interval: a dot."""
    with styled():
        figure, axes = panels(figsize=(8, 0.9 + 0.38 * len(rows)), layout="constrained")
        scaled = measure.scaled
        if margin:
            axes.axvspan(-scaled(margin), scaled(margin), color="#EEEEEE", zorder=0)
        for place, (_, row) in enumerate(rows[::-1].iterrows()):
            if np.isfinite(row["low"]):
                axes.plot([scaled(row["low"]), scaled(row["high"])], [place] * 2, color=COLOURS[0], lw=1.6, zorder=2)
            axes.plot(scaled(row["mean"]), place, "o", color=COLOURS[0], ms=5, zorder=3)
        axes.axvline(0, color="black", lw=0.9)
        axes.set_yticks(range(len(rows)), [label(row) for _, row in rows[::-1].iterrows()], fontsize=8)
        axes.set(xlabel=_what(measure), ylim=(-0.6, len(rows) - 0.4))
        axes.grid(False, axis="y")
        axes.set_title(title, fontsize=11)
        return figure


def _what(measure: Measure) -> str:
    better = ", more is better" * measure.objective.lower_is_better
    return f"difference in {measure.title}, {measure.unit}{better}"
