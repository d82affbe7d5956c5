"""What the arms of a head-to-head did, and what it cost: ribbons, learning rates, bars. What is constant is only said."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.figures.axes import End, height_of, label_ends, limits
from analysis.figures.drawing import Panel
from analysis.figures.ribbons import changes, in_words, ribbon, varies
from analysis.figures.side_by_side import LONGEST, MOST_PANELS, Arms, gid_of, listed, shortened
from analysis.figures.style import LABEL, SMALL
from analysis.rulebook.plan import BASELINE
from analysis.statistics import Floats
from console.wording import many, rounded

PROGRESS = 40  # places along a training at which rates are compared
ALIKE = 0.05  # of the largest rate: rates that differ by no more are one line


def moving(arms: Arms) -> list[str]:
    """The shown arms whose share or classes change, by their first seed."""
    return [name for name in arms.shown if changes(arms.first_seed(name))]


def schedules_panels(arms: Arms) -> list[Panel]:
    """A ribbon per curriculum that changes what it trains on, and the rates where they change."""
    ribbons = moving(arms)[:MOST_PANELS]
    classes = min(len(arms.section.classes), 10)
    found = [Panel(partial(_ribbon, arms, name), height=height_of(classes)) for name in ribbons]
    rates = rate_groups(arms)
    return found + [Panel(partial(_rates, arms, rates), height=height_of(len(rates)))] * bool(rates)


def _ribbon(arms: Arms, name: str, axes: Axes) -> None:
    ribbon(axes, arms.first_seed(name), arms.section.classes, arms.colours[name], gid_of(name))
    axes.set_title(arms.label(name))


def rate_groups(arms: Arms) -> list[tuple[list[str], Floats]]:
    """Arms whose learning rates change, those of one course together; none where all rates are constant."""
    groups: list[tuple[list[str], Floats]] = []
    along = np.linspace(0, 1, PROGRESS)
    for name in arms.shown:
        rows = arms.first_seed(name)
        rates, done = rows["learning_rate"].to_numpy(float), rows["updates"].to_numpy(float)
        begun = np.concatenate([[0.0], done[:-1]]) / max(
            float(done[-1]), 1.0
        )  # a rate is that of an epoch's first update
        course = np.interp(along, begun, rates)
        if not varies(rates, ALIKE):
            continue
        like = next((group for group, other in groups if np.abs(other - course).max() <= _near(other)), None)
        if like is None:
            groups.append(([name], course))
        else:
            like.append(name)
    return groups


def _near(course: Floats) -> float:
    return 4 * ALIKE * float(course.max())  # few epochs are few readings of one course


def _rates(arms: Arms, groups: list[tuple[list[str], Floats]], axes: Axes) -> None:
    along = np.linspace(0, 1, PROGRESS)
    axes.set(title="Learning rate", xlabel="part of the training", ylabel="learning rate", xlim=(0, 1),
             ylim=(0, limits(np.concatenate([course for _, course in groups]))[1]))  # fmt: skip
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}")
    ends = []
    for names, course in groups:
        name = names[0]
        label = _of_group(arms, names)
        axes.plot(along, course, color=arms.colours[name], ls=arms.dashes[name], label=label, gid=gid_of(name))
        ends.append(End(1.0, float(course[-1]), label, arms.colours[name], gid_of(name)))
    label_ends(axes, ends)


def _of_group(arms: Arms, names: list[str]) -> str:
    if len(names) == 1:
        return arms.label(names[0])
    if len(names) == len(arms.shown):
        return f"all {len(names)} arms"
    return f"{shortened(arms.labels[names[0]], LONGEST - 9)} + {len(names) - 1} more"


def schedules_caption(arms: Arms) -> str:
    """Who trained on everything throughout, and how the others went."""
    rows = {name: arms.first_seed(name) for name in arms.shown}
    everything = [
        name for name in arms.shown if in_words(rows[name]).endswith("everything") and not changes(rows[name])
    ]
    parts: list[str] = []
    if everything:
        parts.append(f"{_all_of(arms, everything)} trained on everything from epoch 1")
    courses: dict[str, list[str]] = {}
    for name in arms.shown:
        if name not in everything:
            courses.setdefault(in_words(rows[name]), []).append(name)
    parts += [f"the share of {listed(map(arms.label, names))} {how}" for how, names in courses.items()]
    said = "; ".join(parts)
    sides = [f"{arms.label(name)} showed its images at {int(side.min())} to {int(side.max())} px"
             for name in arms.shown if len(side := rows[name]["side"].dropna()) and side.min() < side.max()]  # fmt: skip
    begun = f"T{said[1:]}" if said.startswith("the ") else said
    return f"{'; '.join([begun, *sides])} (first seed)."


def _all_of(arms: Arms, names: list[str]) -> str:
    if len(names) == len(arms.shown) and len(names) > 1:
        return f"All {len(names)} arms"
    return listed(map(arms.label, names), 4)


def costs(arms: Arms) -> pd.DataFrame:
    """A row per shown arm: seconds, images trained on and images scored of a training, seeds averaged."""
    columns = ["seconds", "images_trained", "images_scored"]
    return arms.section.arms.groupby("arm")[columns].mean().reindex(arms.shown).fillna(0.0)


def costs_panels(arms: Arms) -> list[Panel]:
    """Bars per arm: seconds; and images, trained on and only ranked."""
    height = 0.9 + 0.2 * len(arms.shown)
    return [Panel(partial(_bars, arms, columns, title), height=max(height, 1.4)) for columns, title in (
        (("seconds",), "seconds of training and scoring"), (("images_trained", "images_scored"), "images trained on + ranked"))]  # fmt: skip  # noqa: E501


def _bars(arms: Arms, columns: tuple[str, ...], title: str, axes: Axes) -> None:
    table = costs(arms)[::-1]
    for place, (name, row) in enumerate(table.iterrows()):
        start = 0.0
        for column, alpha in zip(columns, (0.85, 0.35), strict=False):
            if row[column]:
                axes.barh(place, row[column], 0.66, left=start, color=arms.colours[str(name)], alpha=alpha, lw=0,
                          gid=gid_of(str(name)))  # fmt: skip
            start += float(row[column])
        shown = " + ".join(rounded(row[column]) for column in columns
                           if row[column] or column == columns[0])  # fmt: skip
        axes.annotate(shown, (start, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=SMALL,
                      gid=gid_of(str(name)))  # fmt: skip
    axes.set_yticks(range(len(table)), [arms.label(str(name)) for name in table.index], fontsize=LABEL)
    most = float(table[list(columns)].sum(axis=1).max())
    axes.set(title=title[0].upper() + title[1:], xlim=(0, 1.35 * most or 1), ylim=(-0.6, len(table) - 0.4),
             xlabel="a training, seeds averaged")  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.grid(False, axis="y")


def costs_caption(arms: Arms) -> str:
    """From the quickest to the slowest, beside the baseline; who ranks most."""
    table = costs(arms)
    quick, slow = str(table["seconds"].idxmin()), str(table["seconds"].idxmax())
    ends = [f"{rounded(table['seconds'][name])} s" for name in (quick, slow)]
    apart = "A" if len(arms.names) == len(arms.without_twins) else "Twins apart, a"
    if ends[0] == ends[1]:
        said = f"{apart} training took {ends[0]}{' in every arm' * (len(table) > 1)}"
    else:
        said = f"{apart} training took from {ends[0]} ({arms.label(quick)}) to {ends[1]} ({arms.label(slow)})"
    base = next((name for name in arms.shown if arms.who[name].strategy == BASELINE), None)
    if ends[0] != ends[1] and base not in (None, quick, slow):
        said += f", {arms.label(str(base))} {rounded(table['seconds'][base])} s"
    ranked = table["images_scored"]
    if not ranked.any():
        return f"{said}; none of them ranks images."
    if len(ranked) > 1 and ranked.nunique() == 1:
        return f"{said}; each ranks {many(ranked.iloc[0], 'image')}."
    most = str(ranked.idxmax())
    return (
        f"{said}; {arms.label(most)} ranks most, {many(ranked[most], 'image')} for {table['images_trained'][most]:,.0f} "
        "trained on."
    )


def has_schedules(arms: Arms) -> bool:
    """Whether some arm's share, classes or rate change."""
    return bool(moving(arms) or rate_groups(arms))
