"""The fields of a search: each trial's value against each of them, and from many trials on which of them mattered."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

from analysis.figures.axes import limits, log_x, mark_outside, say_outside, with_room
from analysis.figures.drawing import Panel
from analysis.figures.searched import MOST_DOTS, Searched
from analysis.figures.side_by_side import shortened
from analysis.figures.study import trials_of
from analysis.figures.style import INK, LABEL, SMALL
from analysis.figures.trials import accent, gid_of
from analysis.statistics import Floats
from console.wording import value

FEWEST_TRIALS = 4  # fewer have no slice worth a look
FEWEST_COMPARED = 12  # of fewer, the best quarter is two trials
MOST_FIELDS = 6  # panels
MOST_BARS = 10
LOG = 10  # times: the reach from which on a field that was drawn logarithmically has such an axis
QUARTER = 0.25  # of the trials, the best ones
NARROW = 0.6  # of the reach: where the best trials keep to less, that is said


def fields(of: Searched) -> list[str]:
    """The searched fields that took two values at least in FEWEST_TRIALS trials, what mattered most first."""
    found = []
    for name in dict.fromkeys(name for trial in trials_of(of.study) for name in trial.params):
        values = [trial.params[name] for trial in trials_of(of.study) if name in trial.params]
        if len(values) >= FEWEST_TRIALS and len(set(values)) > 1:
            found.append(name)
    return sorted(found, key=lambda name: -of.weights.get(name, -1.0))[:MOST_FIELDS]


def slices_panels(of: Searched) -> list[Panel]:
    """Value against each field, one panel per field."""
    return [Panel(partial(_slice, of, name)) for name in fields(of)]


def _having(of: Searched, name: str) -> list[FrozenTrial]:
    return [trial for trial in trials_of(of.study) if name in trial.params]


def _slice(of: Searched, name: str, axes: Axes) -> None:
    trials = _having(of, name)
    x = _places(axes, trials, name)
    y = np.array([trial.value for trial in trials], float)
    values = np.array([trial.value for trial in trials_of(of.study)], float)
    low, high = with_room(limits(values), below=of.by.lower_is_better)
    axes.set(title=shortened(name), xlabel=shortened(name), ylabel=of.values, ylim=(low, high))
    anchors = np.array([bool(of.run.asked[trial.user_attrs["trial"]].anchor) for trial in trials])
    kept = np.zeros(len(trials), bool)
    kept[np.unique(np.linspace(0, len(trials) - 1, min(len(trials), MOST_DOTS)).astype(int))] = True
    drawn = kept & ~anchors & (y >= low) & (y <= high)
    if drawn.any():
        axes.plot(x[drawn], y[drawn], "o", ms=3.6, color=accent(of.run), alpha=0.6, mew=0)
    for i in np.flatnonzero(anchors & (y >= low) & (y <= high)):
        axes.plot(x[i], y[i], "D", ms=4, color=INK, gid=gid_of(trials[i].user_attrs["trial"]))
    _name_the_best(axes, of, trials, x, y)
    say_outside(axes, mark_outside(axes, x, y, accent(of.run)))


def _name_the_best(axes: Axes, of: Searched, trials: list[FrozenTrial], x: Floats, y: Floats) -> None:
    best = int(np.argmax(of.by.turned(1) * y))
    number = trials[best].user_attrs["trial"]
    place = axes.transAxes.inverted().transform(axes.transData.transform((x[best], y[best])))[0]
    side = "left" if place < 0.15 else "right" if place > 0.85 else "center"
    below = of.by.lower_is_better
    axes.annotate(f"trial {number}", (x[best], y[best]), xytext=(0, -4 if below else 4), textcoords="offset points",
                  ha=side, va="top" if below else "bottom", fontsize=SMALL, gid=gid_of(number))  # fmt: skip


def _places(axes: Axes, trials: list[FrozenTrial], name: str) -> Floats:
    """Where the values stand on x; sets up the axis."""
    values = [trial.params[name] for trial in trials]
    drawn_from = trials[0].distributions[name]
    if _is_named(drawn_from, values):
        return _named(axes, values, drawn_from)
    x = np.array(values, float)
    if getattr(drawn_from, "log", False) and x.min() > 0 and x.max() > LOG * x.min():
        axes.set_xlim(x.min() / 1.3, x.max() * 1.3)
        log_x(axes)
    else:
        axes.set_xlim(*limits(x))
        axes.locator_params(axis="x", nbins=4)
        whole = np.all(x == np.round(x))
        if whole:
            axes.locator_params(axis="x", integer=True)
        axes.xaxis.set_major_formatter(lambda number, _: f"{number:,.0f}" if whole else f"{number:.3g}")
    return x


def _is_named(drawn_from: BaseDistribution, values: list[Any]) -> bool:
    return isinstance(drawn_from, CategoricalDistribution)


def _named(axes: Axes, values: list[Any], drawn_from: Any) -> Floats:
    names = [choice for choice in drawn_from.choices if choice in values]
    many = len(names) > 3 or max(len(str(name)) for name in names) > 9
    axes.set_xticks(range(len(names)), [shortened(str(name)) for name in names], fontsize=SMALL,
                    rotation=25 if many else 0, ha="right" if many else "center", rotation_mode="anchor")  # fmt: skip
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(False, axis="x")
    return np.array([names.index(each) for each in values], float)


def slices_caption(of: Searched) -> str:
    """Where the best quarter of the trials lies, in the field in which it keeps closest together."""
    found = {name: kept for name in fields(of) if (kept := _kept(of, name)) is not None}
    dots = "A dot is a trial, a diamond an anchor."
    if of.trials < FEWEST_COMPARED:
        return f"{of.trials} trials show where each of them lies, and too little of any field. {dots}"
    if not found:
        return f"The best quarter of the trials is spread over the whole reach of every field. {dots}"
    name = min(found, key=lambda each: found[each][0])
    _, ends, count = found[name]
    where = f"is {ends[0]} in" if len(ends) == 1 else f"lies between {ends[0]} and {ends[1]} in"
    return f"{name} {where} the {count} best of {len(_having(of, name))} trials. {dots}"


def _kept(of: Searched, name: str) -> tuple[float, list[str], int] | None:
    """(part of the reach, its ends in words, trials) of the best quarter; None where it is no narrow part."""
    trials = sorted(_having(of, name), key=lambda trial: -of.by.turned(trial.value or 0.0))
    best = trials[: max(2, int(QUARTER * len(trials)))]
    values, all_values = [trial.params[name] for trial in best], [trial.params[name] for trial in trials]
    if _is_named(trials[0].distributions[name], all_values):
        part = len(set(values)) / len(set(all_values))
        return (part, [str(values[0])], len(best)) if len(set(values)) == 1 else None
    log = bool(getattr(trials[0].distributions[name], "log", False)) and min(all_values) > 0
    scale = np.log if log else np.asarray
    part = float(np.ptp(scale(values)) / np.ptp(scale(all_values)))
    ends = [value(min(values)), value(max(values))]
    return (part, ends, len(best)) if part < NARROW else None


def importance_panels(of: Searched) -> list[Panel]:
    """A bar per field: the share of the variance that it explains."""
    shown = min(len(of.weights), MOST_BARS)
    return [Panel(partial(_importance, of), height=0.9 + 0.21 * max(shown, 3))]


def _importance(of: Searched, axes: Axes) -> None:
    weights = dict(list(of.weights.items())[:MOST_BARS][::-1])
    bars = axes.barh([shortened(name) for name in weights], list(weights.values()), 0.66, color=accent(of.run))
    axes.bar_label(bars, [f"{weight:.2f}" for weight in weights.values()], padding=3, fontsize=SMALL)
    axes.set(title="What mattered in this search", xlabel="share of the variance explained (fANOVA)",
             xlim=(0, 1.15 * max(weights.values())))  # fmt: skip
    axes.tick_params(axis="y", labelsize=LABEL)
    axes.grid(False, axis="y")


def importance_caption(of: Searched) -> str:
    """What the first two fields explain."""
    (first, most), *rest = of.weights.items()
    said = f"{first} explains {100 * most:.0f} % of the variance between {of.trials} trials"
    if rest:
        said += f", {rest[0][0]}, the next, {100 * rest[0][1]:.0f} %"
    return f"{said}; of fields that every trial has."
