"""A search as its figures want it: its trials with their values, its anchors, and how they are drawn."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import optuna
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.axes import End, mark_outside
from analysis.figures.study import STATES, importances, rebuild, trials_of
from analysis.figures.style import ANCHORS, INK
from analysis.figures.trials import accent, gid_of
from analysis.ranking import ranked
from analysis.runs import LoadedRun
from analysis.statistics import Floats
from records.epoch import Objective

FEWEST_WEIGHED = 30  # trials: fewer cannot say which field mattered
MOST_DOTS = 300  # trials in one panel, evenly spread over a long search
MOST_ANCHORS = 3  # lines of their own, the best ones


@dataclass(frozen=True)
class Searched:
    """A search as its figures want it; what takes long is worked out once, and only if a figure wants it."""

    run: LoadedRun

    @property
    def words(self) -> dict[str, str]:
        title = self.run.measure.title
        return {"metric": title, "Metric": title[0].upper() + title[1:]}

    @property
    def by(self) -> Objective:
        return self.run.measure.objective

    @property
    def exchangeable(self) -> bool:
        """Whether no draw depends on what came before it, so that any few of them are a smaller search."""
        return bool(self.run.about["options"].get("sampler") == "random")

    @property
    def values(self) -> str:
        return f"best {self.run.eval_split} {self.run.measure.title}"

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per trial with a result, in their order: trial, value, seconds, state, anchor (None of a draw)."""
        rows = self.run.finals
        rows = rows[rows["best_epoch"].notna() & rows["state"].isin(STATES)].sort_values("trial")
        value = rows[f"selection_{self.by.metric}"].astype(float)
        anchor = [self.run.asked[trial].anchor for trial in rows["trial"]]
        found = rows[["trial", "seconds", "state"]].assign(value=value, anchor=pd.Series(anchor, rows.index, object))
        return found[found["value"].notna()].reset_index(drop=True)

    @property
    def best(self) -> pd.Series:
        """The row of the best trial; the one that the table has first."""
        rows = self.run.finals[self.run.finals["trial"].isin(self.table["trial"])]
        return self.table[self.table["trial"] == ranked(rows, self.by)["trial"].iloc[0]].iloc[0]

    @cached_property
    def study(self) -> optuna.Study:
        return rebuild(self.run)

    @property
    def trials(self) -> int:
        """How many trials have values of the search's fields; none where it asked for one trial only."""
        return len(trials_of(self.study)) if len(self.run.finals) > 1 else 0

    @cached_property
    def weights(self) -> dict[str, float]:
        """How much each field matters, most first; empty where there are too few trials to tell."""
        return importances(self.study) if self.trials >= FEWEST_WEIGHED else {}


def anchors_of(of: Searched) -> pd.DataFrame:
    """The best MOST_ANCHORS anchors, best first."""
    rows = of.table[of.table["anchor"].map(bool)]
    order = rows["value"].map(of.by.turned).sort_values(ascending=False, kind="stable").index
    return rows.loc[order][:MOST_ANCHORS]


def spread_out(rows: pd.DataFrame, most: int = MOST_DOTS) -> pd.DataFrame:
    """No more rows than can be told apart, evenly spread."""
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))] if len(rows) else rows


def dots(axes: Axes, of: Searched, rows: pd.DataFrame, x: Floats) -> int:
    """A dot per row at x and its value, hollow where it was stopped early; how many lie outside. Limits come first."""
    low, high = axes.get_ylim()
    value, colour = rows["value"].to_numpy(float), accent(of.run)
    inside, whole = (value >= low) & (value <= high), (rows["state"] == "complete").to_numpy()
    for which, face in ((whole, colour), (~whole, "none")):
        if (which & inside).any():
            axes.plot(x[which & inside], value[which & inside], "o", ms=3.6, color=colour, mfc=face, alpha=0.6, mew=0.8)
    return mark_outside(axes, x, value, colour)


def anchor_lines(axes: Axes, of: Searched) -> list[End]:
    ends, (low, high) = [], axes.get_ylim()
    for row in anchors_of(of).itertuples():
        if low <= row.value <= high:
            axes.axhline(row.value, color=INK, ls=ANCHORS, lw=0.8, label=f"anchor {row.anchor}", gid=gid_of(row.trial))
            ends.append(End(axes.get_xlim()[1], float(row.value), f"anchor {row.anchor}", INK, gid_of(row.trial)))
    return ends


def drawn_values(run: LoadedRun) -> Floats:
    """Best figure of each drawn trial (no anchors); a pruned one counts with what it had reached."""
    rows = run.finals[run.finals["best_epoch"].notna()]
    drawn = [not run.asked[trial].anchor for trial in rows["trial"]]
    values: Floats = rows[drawn][f"selection_{run.measure.objective.metric}"].to_numpy(float)
    return values[np.isfinite(values)]
