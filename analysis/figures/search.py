"""Figures of a search: Optuna's own, on a study rebuilt from the ledger, and what more trials would have brought."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import optuna
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from optuna import visualization

from analysis.figures.drawing import Drawing
from analysis.figures.study import STATES, importances, rebuild, study_of, trials_of
from analysis.figures.style import COLOURS, OTHERS, STYLE, Drawn, legend_below, panels, styled
from analysis.runs import LoadedRun
from analysis.statistics import Floats, expected_best
from records.epoch import ACCURACY, Objective
from trainables.metrics import get_metric

MOST_LINES = 60  # parallel coordinates: the best trials; more lines hide each other
FEWEST_TRIALS = 4  # fewer have no importance and no slice worth a look
APART = 0.03  # of an axis, between two trials of the front that are both numbered
MOST_FIELDS = 6  # panels of a slice


@dataclass(frozen=True)
class Searched:
    """A search as its figures want it; what takes long is worked out once, and only if a figure wants it."""

    run: LoadedRun

    @property
    def words(self) -> dict[str, str]:
        title = self.run.measure.title
        return {"metric": title, "Metric": title[0].upper() + title[1:]}

    @property
    def exchangeable(self) -> bool:
        """Whether no draw depends on what came before it, so that any few of them are a smaller search."""
        return bool(self.run.about["options"].get("sampler") == "random")

    @property
    def values(self) -> str:
        return f"best {self.run.eval_split} {self.run.measure.title}"

    @cached_property
    def study(self) -> optuna.Study:
        return rebuild(self.run)

    @property
    def trials(self) -> int:
        """How many trials have a value that Optuna's figures can show; none where the search asked for one only."""
        return len(trials_of(self.study)) if len(self.run.finals) > 1 else 0

    @cached_property
    def weights(self) -> dict[str, float]:
        """How much each field matters, most first; empty where there are too few trials to tell."""
        return importances(self.study) if self.trials >= FEWEST_TRIALS else {}

    @property
    def fields(self) -> list[str]:
        return list(self.weights)[:MOST_FIELDS]


def history(study: optuna.Study, values: str) -> Figure:
    """Each trial's value and the best so far, in the order of the trials."""
    with _optuna_draws():
        axes = visualization.matplotlib.plot_optimization_history(study, target_name=values)
        figure = _finished(_figure_of(axes), "Best so far", (7.5, 4.2))
        theirs = axes.get_legend()
        if theirs is not None:
            theirs.remove()
        legend_below(figure, axes)
        return figure


def importance(weights: dict[str, float]) -> Figure:
    """A bar per field: the share of the variance that it explains."""
    with styled():
        figure, axes = panels(figsize=(7, 0.9 + 0.34 * len(weights)), layout="constrained")
        names = list(weights)[::-1]
        bars = axes.barh(names, [weights[name] for name in names], color=COLOURS[0])
        axes.bar_label(bars, [f"{weights[name]:.2f}" for name in names], padding=3, fontsize=8)
        axes.set(xlabel="share of the variance explained (fANOVA)", xlim=(0, 1.12 * max(weights.values())))
        axes.grid(False, axis="y")
        axes.set_title("What mattered in this search: fields that every trial has", fontsize=11)
        return figure


def slices(study: optuna.Study, names: list[str], values: str) -> Figure:
    """Value against each field, one panel per field."""
    with _optuna_draws():
        found = visualization.matplotlib.plot_slice(study, params=names, target_name=values)
        panels = list(found) if isinstance(found, np.ndarray) else [found]
        for axes in panels:
            axes.set_ylabel(values if axes is panels[0] else "")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.tick_params(axis="x", labelsize=8, labelrotation=20 if axes.get_xscale() == "linear" else 0)
        return _finished(_figure_of(panels[0]), "Each field on its own", (max(6.0, 2.9 * len(names)), 3.8))


