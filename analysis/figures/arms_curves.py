"""Learning curves of a head-to-head: over updates a panel per strategy beside the baseline, and beside a reference."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
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
from analysis.figures.curves import Curve, apart, curve, draw, end_of, extent, strands
from analysis.figures.drawing import Panel
from analysis.figures.side_by_side import MOST_PANELS, TWINS, Arms, counted, listed, shortened
from analysis.figures.style import ANCHORS, INK, SMALL, drawable
from analysis.rulebook.plan import BASELINE
from console.wording import many
from trainables.metrics import as_text, get_metric

TOO_FAR = 4  # times as long: one linear axis would press the shorter arms together


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
        ends_of_band = [found[2], found[3]] if look.band and not apart(found, seeds) else []
        outside += sum(mark_outside(axes, found[0], to, look.colour, look.gid, line=True) for to in ends_of_band)
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
    seeds = counted(arms.records[arms.records["arm"].isin(arms.shown)])
    if not final:
        return f"No epoch has a figure yet ({seeds})."
    means = {name: np.mean(values) for name, values in final.items()}
    low, high = min(means, key=lambda n: means[n]), max(means, key=lambda n: means[n])
    ends = [f"{as_text(by.metric, means[name])} ({arms.label(name)})" for name in (low, high)]
    said = f"At the end of each seed's own training the means on {arms.split} lie between {ends[0]} and {ends[1]}"
    if means[low] == means[high]:
        said = f"At the end of each seed's own training every mean on {arms.split} is {as_text(by.metric, means[low])}"
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
