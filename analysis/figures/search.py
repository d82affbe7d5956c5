"""Figures of a search: Optuna's own, on a study rebuilt from the ledger, and what more trials would have brought."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import optuna
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from optuna import visualization
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis import statistics
from analysis.figures.style import COLOURS, OTHERS, STYLE, legend_below, plt, styled
from analysis.ranking import ranked
from analysis.runs import LoadedRun

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
MOST_LINES = 60  # parallel coordinates: the best trials; more lines hide each other
MOST_FORESTED = 256  # trials, evenly spread over a long search: fANOVA takes seconds per thousand
FEWEST_TRIALS = 4  # fewer have no importance and no slice worth a look
APART = 0.03  # of an axis, between two trials of the front that are both numbered
MOST_FIELDS = 6  # panels of a slice


def rebuild(run: LoadedRun) -> optuna.Study:
    """The study in memory, from the ledger: searched values and best accuracy of every trial that was not lost.

    A pruned trial counts with its best epoch so far. Anchors that no draw could have given are left out, as the sampler
    was not told of them either.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: json_to_distribution(text) for name, text in run.about["space"]["search"].items()}
    return _study([trial for row in run.finals.itertuples() if (trial := _frozen(run, space, row)) is not None])


def _trials(study: optuna.Study) -> list[FrozenTrial]:
    """As they are: Optuna would copy a thousand trials on every look."""
    return study.get_trials(deepcopy=False)


