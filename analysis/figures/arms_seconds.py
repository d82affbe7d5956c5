"""The best so far of a head-to-head's arms against seconds of training and scoring."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.arms_curves import span_x
from analysis.figures.axes import End, height_of, label_ends, limits
from analysis.figures.curves import Curve, best_so_far, draw, steps_of
from analysis.figures.drawing import Panel
from analysis.figures.side_by_side import Arms
from analysis.figures.style import ANCHORS, INK, SMALL, drawable
from analysis.rulebook.plan import BASELINE
from console.wording import rounded
from trainables.metrics import as_text

APART = 1.05  # times as many seconds: else a line for the budget says nothing


def seconds_panels(arms: Arms) -> list[Panel]:
    """The best so far against seconds of training and scoring."""
    return [Panel(partial(_seconds, arms), height=height_of(len(arms.shown)))]


def staircase(arms: Arms, name: str) -> Curve:
    """The best so far of an arm."""
    by = arms.section.measure.objective
    return best_so_far(drawable(arms.rows(name)), "seconds", arms.metric, by.lower_is_better)


def _seconds(arms: Arms, axes: Axes) -> None:
    measure = arms.section.measure
    stairs = {name: found for name in arms.shown if len((found := staircase(arms, name))[0])}
    axes.set(title="Best so far against time", xlabel="seconds of training and scoring",
             ylabel=f"best {arms.split} {measure.title}",
             ylim=limits(np.concatenate([found[1] for found in stairs.values()]), every=True))  # fmt: skip
    ends = []
    for name, found in stairs.items():
        look = replace(arms.look(name), band=False, steps=True)
        draw(axes, steps_of(found), look, arms.label(name))
        ends.append(End(float(found[0][-1]), float(found[1][-1]), arms.label(name), look.colour, look.gid))
    span_x(axes, "seconds", [float(found[0][0]) for found in stairs.values()], [end.x for end in ends])
    if axes.get_xscale() == "log":
        axes.set_xlabel("seconds of training and scoring (log)")
    _budget(axes, arms, list(stairs), min(float(found[0][0]) for found in stairs.values()))
    label_ends(axes, ends)


def _budget(axes: Axes, arms: Arms, names: list[str], first: float) -> None:
    """A line where the quickest is through, if the others take longer; not before the first of the curves."""
    used = arms.records[arms.records["arm"].isin(names)].groupby("arm")[["seconds", "updates"]].max()
    alike = int((used["updates"] <= 1.01 * used["updates"].min()).sum())
    budget = common_seconds(arms.records, names)
    if alike > 1 and used["seconds"].max() > APART * budget and budget > APART * first:
        early = budget < np.mean(axes.get_xlim())
        axes.axvline(budget, color=INK, lw=0.8, ls=ANCHORS)
        axes.annotate(f"{rounded(budget)} s for all", (budget, 0.02), xycoords=("data", "axes fraction"), fontsize=SMALL,
                      xytext=(3 if early else -3, 0), textcoords="offset points",
                      ha="left" if early else "right")  # fmt: skip


def common_seconds(records: pd.DataFrame, arms: list[str]) -> float:
    """What the quickest of the arms that end at the same updates has used in all, seeds averaged.

    Arms of a head alone train for longer in updates and for much shorter in seconds; they do not set the budget.
    """
    used = records[records["arm"].isin(arms)].groupby(["arm", "seed"])[["seconds", "updates"]].max()
    means = used.groupby("arm").mean()
    return float(means[means["updates"] <= 1.01 * means["updates"].min()]["seconds"].min())


def seconds_caption(arms: Arms) -> str:
    """Who reaches what the baseline ends with, and after how many seconds; of arms from the same weights."""
    by = arms.section.measure.objective
    stairs = {name: found for name in arms.shown if len((found := staircase(arms, name))[0])}
    base = next((name for name in stairs if arms.who[name].strategy == BASELINE), next(iter(stairs), None))
    if base is None:
        return "No epoch has a figure yet."
    stairs = {name: found for name, found in stairs.items() if arms.starts[name] == arms.starts[base]}
    goal = float(stairs[base][1][-1])
    arrived = {name: float(x[np.argmax(np.asarray(by.turned(1) * mean) >= by.turned(goal))])
               for name, (x, mean, _, _) in stairs.items() if by.turned(float(mean[-1])) >= by.turned(goal)}  # fmt: skip
    took, reached = arrived.pop(base), arrived
    said = f"The best so far on {arms.split}: {arms.label(base)} has {as_text(by.metric, goal)} after {rounded(took)} s"
    others = [arms.label(name) for name in stairs if name != base]
    if not others:
        return f"{said}, mean over seeds."
    if len(others) == 1:
        how = (
            f"reaches it after {rounded(next(iter(reached.values())))} s"
            if reached
            else "does not get there in its own time"
        )
        return f"{said}; {others[0]} {how}."
    alike = " from these weights" * (len(others) + 1 < len(arms.shown))
    if not reached:
        return f"{said}; none of the {len(others)} others{alike} gets there in its own time."
    first = min(reached, key=lambda name: reached[name])
    how_many = f"{len(reached)} of the {len(others)} others{alike} {'reach' if len(reached) > 1 else 'reaches'} it"
    how_many = f"all {len(others)} others{alike} reach it" if len(reached) == len(others) else how_many
    return f"{said}; {how_many}, {arms.label(first)} first, after {rounded(reached[first])} s."


def has_time(arms: Arms) -> bool:
    """Whether some arm was ever looked at."""
    return any(len(staircase(arms, name)[0]) for name in arms.shown)