def parallel(study: optuna.Study, names: list[str], by: Objective = ACCURACY) -> Figure:
    """One line per trial through its fields, two at least; of long searches the best MOST_LINES."""
    best = sorted(trials_of(study), key=lambda trial: -by.turned(trial.value or 0.0))[:MOST_LINES]
    title = get_metric(by.metric).title
    with _optuna_draws():
        axes = visualization.matplotlib.plot_parallel_coordinate(study_of(best, by), params=names, target_name=title)
        said = f", the best {len(best)}" if len(best) < len(trials_of(study)) else ""
        figure = _finished(_figure_of(axes), f"Trials through their fields{said}", (10.5, 4.6), layout="none")
        for lines in axes.collections:
            lines.set(alpha=0.6, linewidth=1)
        for place in figure.axes:
            _legible(place, on_lines=place.get_label() != "<colorbar>")
        return figure


def _legible(axes: Axes, on_lines: bool) -> None:
    """Tick labels that stand on lines get a ground of their own; the colour bar moves out of the last field's way."""
    axes.grid(False)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=8)
    if not on_lines:
        axes.set_position((0.93, 0.11, 0.02, 0.77))
    for label in axes.get_yticklabels() if on_lines else ():
        label.set(bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}, fontsize=8)


def front(run: LoadedRun) -> Figure:
    """What was picked by against seconds: every trial, and those that no other beats in both."""
    by, title = run.measure.objective, run.measure.title
    rows, value = pareto(run.finals, by), f"selection_{by.metric}"
    with styled():
        figure, axes = panels(figsize=(7.5, 4.4), layout="constrained")
        rest, best = rows[~rows["front"]], rows[rows["front"]].sort_values("seconds")
        axes.plot(rest["seconds"], rest[value], "o", color=OTHERS, ms=4, label="trial", zorder=1)
        axes.plot(best["seconds"], best[value], "o-", color=COLOURS[1], drawstyle="steps-post", ms=6,
                  label="none is both quicker and better", zorder=2)  # fmt: skip
        for row in _apart(best, value):
            axes.annotate(str(row.trial), (row.seconds, getattr(row, value)), xytext=(4, 4),
                          textcoords="offset points", fontsize=7)  # fmt: skip
        axes.set(xlabel="seconds of training and scoring", ylabel=f"best {run.eval_split} {title}")
        legend_below(figure, axes)
        axes.set_title(f"{title[0].upper()}{title[1:]} against seconds (numbers: trials)", fontsize=11)
        return figure


def _apart(best: pd.DataFrame, value: str) -> list[Any]:
    """The rows of the front whose numbers would not stand on each other."""
    kept: list[Any] = []
    spans = [max(float(np.ptp(best[name].astype(float))), 1e-9) for name in ("seconds", value)]
    for row in best.itertuples():
        steps = [(row.seconds - o.seconds, getattr(row, value) - getattr(o, value)) for o in kept[-1:]]
        if all(any(abs(step) / span > APART for step, span in zip(pair, spans, strict=True)) for pair in steps):
            kept.append(row)
    return kept


def pareto(finals: pd.DataFrame, by: Objective = ACCURACY) -> pd.DataFrame:
    """The trials with a result, quickest first, and whether each is on the front: better than all quicker ones.

    The front is of complete trials alone: one that was stopped early has not taken the seconds of a whole one.
    """
    rows = finals[finals["best_epoch"].notna() & finals["state"].isin(STATES)]
    rows = rows.sort_values(["seconds", f"selection_{by.metric}"], ascending=[True, by.lower_is_better]).copy()
    score = rows[f"selection_{by.metric}"].astype(float) * by.turned(1)
    score = score.where(rows["state"] == "complete", -np.inf)
    return rows.assign(front=score > score.cummax().shift(fill_value=-np.inf))


