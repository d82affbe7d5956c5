"""Learning curves of a head-to-head: a panel per strategy beside the baseline, and the best so far against seconds."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.axes import (
    End,
    covering,
    fitted,
    height_of,
    label_ends,
    limits,
    log_x,
    mark_outside,
    say_outside,
    whole_span,
)
from analysis.figures.curves import Curve, apart, best_so_far, curve, draw, end_of, extent, strands
from analysis.figures.drawing import Panel
from analysis.figures.side_by_side import MOST_PANELS, TWINS, Arms, counted, listed, shortened
from analysis.figures.style import ANCHORS, INK, SMALL, drawable
from analysis.rulebook.plan import BASELINE
from console.wording import many
from trainables.metrics import as_text, get_metric

TOO_FAR = 4  # times as long: one linear axis would press the shorter arms together
APART = 1.05  # times as many seconds: else a line for the budget says nothing


@dataclass(frozen=True)
class Family:
    """The arms of one panel: a strategy from all its weights, its twins, and the baseline beside them."""

    title: str
    own: list[str]
    twins: list[str]
    baselines: list[str]

    @property
    def members(self) -> list[str]:
        return [*self.baselines, *self.twins, *self.own]


def families(arms: Arms) -> list[Family]:
    """One per strategy and run, in the order of the arms."""
    groups: dict[str, list[str]] = {}
    for name in arms.others:
        groups.setdefault(str(replace(arms.who[name], weights=None)), []).append(name)
    return [
        Family(
            shortened(title),
            own,
            [twin for name in own for twin in arms.twins(name)],
            [base for base in dict.fromkeys(arms.baseline(name) for name in own) if base],
        )
        for title, own in groups.items()
    ][:MOST_PANELS]


def updates_panels(arms: Arms) -> list[Panel]:
    """What is judged by over updates, one panel per strategy, all with the same upward axis."""
    found = families(arms)
    drawn = {name for family in found for name in family.members}
    seen = [extent(*_both(arms, name, "updates", arms.metric)) for name in drawn]
    shared = limits(np.concatenate(seen))
    return [
        Panel(partial(_family, arms, one, shared), height=height_of(len(one.members)))
        for one in found
        if any(not arms.rows(name)[arms.metric].isna().all() for name in one.own)
    ]


def _both(arms: Arms, name: str, x: str, y: str) -> tuple[Curve, list[tuple[Any, Any]]]:
    rows = drawable(arms.rows(name))
    return curve(rows, x, y), strands(rows, x, y)


def _family(arms: Arms, family: Family, shared: tuple[float, float], axes: Axes) -> None:
    title = get_metric(arms.section.measure.objective.metric).title
    both = [_both(arms, name, "updates", arms.metric) for name in family.members]
    seen, means = (
        np.concatenate(parts) for parts in ([extent(*each) for each in both], [found[1] for found, _ in both])
    )
    reaches = covering(fitted(shared, seen), means) if len(means) else fitted(shared, seen)
    axes.set(title=family.title, xlabel="updates", ylabel=f"{arms.split} {title}", ylim=reaches)
    lines(axes, arms, family.members, "updates", arms.metric, {n: _short(arms, family, n) for n in family.members})


def _short(arms: Arms, family: Family, name: str) -> str:
    """What a line is called in its panel, whose title has the strategy."""
    arm, start = arms.who[name], arms.starts[name]
    several = len({arms.starts[each] for each in family.members}) > 1
    if name in family.baselines:
        return shortened(f"{BASELINE}{f' {start}' * several}")
    said = TWINS.get(arm.order or "", arm.order or ("" if several else arm.strategy))
    return shortened(" ".join([said, start * several]).strip())


def lines(axes: Axes, arms: Arms, names: Iterable[str], x: str, y: str, labels: dict[str, str]) -> None:
    """The curves of these arms with labels at their ends; limits upward must be set."""
    ends, outside, first, last = [], 0, [], []
    for name in names:
        found, seeds = _both(arms, name, x, y)
        if not seeds:
            continue
        look = arms.look(name)
        draw(axes, found, replace(look, band=look.band and y == arms.metric), labels[name], seeds)
        place = end_of(found, seeds)
        if place:
            ends.append(End(*place, labels[name], look.colour, look.gid))
        drawn = seeds if apart(found, seeds) else [found[:2]]
        for of_x, of_y in drawn:
            outside += mark_outside(axes, of_x, of_y, look.colour, look.gid, line=True)
        first.append(min(float(of_x[0]) for of_x, _ in drawn))
        last.append(max(float(of_x[-1]) for of_x, _ in drawn))
    span_x(axes, x, first, last)
    say_outside(axes, outside)
    label_ends(axes, ends)


def span_x(axes: Axes, x: str, first: list[float], last: list[float]) -> None:
    """From the earliest beginning to the latest end; logarithmic where one arm is many times as long as another."""
    if not last:
        return
    far = max(last) > TOO_FAR * max(min(last), 1e-3) and min(first) > 0
    if x == "seconds" and not far:
        axes.set_xlim(0, 1.02 * max(last))
        return
    whole_span(axes, min(first) if far or min(first) > 0.2 * max(last) or x == "epoch" else 0.0, max(last))
    if far:
        log_x(axes)


def updates_caption(arms: Arms) -> str:
    """Where the curves end, and how many bands lie over the baseline's at the end."""
    by = arms.section.measure.objective
    final = {name: last for name in arms.shown if (last := _last(arms, name)) is not None}
    seeds = counted(arms.records["seed"].nunique())
    if not final:
        return f"No epoch has a figure yet ({seeds})."
    means = {name: np.mean(values) for name, values in final.items()}
    low, high = min(means, key=lambda n: means[n]), max(means, key=lambda n: means[n])
    said = f"At their ends the means lie between {as_text(by.metric, means[low])} ({arms.label(low)}) and " \
           f"{as_text(by.metric, means[high])} ({arms.label(high)})"  # fmt: skip
    if means[low] == means[high]:
        said = f"All curves end at {as_text(by.metric, means[low])}"
    compared = [(name, base) for name in final if (base := arms.baseline(name)) in final and base is not None]
    if compared and arms.records["seed"].nunique() > 1:
        over = [name for name, base in compared if final[name].min() <= final[base].max()
                and final[base].min() <= final[name].max()]  # fmt: skip
        said += f"; the range of seeds overlaps {BASELINE}'s for {len(over)} of {len(compared)}"
    loose = [name for name in final if _loose(arms, name)]
    alone = (
        f" Seeds of {listed(map(arms.label, loose))} end too far apart for one mean and have lines of their own."
        if loose
        else ""
    )
    left = len(arms.without_twins) - len(arms.shown)
    more = f" {many(left, 'further arm')} stand in the tables alone." if left else ""
    return f"{said} ({seeds}).{alone}{more}"


