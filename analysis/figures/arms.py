"""Figures of a head-to-head: arms side by side, seeds as a line (mean) and a band (lowest to highest).

Records carry an `arm` column. A curriculum's twins have its colour and another dash.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.figures.style import COLOURS, DASHES, legend_below, loss_axis, plt, styled, whole_epochs
from console.wording import many

POINTS = 80  # of a curve over updates or seconds, where seeds do not meet at the same places
TOO_FAR = 4  # times as long: one linear axis would press the shorter arms together
TWIN_DASHES = {"random": "--", "hard_first": ":"}
Styles = dict[str, dict]
Curve = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # x, mean, lowest, highest


def styles_of(arms: list[str]) -> Styles:
    """Colour and dash of each arm."""
    mains = [arm for arm in arms if "/" not in arm]
    styles: Styles = {}
    for i, arm in enumerate(mains):
        styles[arm] = {"color": COLOURS[i % len(COLOURS)], "ls": DASHES[i // len(COLOURS) % len(DASHES)]}
    for arm in arms:
        partner, _, order = arm.partition("/")
        if order:
            of_partner = next(
                (s for name, s in styles.items() if name.split(" [")[0] == partner), {"color": COLOURS[-1]}
            )
            styles[arm] = of_partner | {"ls": TWIN_DASHES.get(order.split(" [")[0], "-.")}
    return styles


def curve(rows: pd.DataFrame, x: str, y: str) -> Curve:
    """One arm's seeds as mean, lowest and highest, where all of them have values."""
    seeds = [of_seed.sort_values(x) for _, of_seed in rows.groupby("seed")]
    if x == "epoch":
        at = np.arange(1, min(len(of_seed) for of_seed in seeds) + 1)
        values = np.array([of_seed[y].to_numpy()[: len(at)] for of_seed in seeds])
    else:
        first, last = max(s[x].iloc[0] for s in seeds), min(s[x].iloc[-1] for s in seeds)
        at = np.linspace(first, max(first, last), POINTS)
        values = np.array([np.interp(at, s[x], s[y]) for s in seeds])
    return at, values.mean(axis=0), values.min(axis=0), values.max(axis=0)


def best_so_far(rows: pd.DataFrame, x: str) -> Curve:
    """The same for the best accuracy so far: a staircase, since an epoch counts when it is over."""
    seeds = [of_seed.sort_values(x) for _, of_seed in rows.groupby("seed")]
    first, last = max(s[x].iloc[0] for s in seeds), min(s[x].iloc[-1] for s in seeds)
    at = np.geomspace(max(first, 1e-3), max(first, last, 1e-3), POINTS)
    at[0], at[-1] = max(first, 1e-3), max(first, last, 1e-3)
    values = [s["eval_accuracy"].cummax().to_numpy()[_index(s[x].to_numpy(), at)] for s in seeds]
    stacked = np.array(values)
    return at, stacked.mean(axis=0), stacked.min(axis=0), stacked.max(axis=0)


def _index(times: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 1)


def draw(axes: Axes, of: Curve, label: str, style: dict, band: bool = True) -> None:
    x, mean, low, high = of
    axes.plot(x, mean, label=label, marker="o" if len(x) == 1 else None, ms=4, **style)
    if band:
        axes.fill_between(x, low, high, color=style["color"], alpha=0.13, lw=0)


def arm_curves(
    records: pd.DataFrame, arms: list[str], styles: Styles, split: str, x: str, reference: pd.DataFrame | None = None
) -> Figure:
    """Accuracy, loss and KNN of these arms, per epoch or per update. Reference (per epoch): dashed black."""
    with styled():
        figure, places = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
        for axes, (column, label) in zip(places, _measures(split), strict=True):
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
            _title(records, f"Accuracy, loss and KNN per {_word(x)[:-1] if x != 'epoch' else x}"), fontsize=11
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