def expected(run: LoadedRun) -> Figure:
    """Expected best figure on validation after k of the trials, in any order (Dodge et al. 2019; Tang et al. 2020).

    Of draws that learn from each other it promises a small search what only a long one finds.
    """
    values, by = drawn_values(run), run.measure.objective
    with styled():
        figure, axes = panels(figsize=(7.5, 4.2), layout="constrained")
        best = by.turned(1) * expected_best(by.turned(1) * values)
        axes.plot(np.arange(1, len(best) + 1), best, color=COLOURS[0], label=f"{len(values)} drawn trials")
        reached = zip(run.finals["trial"], run.finals[f"selection_{by.metric}"], strict=True)
        anchors = [(run.asked[trial].anchor, value) for trial, value in reached if run.asked[trial].anchor and value]
        for i, (anchor, value) in enumerate(anchors):
            axes.axhline(value, color=COLOURS[1 + i], ls="--", lw=1.2,
                         label=f"anchor {anchor}")  # fmt: skip
        axes.set(xlabel="trials", ylabel=f"expected best {run.eval_split} {run.measure.title}", xlim=(1, len(best)))
        legend_below(figure, axes)
        axes.set_title("What a smaller search would have found", fontsize=11)
        return figure


def drawn_values(run: LoadedRun) -> Floats:
    """Best figure of each drawn trial (no anchors); a pruned one counts with what it had reached."""
    rows = run.finals[run.finals["best_epoch"].notna()]
    drawn = [not run.asked[trial].anchor for trial in rows["trial"]]
    values: Floats = rows[drawn][f"selection_{run.measure.objective.metric}"].to_numpy(float)
    return values


@contextmanager
def _optuna_draws() -> Iterator[None]:
    """Optuna draws under the style sheet called ggplot; ours takes its place while it does."""
    library = plt.style.library
    theirs = library["ggplot"]
    with styled(), plt.ioff(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # every plot of theirs is marked experimental
        try:
            library["ggplot"] = type(theirs)(STYLE)
            yield
        finally:
            library["ggplot"] = theirs


def _figure_of(axes: Axes) -> Figure:
    """The figure that Optuna has drawn on; it is whole, no part of another. Taken from pyplot, it is one of ours."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    plt.close(figure)
    figure.__class__ = Drawn  # which differs in what it does, not in what it holds
    return figure


def _finished(
    figure: Figure, title: str, size: tuple[float, float], layout: Literal["constrained", "none"] = "constrained"
) -> Figure:
    figure.set_size_inches(*size)
    for axes in figure.axes:
        axes.set_title("")
    figure.suptitle(title, fontsize=11)
    figure.set_layout_engine(layout)
    return figure


OF_A_SEARCH: tuple[Drawing[Searched], ...] = (
    Drawing(
        "search_history",
        "Best so far, in the order of the trials.",
        lambda of: history(of.study, of.values),
        wants=lambda of: of.trials > 0,
    ),
    Drawing(
        "search_front",
        "{Metric} against seconds.",
        lambda of: front(of.run),
        wants=lambda of: len(of.run.finals) > 1 and not pareto(of.run.finals, of.run.measure.objective).empty,
    ),
    Drawing(
        "search_expected",
        "Expected best {metric} of a smaller search: the mean over all subsets of so many drawn trials.",
        lambda of: expected(of.run),
        wants=lambda of: of.exchangeable and len(drawn_values(of.run)) >= FEWEST_TRIALS,
    ),
    Drawing(
        "search_importance",
        "How much of the variance each field explains.",
        lambda of: importance(of.weights),
        wants=lambda of: any(of.weights.values()),
    ),
    Drawing(
        "search_slices",
        "{Metric} against each field.",
        lambda of: slices(of.study, of.fields, of.values),
        wants=lambda of: len(of.fields) > 0,
    ),
    Drawing(
        "search_parallel",
        "Trials through their fields.",
        lambda of: parallel(of.study, of.fields, of.run.measure.objective),
        wants=lambda of: len(of.fields) > 1,
    ),
)