def _study(trials: list[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    return study


def _frozen(run: LoadedRun, space: dict[str, BaseDistribution], row: object) -> FrozenTrial | None:
    values = run.asked[row.trial]["values"]  # type: ignore[attr-defined]
    fits = all(name in space and space[name]._contains(space[name].to_internal_repr(v)) for name, v in values.items())
    if row.state not in STATES or row.best_epoch is None or np.isnan(row.best_epoch) or not values or not fits:  # type: ignore[attr-defined]
        return None
    return create_trial(
        state=TrialState.COMPLETE,  # with its best value: Optuna's plots leave pruned trials out
        value=row.selection_accuracy,  # type: ignore[attr-defined]
        params=values,
        distributions={name: space[name] for name in values},
        user_attrs={"trial": row.trial, "state": row.state, "seconds": row.seconds},  # type: ignore[attr-defined]
    )


def search_figures(run: LoadedRun) -> dict[str, Figure]:
    """name -> figure; what cannot be drawn of so few trials is left out."""
    study = rebuild(run)
    values = f"best {run.eval_split} accuracy"
    drawn = {"search_history": history(study, values), "search_front": front(run), "search_expected": expected(run)}
    if len(_trials(study)) < FEWEST_TRIALS:
        return {name: figure for name, figure in drawn.items() if figure is not None}
    weights = importances(study)
    names = list(weights)[:MOST_FIELDS]
    drawn["search_importance"] = importance(weights)
    drawn["search_slices"] = slices(study, names, values)
    drawn["search_parallel"] = parallel(study, names, values)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def history(study: optuna.Study, values: str) -> Figure | None:
    """Each trial's value and the best so far, in the order of the trials."""
    if not _trials(study):
        return None
    with _optuna_draws():
        axes = visualization.matplotlib.plot_optimization_history(study, target_name=values)
        figure = _finished(axes.figure, "Best so far", (7.5, 4.2))
        axes.get_legend().remove()
        legend_below(figure, axes)
        return figure


def importances(study: optuna.Study) -> dict[str, float]:
    """How much each field that every trial has decides the value, most first (fANOVA, Hutter et al. 2014)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=16, max_depth=16, seed=0)
        trials = _trials(study)[:: -(-len(_trials(study)) // MOST_FORESTED)]
        shared = set.intersection(*(set(trial.params) for trial in trials))
        varied = [n for n in sorted(shared) if len({str(trial.params[n]) for trial in trials}) > 1]
        if not varied or len({trial.value for trial in trials}) < 2:
            return dict.fromkeys(varied, 0.0)
        weights = optuna.importance.get_param_importances(_study(trials), evaluator=evaluator, params=varied)
        return {name: float(weight) for name, weight in weights.items()}


def importance(weights: dict[str, float]) -> Figure | None:
    if not any(weights.values()):
        return None
    with styled():
        figure, axes = plt.subplots(figsize=(7, 0.9 + 0.34 * len(weights)), layout="constrained")
        names = list(weights)[::-1]
        bars = axes.barh(names, [weights[name] for name in names], color=COLOURS[0])
        axes.bar_label(bars, [f"{weights[name]:.2f}" for name in names], padding=3, fontsize=8)
        axes.set(xlabel="share of the variance explained (fANOVA)", xlim=(0, 1.12 * max(weights.values())))
        axes.grid(False, axis="y")
        axes.set_title("What mattered in this search: fields that every trial has", fontsize=11)
        return figure


def slices(study: optuna.Study, names: list[str], values: str) -> Figure | None:
    """Value against each field, one panel per field."""
    if not names:
        return None
    with _optuna_draws():
        found = visualization.matplotlib.plot_slice(study, params=names, target_name=values)
        figure = np.atleast_1d(found)[0].figure
        for axes in np.atleast_1d(found):
            axes.set_ylabel(values if axes is np.atleast_1d(found)[0] else "")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.tick_params(axis="x", labelsize=8, labelrotation=20 if axes.get_xscale() == "linear" else 0)
        return _finished(figure, "Each field on its own", (max(6.0, 2.9 * len(names)), 3.8))


def parallel(study: optuna.Study, names: list[str], values: str) -> Figure | None:
    """One line per trial through its fields; of long searches the best MOST_LINES."""
    if len(names) < 2:
        return None
    best = sorted(_trials(study), key=lambda trial: -trial.value)[:MOST_LINES]
    with _optuna_draws():
        axes = visualization.matplotlib.plot_parallel_coordinate(_study(best), params=names, target_name="accuracy")
        said = f", the best {len(best)}" if len(best) < len(_trials(study)) else ""
        figure = _finished(axes.figure, f"Trials through their fields{said}", (10.5, 4.6), layout="none")
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
        axes.set_position([0.93, 0.11, 0.02, 0.77])
    for label in axes.get_yticklabels() if on_lines else ():
        label.set(bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}, fontsize=8)


def front(run: LoadedRun) -> Figure | None:
    """Accuracy against seconds: every trial, and those that no other beats in both."""
    rows = pareto(run.finals)
    if rows.empty:
        return None
    with styled():
        figure, axes = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
        rest, best = rows[~rows["front"]], rows[rows["front"]].sort_values("seconds")
        axes.plot(rest["seconds"], rest["selection_accuracy"], "o", color=OTHERS, ms=4, label="trial", zorder=1)
        axes.plot(best["seconds"], best["selection_accuracy"], "o-", color=COLOURS[1], drawstyle="steps-post", ms=6,
                  label="none is both quicker and better", zorder=2)  # fmt: skip
        for row in _apart(best):
            axes.annotate(str(row.trial), (row.seconds, row.selection_accuracy), xytext=(4, 4),
                          textcoords="offset points", fontsize=7)  # fmt: skip
        axes.set(xlabel="seconds of training and scoring", ylabel=f"best {run.eval_split} accuracy")
        legend_below(figure, axes)
        axes.set_title("Accuracy against seconds (numbers: trials)", fontsize=11)
        return figure


def _apart(best: pd.DataFrame) -> list:
    """The rows of the front whose numbers would not stand on each other."""
    kept: list = []
    spans = [max(float(np.ptp(best[name].astype(float))), 1e-9) for name in ("seconds", "selection_accuracy")]
    for row in best.itertuples():
        steps = [(row.seconds - o.seconds, row.selection_accuracy - o.selection_accuracy) for o in kept[-1:]]
        if all(any(step / span > APART for step, span in zip(pair, spans, strict=True)) for pair in steps):
            kept.append(row)
    return kept


def pareto(finals: pd.DataFrame) -> pd.DataFrame:
    """The trials with a result, quickest first, and whether each is on the front: better than all quicker ones."""
    rows = finals[finals["best_epoch"].notna() & finals["state"].isin(list(STATES))]
    rows = rows.sort_values(["seconds", "selection_accuracy"], ascending=[True, False]).copy()
    before = rows["selection_accuracy"].astype(float).cummax().shift(fill_value=-1.0)
    return rows.assign(front=rows["selection_accuracy"] > before)


def expected(run: LoadedRun) -> Figure | None:
    """Expected best validation accuracy after k of the trials, in any order (Dodge et al. 2019; Tang et al. 2020)."""
    values = drawn_values(run)
    if len(values) < FEWEST_TRIALS:
        return None
    with styled():
        figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
        best = statistics.expected_best(values)
        axes.plot(np.arange(1, len(best) + 1), best, color=COLOURS[0], label=f"{len(values)} drawn trials")
        anchors = [row for row in run.finals.itertuples() if run.asked[row.trial]["anchor"] and row.selection_accuracy]
        for i, row in enumerate(anchors):
            axes.axhline(row.selection_accuracy, color=COLOURS[1 + i], ls="--", lw=1.2,
                         label=f"anchor {run.asked[row.trial]['anchor']}")  # fmt: skip
        axes.set(xlabel="trials", ylabel=f"expected best {run.eval_split} accuracy", xlim=(1, len(best)))
        legend_below(figure, axes)
        axes.set_title("What a smaller search would have found", fontsize=11)
        return figure


def drawn_values(run: LoadedRun) -> np.ndarray:
    """Best accuracy of each drawn trial (no anchors); a pruned one counts with what it had reached."""
    rows = run.finals[run.finals["best_epoch"].notna()]
    drawn = [not run.asked[trial]["anchor"] for trial in rows["trial"]]
    return rows[drawn]["selection_accuracy"].to_numpy(float)


@contextmanager
def _optuna_draws() -> Iterator[None]:
    """Optuna draws under the style sheet called ggplot; ours takes its place while it does."""
    library = plt.style.library
    theirs = library["ggplot"]
    with styled(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # every plot of theirs is marked experimental
        try:
            library["ggplot"] = type(theirs)(STYLE)
            yield
        finally:
            library["ggplot"] = theirs


def _finished(figure: Figure, title: str, size: tuple[float, float], layout: str = "constrained") -> Figure:
    figure.set_size_inches(*size)
    for axes in figure.axes:
        axes.set_title("")
    figure.suptitle(title, fontsize=11)
    figure.set_layout_engine(layout)
    return figure


def space_table(run: LoadedRun) -> pd.DataFrame:
    """The searched fields: what was allowed, and what the best trial has."""
    best = ranked(run.finals.dropna(subset="best_epoch")).iloc[0]["trial"]
    rows = []
    for name, text in run.about["space"]["search"].items():
        facts = json.loads(text)["attributes"]
        allowed = ", ".join(map(str, facts["choices"])) if "choices" in facts else (
            f"{facts['low']:g} to {facts['high']:g}" + (" (log)" if facts["log"] else "")
        )  # fmt: skip
        rows.append({"field": name, "allowed": allowed, "best": _short(run.asked[best]["values"].get(name, "–"))})
    return pd.DataFrame(rows)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