def _last(arms: Arms, name: str) -> Any:
    """The last figure of each seed; None where there is none."""
    seeds = strands(drawable(arms.rows(name)), "updates", arms.metric)
    return np.array([y[-1] for _, y in seeds]) if seeds else None


def _loose(arms: Arms, name: str) -> bool:
    found, seeds = _both(arms, name, "updates", arms.metric)
    return not len(found[0]) and len(seeds) > 1


def epochs_panels(arms: Arms) -> list[Panel]:
    """Accuracy and loss per epoch beside the reference curve."""
    return [
        Panel(partial(_beside, arms, column), height=height_of(len(arms.shown) + 1)) for column in ("accuracy", "loss")
    ]


def _beside(arms: Arms, column: str, axes: Axes) -> None:
    reference = arms.reference
    assert reference is not None
    y = f"eval_{column}"
    seen = [extent(*_both(arms, name, "epoch", y)) for name in arms.shown]
    axes.set(title=f"{column.capitalize()} beside the reference", xlabel="epoch", ylabel=f"{arms.split} {column}",
             ylim=limits(np.concatenate([*seen, reference[column].to_numpy(float)])))  # fmt: skip
    lines(axes, arms, arms.shown, "epoch", y, {name: arms.label(name) for name in arms.shown})
    axes.plot(reference["epoch"], reference[column], ls=ANCHORS, color=INK, lw=1.2, label="reference",
              marker="o" if len(reference) == 1 else None, ms=4)  # fmt: skip
    low, high = axes.get_xlim()
    whole_span(axes, min(low, float(reference["epoch"].min())), max(high, float(reference["epoch"].max())))
    axes.annotate("reference", (float(reference["epoch"].iloc[-1]), float(reference[column].iloc[-1])), fontsize=SMALL,
                  xytext=(0, 4), textcoords="offset points", ha="right")  # fmt: skip


def epochs_caption(arms: Arms) -> str:
    """How far the reference and ours stand apart at the end."""
    assert arms.reference is not None
    end = float(arms.reference["accuracy"].iloc[-1])
    ours = {name: float(np.mean(strands(arms.rows(name), "epoch", "eval_accuracy")[0][1][-1:])) for name in arms.shown}
    nearest = min(ours, key=lambda name: abs(ours[name] - end))
    return (
        f"The reference ends at {end:.3f}; nearest to it ends {arms.label(nearest)} on its first seed, at "
        f"{ours[nearest]:.3f}. Arms have epochs of different sizes."
    )


def seconds_panels(arms: Arms) -> list[Panel]:
    """The best so far against seconds of training and scoring."""
    return [Panel(partial(_seconds, arms), width=4.6, height=height_of(len(arms.shown)))]


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
        draw(axes, found, look, arms.label(name))
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
        axes.annotate(f"{budget:.3g} s for all", (budget, 0.02), xycoords=("data", "axes fraction"), fontsize=SMALL,
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
    """Who reaches what the baseline ends with, and after how many seconds."""
    by = arms.section.measure.objective
    stairs = {name: found for name in arms.shown if len((found := staircase(arms, name))[0])}
    base = next((name for name in stairs if arms.who[name].strategy == BASELINE), next(iter(stairs), None))
    if base is None:
        return "No epoch has a figure yet."
    goal, took = float(stairs[base][1][-1]), float(stairs[base][0][-1])
    reached = {name: float(x[np.argmax(np.asarray(by.turned(1) * mean) >= by.turned(goal))])
               for name, (x, mean, _, _) in stairs.items()
               if name != base and by.turned(float(mean[-1])) >= by.turned(goal)}  # fmt: skip
    said = f"{arms.label(base)} has {as_text(by.metric, goal)} after {took:.3g} s"
    if len(stairs) == 1:
        return f"{said}: the best so far on {arms.split}, mean over seeds."
    if len(stairs) == 2:
        other = next(name for name in stairs if name != base)
        how = f"reaches it after {reached[other]:.3g} s" if reached else "does not get there in its own time"
        return f"{said}; {arms.label(other)} {how}."
    if not reached:
        return f"{said}; none of the {len(stairs) - 1} others gets there in its own time."
    first = min(reached, key=lambda name: reached[name])
    how_many = f"{len(reached)} of the {len(stairs) - 1} others {'reach' if len(reached) > 1 else 'reaches'} it"
    return f"{said}; {how_many}, {arms.label(first)} first, after {reached[first]:.3g} s."


def has_time(arms: Arms) -> bool:
    """Whether some arm was ever looked at."""
    return any(len(staircase(arms, name)[0]) for name in arms.shown)
