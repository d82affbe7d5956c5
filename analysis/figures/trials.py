"""Figures of single trials: learning curves, the best so far against seconds, and what one trial did in each epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.axes import (
    End,
    height_of,
    label_ends,
    limits,
    mark_outside,
    say_outside,
    whole_span,
)
from analysis.figures.drawing import Drawing, Panel
from analysis.figures.ribbons import changes, in_words, ribbon, varies
from analysis.figures.side_by_side import shortened
from analysis.figures.style import ANCHORS, COLOURS, INK, OTHERS, PLAIN, drawable, strategy_colour
from analysis.ranking import ranked
from analysis.runs import LoadedRun, looked
from analysis.statistics import Floats
from console.wording import many, rounded, value
from trainables.metrics import as_text, get_metric

MOST_GREY = 60  # trials without a name in one panel; more only make it darker
MOST_POINTS = 80  # of a line


@dataclass(frozen=True)
class Trials:
    """The trials of a run, and the names of those that are drawn in colour, best first."""

    run: LoadedRun
    names: dict[int, str]
    reference: pd.DataFrame | None = None  # a curve to draw beside ours

    @property
    def words(self) -> dict[str, str]:
        return {"split": self.run.eval_split}

    @property
    def metric(self) -> str:
        """What trials are picked by."""
        return self.run.measure.objective.metric

    def known(self, column: str) -> pd.DataFrame:
        """The epochs that have a figure in this column, in their order."""
        rows = drawable(self.run.records)
        return rows[rows[column].notna()].sort_values(["trial", "epoch"])


@dataclass(frozen=True)
class OneTrial:
    """One trial of a run."""

    run: LoadedRun
    trial: int
    name: str

    @property
    def words(self) -> dict[str, str]:
        return {"trial": f"{self.trial:04d}", "name": self.name}

    @property
    def records(self) -> pd.DataFrame:
        return self.run.records[self.run.records["trial"] == self.trial].sort_values("epoch")


def accent(run: LoadedRun) -> str:
    """The colour of a search: its strategy's; that of plain fine-tuning is grey, which other trials have."""
    found = strategy_colour(str(run.about["setting"]["strategy"]))
    return COLOURS[0] if found == PLAIN else found


def gid_of(trial: int) -> str:
    """By which a page finds what belongs to the trial."""
    return f"trial:{trial}"


def curves_panels(of: Trials) -> list[Panel]:
    """What trials are picked by, and the loss, per epoch."""
    height = height_of(len(of.names) + (of.reference is not None))
    return [Panel(partial(_per_epoch, of, name), height=height) for name in dict.fromkeys((of.metric, "loss"))]


def _per_epoch(of: Trials, metric: str, axes: Axes) -> None:
    column, title = f"eval_{metric}", get_metric(metric).title
    rows = of.known(column)
    beside = of.reference if metric in ("accuracy", "loss") else None
    known = [] if beside is None else beside[metric].to_list()
    axes.set(title=f"{title[0].upper()}{title[1:]} per epoch", xlabel="epoch", ylabel=f"{of.run.eval_split} {title}",
             ylim=limits([*rows[column], *known]))  # fmt: skip
    last = float(rows["epoch"].max()) if len(rows) else 1.0
    whole_span(axes, 1, last if beside is None else max(last, float(beside["epoch"].max())))
    ends = _trials(axes, rows, of, "epoch", column)
    if beside is not None:
        axes.plot(beside["epoch"], beside[metric], ls=ANCHORS, color=INK, lw=1.2, label="reference")
        ends.append(End(float(beside["epoch"].iloc[-1]), float(beside[metric].iloc[-1]), "reference", INK))
    label_ends(axes, ends)


def _trials(axes: Axes, rows: pd.DataFrame, of: Trials, x: str, y: str, steps: bool = False) -> list[End]:
    """One line per trial: the named ones in the strategy's colour, others thin and grey, MOST_GREY of them at most."""
    outside = 0
    for trial, label in _grey(rows, of.names):
        outside += _line(axes, rows[rows["trial"] == trial], x, y, (OTHERS, "-", 0.8), label, gid_of(trial), steps)
    ends = []
    for place, (trial, name) in enumerate(of.names.items()):
        own = rows[rows["trial"] == trial]
        if own.empty:
            continue
        anchor = of.run.asked[trial].anchor
        colour = INK if anchor else accent(of.run)
        look = (colour, ANCHORS if anchor else "-", 1.2 if anchor else 2.2 if place == 0 else 1.1)
        outside += _line(axes, own, x, y, look, name, gid_of(trial), steps)
        end = own.iloc[-1]
        ends.append(End(float(end[x]), float(end[y]), shortened(name), colour, gid_of(trial)))
    say_outside(axes, outside)
    return ends


