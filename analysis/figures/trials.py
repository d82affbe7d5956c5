"""Figures of single trials: learning curves, accuracy against seconds, and what one trial did in each epoch."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.drawing import Drawing
from analysis.figures.style import (
    COLOURS,
    DASHES,
    OTHERS,
    drawable,
    legend_below,
    log_rates,
    loss_axis,
    panels,
    styled,
    whole_epochs,
)
from analysis.runs import LoadedRun, looked

MOST_GREY = 60  # trials without a name in one panel; more only make it darker


@dataclass(frozen=True)
class Trials:
    """The trials of a run, and the names of those that are drawn in colour."""

    run: LoadedRun
    names: dict[int, str]
    reference: pd.DataFrame | None = None  # a curve to draw beside ours

    @property
    def words(self) -> dict[str, str]:
        return {"split": self.run.eval_split}


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
        return self.run.records[self.run.records["trial"] == self.trial]


def learning_curves(records: pd.DataFrame, names: dict[int, str], split: str, reference: pd.DataFrame | None) -> Figure:
    """Accuracy and loss per epoch. `names` are the trials in colour; the others are grey. Reference: dashed black."""
    with styled():
        figure, (left, right) = panels(1, 2, figsize=(11, 4.6), layout="constrained")
        records = drawable(records)
        for axes, column in ((left, "eval_accuracy"), (right, "eval_loss")):
            _trials(axes, records, names, "epoch", column)
            axes.set(xlabel="epoch", ylabel=f"{split} {column.removeprefix('eval_')}")
        loss_axis(right)
        whole_epochs((left, right))
        if reference is not None:
            for axes, column in ((left, "accuracy"), (right, "loss")):
                axes.plot(reference["epoch"], reference[column], "k--", lw=1.2, label="reference")
        legend_below(figure, left)
        figure.suptitle(_title(records, "Accuracy and loss per epoch"), fontsize=11)
        return figure


def accuracy_against_seconds(records: pd.DataFrame, names: dict[int, str], split: str) -> Figure:
    """Best accuracy so far against seconds of training and scoring; the dot is the trial's best epoch."""
    with styled():
        figure, axes = panels(figsize=(7.5, 4.5))
        counted = looked(records)
        best = counted.assign(so_far=counted.groupby("trial")["eval_accuracy"].cummax())
        _trials(axes, best, names, "seconds", "so_far")
        for colour, trial in zip(_cycle(COLOURS), names, strict=False):
            one = counted[counted["trial"] == trial]
            top = one[one["eval_accuracy"] == one["eval_accuracy"].max()][:1]  # none before the first mark
            axes.plot(top["seconds"], top["eval_accuracy"], "o", color=colour, ms=5)
        axes.set(xlabel="seconds of training and scoring", ylabel=f"best {split} accuracy so far", xlim=(0, None))
        axes.legend(loc="lower right", fontsize=8)
        axes.set_title(_title(records, "Accuracy against time"), fontsize=11)
        return figure


def schedule(records: pd.DataFrame, classes: list[str], name: str) -> Figure:
    """What one trial did per epoch: share, learning rate, images, and the images of each class it trained on."""
    with styled():
        figure, axes = panels(2, 2, figsize=(11, 6.2), sharex=True, layout="constrained")
        plots = (
            ("share", "share of the training set"),
            ("learning_rate", "learning rate"),
            ("images", "images trained on"),
        )
        for place, (column, label) in zip(axes.flat, plots, strict=False):
            place.plot(records["epoch"], records[column], color=COLOURS[0], drawstyle="steps-mid")
            place.set(ylabel=label, ylim=(0, None))
        if records["learning_rate"].max() > 20 * records["learning_rate"].min() > 0:
            axes[0, 1].autoscale(axis="y")
            log_rates(axes[0, 1])
        counts = pd.DataFrame(records["class_counts"].tolist(), columns=classes)
        for i, column in enumerate(classes):
            style = DASHES[i // len(COLOURS) % len(DASHES)]
            axes[1, 1].plot(
                records["epoch"], counts[column], style, color=COLOURS[i % len(COLOURS)], label=column, lw=1.4
            )
        axes[1, 1].set(ylabel="images of each class", ylim=(0, None))
        axes[1, 1].legend(fontsize=7, ncol=2)
        whole_epochs(axes[1])
        for place in axes[1]:
            place.set_xlabel("epoch")
        figure.suptitle(_title(records, f"Schedule of {name}"), fontsize=11)
        return figure


def _trials(axes: Axes, records: pd.DataFrame, names: dict[int, str], x: str, y: str) -> None:
    """One line per trial: the named ones in colour and dash, the others thin and grey, MOST_GREY of them at most."""
    others = records[~records["trial"].isin(list(names))]
    trials = others["trial"].unique()
    drawn = trials[:: -(-len(trials) // MOST_GREY)] if len(trials) else trials
    label = f"{len(drawn)} of the {len(trials)} other trials" if len(drawn) < len(trials) else "other trials"
    for trial, rows in others[others["trial"].isin(drawn)].groupby("trial"):
        axes.plot(rows[x], rows[y], color=OTHERS, lw=0.8, zorder=1, label=label if trial == drawn[0] else None)
    for i, (trial, name) in enumerate(names.items()):
        rows = records[records["trial"] == trial]
        style = DASHES[i // len(COLOURS) % len(DASHES)]
        axes.plot(rows[x], rows[y], style, color=COLOURS[i % len(COLOURS)], label=name, zorder=2)


def _cycle(colours: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from colours


def _title(records: pd.DataFrame, text: str) -> str:
    seeds = records["seed"].nunique()
    return f"{text} ({seeds} seed{'s' * (seeds > 1)}{', so no interval' * (seeds == 1)})"


OF_TRIALS: tuple[Drawing[Trials], ...] = (
    Drawing(
        "curves",
        "Accuracy and loss per epoch on {split}.",
        lambda of: learning_curves(of.run.records, of.names, of.run.eval_split, of.reference),
    ),
    Drawing(
        "accuracy_seconds",
        "Best accuracy so far against seconds of training and scoring.",
        lambda of: accuracy_against_seconds(of.run.records, of.names, of.run.eval_split),
    ),
)
OF_ONE_TRIAL: tuple[Drawing[OneTrial], ...] = (
    Drawing(
        "schedule_{trial}",
        "What {name} did in each epoch.",
        lambda of: schedule(of.records, of.run.classes, of.name),
    ),
)