def twin_curves(records: pd.DataFrame, families: dict[str, list[str]], styles: Styles, split: str) -> Figure:
    """Accuracy per update: one panel per curriculum, with its twins and the baseline."""
    with styled():
        size = (max(6.0, 5.2 * len(families)), 4.2)
        figure, places = plt.subplots(1, len(families), figsize=size, layout="constrained", squeeze=False, sharey=True)
        for axes, (name, members) in zip(places[0], families.items(), strict=True):
            for arm in members:
                draw(axes, curve(records[records["arm"] == arm], "updates", "eval_accuracy"), arm, styles[arm])
            axes.set(xlabel="updates", title=name)
            axes.title.set_fontsize(10)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8)
        places[0][0].set_ylabel(f"{split} accuracy")
        figure.suptitle(_title(records, "Each curriculum beside the same set sizes in another order"), fontsize=11)
        return figure


def arm_seconds(records: pd.DataFrame, arms: list[str], styles: Styles, split: str) -> Figure:
    """Best accuracy so far against seconds; the vertical line is the same budget for all (`common_seconds`)."""
    with styled():
        figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
        for arm in arms:
            draw(axes, best_so_far(records[records["arm"] == arm], "seconds"), arm, styles[arm])
        budget = common_seconds(records, arms)
        axes.axvline(budget, color="black", lw=1, ls=(0, (1, 2)))
        axes.annotate(f"{budget:.3g} s for all", (budget, 0.02), xycoords=("data", "axes fraction"), fontsize=8,
                      xytext=(4, 0), textcoords="offset points")  # fmt: skip
        axes.set(xlabel="seconds of training and scoring (log)", ylabel=f"best {split} accuracy so far")
        far_apart(axes)
        legend_below(figure, axes)
        axes.set_title(_title(records, "Accuracy against time"), fontsize=11)
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
        figure, places = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
        columns = (
            ("share", "share of the training set"),
            ("learning_rate", "learning rate"),
            ("images", "images trained on"),
        )
        for axes, (column, label) in zip(places, columns, strict=True):
            for arm in arms:
                draw(axes, curve(records[records["arm"] == arm], "epoch", column), arm, styles[arm])
            axes.set(xlabel="epoch", ylabel=label)
            axes.set_ylim(bottom=0) if column != "learning_rate" else axes.set_yscale("log")
        if _spread(records, arms, "epoch") > TOO_FAR:
            for axes in places:
                far_apart(axes)
        else:
            whole_epochs(places)
        legend_below(figure, places[0])
        figure.suptitle(_title(records, "Schedules"), fontsize=11)
        return figure


def class_counts(records: pd.DataFrame, arms: list[str], classes: list[str]) -> Figure:
    """Images of each class per epoch, one panel per curriculum, first seed: a class that vanishes is seen here."""
    with styled():
        size = (max(6.0, 4.4 * len(arms)), 3.9)
        figure, places = plt.subplots(1, len(arms), figsize=size, layout="constrained", squeeze=False)
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


def forest(rows: pd.DataFrame, label: Callable[[pd.Series], str], title: str, column: str = "mean") -> Figure:
    """Differences in points with their 95 % t intervals; the grey bar is the bootstrap's. Rows without one: a dot."""
    with styled():
        figure, axes = plt.subplots(figsize=(8, 0.9 + 0.38 * len(rows)), layout="constrained")
        for place, (_, row) in enumerate(rows[::-1].iterrows()):
            if not np.isnan(row["low"]):
                axes.plot([100 * row["boot_low"], 100 * row["boot_high"]], [place] * 2, color="#BBBBBB", lw=6, zorder=1)
                axes.plot([100 * row["low"], 100 * row["high"]], [place] * 2, color=COLOURS[0], lw=1.6, zorder=2)
            axes.plot(100 * row[column], place, "o", color=COLOURS[0], ms=5, zorder=3)
        axes.axvline(0, color="black", lw=0.9)
        axes.set_yticks(range(len(rows)), [label(row) for _, row in rows[::-1].iterrows()], fontsize=8)
        axes.set(xlabel="difference in accuracy, points", ylim=(-0.6, len(rows) - 0.4))
        axes.grid(False, axis="y")
        axes.set_title(title, fontsize=11)
        return figure


def _title(records: pd.DataFrame, text: str) -> str:
    seeds = records["seed"].nunique()
    return f"{text} ({many(seeds, 'seed')}: {'mean, lowest and highest' if seeds > 1 else 'no interval'})"