def _grey(rows: pd.DataFrame, names: dict[int, str]) -> Iterator[tuple[int, str]]:
    """The trials without a name, evenly spread, and what the first one's line is called."""
    trials = [trial for trial in rows["trial"].unique() if trial not in names]
    drawn = trials[:: -(-len(trials) // MOST_GREY)] if trials else []
    label = f"{len(drawn)} of the {len(trials)} other trials" if len(drawn) < len(trials) else "other trials"
    for place, trial in enumerate(drawn):
        yield int(trial), "_other" if place else label


def _line(
    axes: Axes, rows: pd.DataFrame, x: str, y: str, look: tuple[str, object, float], label: str, gid: str, steps: bool
) -> int:
    colour, dash, width = look
    kept = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_POINTS)).astype(int))]
    at, to = kept[x].to_numpy(float), kept[y].to_numpy(float)
    axes.plot(at, to, ls=dash, color=colour, lw=width, label=label, gid=gid, zorder=1 if colour == OTHERS else 2,
              drawstyle="steps-post" if steps else "default", marker="o" if len(kept) == 1 else None, ms=3.5)  # fmt: skip
    return mark_outside(axes, at, to, colour, gid, line=True)


def curves_caption(of: Trials) -> str:
    """What the best reached, and when; what half of the trials did not pass."""
    rows, by = of.known(f"eval_{of.metric}"), of.run.measure.objective
    rows = looked(rows)
    if rows.empty:
        return "No trial has been looked at yet."
    column = f"eval_{of.metric}"
    order = [column, "eval_loss", "trial", "epoch"]
    best = rows.sort_values(order, ascending=[by.lower_is_better, True, True, True]).iloc[0]
    last = int(rows[rows["trial"] == best["trial"]]["epoch"].max())
    tops = rows.groupby("trial")[column].agg("min" if by.lower_is_better else "max")
    figure, low, high = (as_text(of.metric, number) for number in (best[column], tops.min(), tops.max()))
    said = f"Trial {int(best['trial'])} has the best epoch, {figure} in epoch {int(best['epoch'])} of {last}"
    if len(tops) > 1:
        said += f"; the best epochs of all {len(tops)} trials go from {low} to {high}"
    seeds = of.run.records["seed"].nunique()
    return f"{said} ({many(seeds, 'seed')}{', so no interval' * (seeds == 1)})."


def seconds_panels(of: Trials) -> list[Panel]:
    """The best so far against seconds of training and scoring; the dot is a named trial's best epoch."""
    return [Panel(partial(_against_seconds, of), height=height_of(len(of.names)))]


def so_far(of: Trials) -> pd.DataFrame:
    """The epochs with a look that counts, and the best of their trial so far."""
    column = f"eval_{of.metric}"
    counted = looked(of.known(column))
    best = counted.groupby("trial")[column]
    return counted.assign(so_far=best.cummin() if of.run.measure.objective.lower_is_better else best.cummax())


def _against_seconds(of: Trials, axes: Axes) -> None:
    rows, title = so_far(of), of.run.measure.title
    axes.set(title="Best so far against time", xlabel="seconds of training and scoring",
             ylabel=f"best {of.run.eval_split} {title}", ylim=limits(rows["so_far"]),
             xlim=(0, 1.02 * max(float(rows["seconds"].max()) if len(rows) else 0.0, 1e-3)))  # fmt: skip
    ends = _trials(axes, rows, of, "seconds", "so_far", steps=True)
    for end, trial in zip(ends, [trial for trial in of.names if (rows["trial"] == trial).any()], strict=True):
        own = rows[rows["trial"] == trial]
        top = own[own["so_far"] == own["so_far"].iloc[-1]].iloc[0]
        low, high = axes.get_ylim()
        if low <= top["so_far"] <= high:
            axes.plot([top["seconds"]], [top["so_far"]], "o", color=end.colour, ms=4, gid=end.gid)
    label_ends(axes, ends)


