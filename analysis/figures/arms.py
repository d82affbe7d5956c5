"""Figures of a head-to-head: arms side by side, seeds as a line (mean) and a band (lowest to highest).

Records carry an `arm` column. A curriculum's twins have its colour and another dash.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.comparable import Section
from analysis.figures import style
from analysis.figures.drawing import Drawing
from analysis.figures.style import COLOURS, DASHES, legend_below, log_rates, loss_axis, panels, styled, whole_epochs
from analysis.runs import looked
from analysis.statistics import Floats
from console.wording import many
from records.epoch import OWN
from spaces.arm import Arm
from trainables.metrics import get_metric

POINTS = 80  # of a curve over updates or seconds, where seeds do not meet at the same places
SIDE_BY_SIDE = 7  # arms in one panel; more cannot be told apart
STAGED = 4  # panels of class counts
TOO_FAR = 4  # times as long: one linear axis would press the shorter arms together
TWIN_DASHES = {"random": "--", "hard_first": ":"}
Styles = dict[str, dict[str, Any]]
Curve = tuple[Floats, Floats, Floats, Floats]  # x, mean, lowest, highest


@dataclass(frozen=True)
class Arms:
    """The arms of a head-to-head as figures need them: twins stand in figures of their own."""

    section: Section
    names: list[str]  # of every arm, twins too
    reference: pd.DataFrame | None = None  # a curve to draw beside ours, per epoch

    @property
    def words(self) -> dict[str, str]:
        return {"split": self.split}

    @property
    def further(self) -> tuple[str, ...]:
        """What was picked by, where that is a metric of its own."""
        metric = self.section.measure.objective.metric
        return () if metric in OWN else (metric,)

    @property
    def split(self) -> str:
        return self.section.eval_split

    @property
    def records(self) -> pd.DataFrame:
        return self.section.records

    @cached_property
    def styles(self) -> Styles:
        return styles_of([self.section.who[name] for name in self.names])

    @property
    def without_twins(self) -> list[str]:
        return [name for name in self.names if not self.section.who[name].is_twin]

    @property
    def shown(self) -> list[str]:
        """The arms that figures have room for."""
        return self.without_twins[:SIDE_BY_SIDE]

    @property
    def staged(self) -> list[str]:
        """The shown arms that at some time train on less than the whole set; as many as have a panel."""
        least = self.records.groupby("arm")["share"].min()
        return [name for name in self.shown if least[name] < 1][:STAGED]


def styles_of(arms: list[Arm]) -> Styles:
    """Colour and dash of each arm by its name; a twin has its partner's colour."""
    styles: Styles = {}
    for i, arm in enumerate(arm for arm in arms if not arm.is_twin):
        styles[str(arm)] = {"color": COLOURS[i % len(COLOURS)], "ls": DASHES[i // len(COLOURS) % len(DASHES)]}
    for arm in arms:
        if arm.order is not None:
            of_partner = styles.get(str(arm.partner), {"color": COLOURS[-1]})
            styles[str(arm)] = of_partner | {"ls": TWIN_DASHES.get(arm.order, "-.")}
    return styles


def curve(rows: pd.DataFrame, x: str, y: str) -> Curve:
    """One arm's seeds as mean, lowest and highest, where all of them have values."""
    seeds = [of_seed.sort_values(x) for _, of_seed in rows.groupby("seed")]
    if x == "epoch":
        at: Floats = np.arange(1.0, min(len(of_seed) for of_seed in seeds) + 1)
        values = np.array([of_seed[y].to_numpy()[: len(at)] for of_seed in seeds])
    else:
        first, last = max(s[x].iloc[0] for s in seeds), min(s[x].iloc[-1] for s in seeds)
        at = np.linspace(first, max(first, last), POINTS)
        values = np.array([np.interp(at, s[x], s[y]) for s in seeds])
    return at, values.mean(axis=0), values.min(axis=0), values.max(axis=0)


def best_so_far(rows: pd.DataFrame, x: str) -> Curve:
    """The same for the best accuracy so far: a staircase, since an epoch counts when it is over."""
    seeds = [of_seed.sort_values(x) for _, of_seed in looked(rows).groupby("seed")]
    first, last = max(s[x].iloc[0] for s in seeds), min(s[x].iloc[-1] for s in seeds)
    at = np.geomspace(max(first, 1e-3), max(first, last, 1e-3), POINTS)
    at[0], at[-1] = max(first, 1e-3), max(first, last, 1e-3)
    values = [s["eval_accuracy"].cummax().to_numpy()[_index(s[x].to_numpy(), at)] for s in seeds]
    stacked = np.array(values)
    return at, stacked.mean(axis=0), stacked.min(axis=0), stacked.max(axis=0)


def _index(times: Floats, at: Floats) -> npt.NDArray[np.intp]:
    return np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 1)


def draw(axes: Axes, of: Curve, label: str, style: dict[str, Any], band: bool = True) -> None:
    """The mean as a line, and from the lowest to the highest seed as a band."""
    x, mean, low, high = of
    axes.plot(x, mean, label=label, marker="o" if len(x) == 1 else None, ms=4, **style)
    if band:
        axes.fill_between(x, low, high, color=style["color"], alpha=0.13, lw=0)


def arm_curves(
    records: pd.DataFrame,
    arms: list[str],
    styles: Styles,
    split: str,
    x: str,
    reference: pd.DataFrame | None = None,
    further: tuple[str, ...] = (),
) -> Figure:
    """Accuracy, loss, KNN and `further` metrics of these arms, per epoch or update. Reference (per epoch): dashed black."""
    records = style.drawable(records)
    shown = [*_measures(split), *((f"eval_{name}", f"{split} {get_metric(name).title}") for name in further)]
    with styled():
        figure, places = panels(1, len(shown), figsize=(4 * len(shown), 4.2), layout="constrained")
        for axes, (column, label) in zip(places, shown, strict=True):
            for arm in arms:
                draw(axes, curve(records[records["arm"] == arm], x, column), arm, styles[arm])
            axes.set(xlabel=_word(x), ylabel=label)
            if _spread(records, arms, x) > TOO_FAR:
                far_apart(axes)
        if reference is not None:
            for axes, column in zip(places, ("accuracy", "loss"), strict=False):
                axes.plot(reference["epoch"], reference[column], "k--", lw=1.2, label="reference")
        loss_axis(places[1])
        if _spread(records, arms, x) <= TOO_FAR:
            whole_epochs(places, x)
        legend_below(figure, places[0])
        figure.suptitle(
            titled(records, f"Accuracy, loss and KNN per {_word(x)[:-1] if x != 'epoch' else x}"), fontsize=11
        )
        return figure


def _measures(split: str) -> list[tuple[str, str]]:
    return [
        ("eval_accuracy", f"{split} accuracy"),
        ("eval_loss", f"{split} loss"),
        ("eval_knn", f"KNN (k = 5, {split})"),
    ]


def _word(x: str) -> str:
    return {"epoch": "epoch", "updates": "updates", "seconds": "seconds of training and scoring"}[x]


def _spread(records: pd.DataFrame, arms: list[str], x: str) -> float:
    """How many times longer the longest arm is than the shortest."""
    longest = records[records["arm"].isin(arms)].groupby("arm")[x].max()
    return float(longest.max() / longest.min())


def far_apart(axes: Axes) -> None:
    """A logarithmic axis with plain numbers: a head trains for many more epochs and updates than a whole network."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if high / low < 100 else (1, 3), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def arm_seconds(records: pd.DataFrame, arms: list[str], styles: Styles, split: str) -> Figure:
    """Best accuracy so far against seconds; the vertical line is the same budget for all (`common_seconds`)."""
    with styled():
        figure, axes = panels(figsize=(8, 4.8), layout="constrained")
        for arm in arms:
            draw(axes, best_so_far(records[records["arm"] == arm], "seconds"), arm, styles[arm])
        budget = common_seconds(records, arms)
        axes.axvline(budget, color="black", lw=1, ls=(0, (1, 2)))
        axes.annotate(f"{budget:.3g} s for all", (budget, 0.02), xycoords=("data", "axes fraction"), fontsize=8,
                      xytext=(4, 0), textcoords="offset points")  # fmt: skip
        axes.set(xlabel="seconds of training and scoring (log)", ylabel=f"best {split} accuracy so far")
        far_apart(axes)
        legend_below(figure, axes)
        axes.set_title(titled(records, "Accuracy against time"), fontsize=11)
        return figure


def common_seconds(records: pd.DataFrame, arms: list[str]) -> float:
    """What the quickest of the arms that end at the same updates has used in all, seeds averaged.

    Arms of a head alone train for longer in updates and for much shorter in seconds; they do not set the budget.
    """
    used = records[records["arm"].isin(arms)].groupby(["arm", "seed"])[["seconds", "updates"]].max()
    means = used.groupby("arm").mean()
    return float(means[means["updates"] <= 1.01 * means["updates"].min()]["seconds"].min())


def schedules(records: pd.DataFrame, arms: list[str], styles: Styles) -> Figure:
    """What the arms did per epoch: share, learning rate, images; seeds averaged."""
    with styled():
        figure, places = panels(1, 3, figsize=(12, 3.9), layout="constrained")
        columns = (
            ("share", "share of the training set"),
            ("learning_rate", "learning rate"),
            ("images", "images trained on"),
        )
        for axes, (column, label) in zip(places, columns, strict=True):
            for arm in arms:
                draw(axes, curve(records[records["arm"] == arm], "epoch", column), arm, styles[arm])
            axes.set(xlabel="epoch", ylabel=label)
            axes.set_ylim(bottom=0) if column != "learning_rate" else log_rates(axes)
        if _spread(records, arms, "epoch") > TOO_FAR:
            for axes in places:
                far_apart(axes)
        else:
            whole_epochs(places)
        legend_below(figure, places[0])
        figure.suptitle(titled(records, "Schedules"), fontsize=11)
        return figure


def class_counts(records: pd.DataFrame, arms: list[str], classes: list[str]) -> Figure:
    """Images of each class per epoch, one panel per curriculum, first seed: a class that vanishes is seen here."""
    with styled():
        size = (max(6.0, 4.4 * len(arms)), 3.9)
        figure, places = panels(1, len(arms), figsize=size, layout="constrained", squeeze=False)
        for axes, arm in zip(places[0], arms, strict=True):
            rows = records[records["arm"] == arm]
            rows = rows[rows["seed"] == rows["seed"].min()].sort_values("epoch")
            counts = np.array(rows["class_counts"].tolist())
            for i, name in enumerate(classes):
                dash = DASHES[i // len(COLOURS) % len(DASHES)]
                axes.plot(rows["epoch"], counts[:, i], dash, color=COLOURS[i % len(COLOURS)], lw=1.3, label=name,
                          marker="o" if len(rows) == 1 else None)  # fmt: skip
            axes.set(xlabel="epoch", ylim=(0, None))
            axes.set_title(arm, fontsize=10)
        whole_epochs(places[0])
        places[0][0].set_ylabel("images of each class")
        legend_below(figure, places[0][0])
        return figure


def titled(records: pd.DataFrame, text: str) -> str:
    """The text, and how many seeds the figure is of."""
    seeds = records["seed"].nunique()
    return f"{text} ({many(seeds, 'seed')}: {'mean, lowest and highest' if seeds > 1 else 'no interval'})"


TRAINING: tuple[Drawing[Arms], ...] = (
    Drawing(
        "arms_epochs",
        "Per epoch, judged on {split}; arms have epochs of different sizes.",
        lambda of: arm_curves(of.records, of.shown, of.styles, of.split, "epoch", of.reference, of.further),
    ),
    Drawing(
        "arms_updates",
        "Per update, judged on {split}: the axis on which arms are compared fairly.",
        lambda of: arm_curves(of.records, of.shown, of.styles, of.split, "updates", further=of.further),
    ),
    Drawing(
        "arms_schedules",
        "What the arms did in each epoch.",
        lambda of: schedules(of.records, of.shown, of.styles),
    ),
    Drawing(
        "arms_classes",
        "Images of each class that were trained on, first seed.",
        lambda of: class_counts(of.records, of.staged, of.section.classes),
        wants=lambda of: len(of.staged) > 0,
    ),
)
TIME: tuple[Drawing[Arms], ...] = (
    Drawing(
        "arms_seconds",
        "Best accuracy so far against seconds of training and scoring; the dotted line is the same budget for all.",
        lambda of: arm_seconds(of.records, of.shown, of.styles, of.split),
    ),
)