def seconds_caption(of: Trials) -> str:
    """How long the best took, and when it passed the best anchor."""
    rows, by = so_far(of), of.run.measure.objective
    if rows.empty:
        return "No trial has been looked at yet."
    ends = rows.groupby("trial")["so_far"].last()
    best = int(ranked(of.run.finals[of.run.finals["trial"].isin(ends.index)], by)["trial"].iloc[0])
    own = rows[rows["trial"] == best]
    took = float(own[own["so_far"] == ends[best]]["seconds"].iloc[0])
    said = f"Trial {best} took {rounded(took)} s to its best, {as_text(of.metric, ends[best])}"
    anchors = {trial: ends[trial] for trial in ends.index if of.run.asked[trial].anchor and trial != best}
    if anchors:
        first = max(anchors, key=lambda trial: by.turned(anchors[trial]))
        passed = own[own["so_far"].map(by.turned) >= by.turned(anchors[first])]
        name = of.run.asked[first].anchor
        if len(passed):
            figure = as_text(of.metric, anchors[first])
            said += f"; after {rounded(passed['seconds'].iloc[0])} s it had the {figure} of the anchor {name}"
    return f"{said}."


def schedule_panels(of: OneTrial) -> list[Panel]:
    """What changes from epoch to epoch: what is trained on, the learning rate, the size of images."""
    rows, found = of.records, []
    if changes(rows):
        found.append(Panel(partial(_ribbon, of), height=height_of(min(len(of.run.classes), 10))))
    for column, label in CHANGING:
        if _varies(rows, column):
            found.append(Panel(partial(_course, of, column, label)))
    return found


CHANGING = (("learning_rate", "learning rate"), ("side", "pixels a side"))


def _varies(rows: pd.DataFrame, column: str) -> bool:
    return column in rows and varies(rows[column].to_numpy(float))


def _ribbon(of: OneTrial, axes: Axes) -> None:
    ribbon(axes, of.records, of.run.classes, accent(of.run), gid_of(of.trial))
    axes.set_title(f"Trained on, {of.name}" if len(of.name) < 20 else "Trained on")


def _course(of: OneTrial, column: str, label: str, axes: Axes) -> None:
    rows = of.records
    kept = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_POINTS)).astype(int))]
    axes.plot(
        kept["epoch"], kept[column], color=accent(of.run), drawstyle="steps-mid", gid=gid_of(of.trial), label=label
    )
    top: Floats = kept[column].to_numpy(float)
    axes.set(title=label[0].upper() + label[1:], xlabel="epoch", ylabel=label, ylim=(0, 1.08 * float(np.nanmax(top))))
    axes.yaxis.set_major_formatter(lambda number, _: f"{number:.3g}")
    whole_span(axes, float(rows["epoch"].min()), float(rows["epoch"].max()))


def schedule_caption(of: OneTrial) -> str:
    """How share, rate and size went, or that they stayed."""
    rows = of.records
    if rows.empty:
        return f"{of.name} has no epoch yet."
    parts = [f"share {in_words(rows).replace('everything', '1.00')}"]
    for column, label in CHANGING:
        known = rows[column].dropna() if column in rows else rows.iloc[:0]["epoch"]
        if len(known):
            ends = f"went from {value(float(known.iloc[0]))} to {value(float(known.iloc[-1]))}"
            parts.append(f"{label} {ends if _varies(rows, column) else f'stayed at {value(float(known.iloc[0]))}'}")
    return f"{of.name[0].upper()}{of.name[1:]}: {'; '.join(parts)}."


OF_TRIALS: tuple[Drawing[Trials], ...] = (
    Drawing("curves", curves_caption, curves_panels, wants=lambda of: len(of.known(f"eval_{of.metric}")) > 0),
    Drawing("accuracy_seconds", seconds_caption, seconds_panels, wants=lambda of: len(so_far(of)) > 0),
)
OF_ONE_TRIAL: tuple[Drawing[OneTrial], ...] = (
    Drawing("schedule_{trial}", schedule_caption, schedule_panels, wants=lambda of: len(schedule_panels(of)) > 0),
)
