"""What every tracker is told of a run and of a trial, as plain values."""

import math
from collections.abc import Iterator
from pathlib import Path

from records.boundary import TABLES, checked
from records.epoch import WORST, Row
from records.folder import best_weights
from records.history import SAID, RunHistory, TrialHistory
from search.views.tensorboard import scalars

TESTED = ("accuracy", "loss", "knn")
Values = dict[str, float]


def name_of_run(folder: Path) -> str:
    """That of its folder."""
    return folder.absolute().name


def about_run(run: Row) -> Row:
    """The options that were asked for or chosen: what holds for every trial."""
    return {name: value for name, value in run["options"].items() if value not in (None, (), [], "")}


def about_trial(run: Row, trial: TrialHistory) -> dict[str, str]:
    """What a trial is: strategy, arm, seed, anchor, and of what data and network."""
    setting = trial.setting.model_dump() if trial.setting else run["setting"]
    said = {
        "strategy": setting["strategy"],
        "arm": str(trial.arm) if trial.arm else None,
        "seed": setting["seed"],
        "anchor": trial.asked.anchor,
        "data": setting.get("data", run["data"]["name"]),
        "model": setting.get("model"),
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def state_of(trial: TrialHistory) -> str:
    """'running', 'paused', or how it ended."""
    return "paused" if trial.waits and trial.state == "running" else trial.state


def epochs(trial: TrialHistory, after: int) -> Iterator[tuple[int, float, Values]]:
    """(epoch, when in seconds since 1970, value by name) of every epoch after one; 0: of all."""
    by, best = trial.objective, trial.objective.before_any
    for record in trial.records:
        best = max(best, by.score(record)) if record.looks else best
        if record.epoch > after:
            shown = math.nan if best == WORST else by.turned(best)
            when = trial.begun + record.seconds + record.eval_seconds
            yield record.epoch, when, scalars(record, shown, trial.fields.get(record.epoch), by)


def tested(trial: TrialHistory) -> Values:
    """The figures of test by name, once it was opened for the trial; else none."""
    if trial.test is None:
        return {}
    figures = {name: trial.test.figure(name) for name in (*TESTED, *trial.test.metrics)}
    return {f"test/{name}": value for name, value in figures.items() if value is not None and math.isfinite(value)}


def best_values(history: RunHistory) -> Values:
    """Of a run: the best trial's number and the figure that it was picked by; none without a result."""
    ranked = history.ranked()
    if not ranked or ranked[0].best is None:
        return {}
    metric = history.objective.metric
    figure = ranked[0].best.figure(metric)
    return {"best/trial": float(ranked[0].number)} | ({f"best/{metric}": figure} if figure is not None else {})


def state_of_run(history: RunHistory) -> str:
    """'complete', 'interrupted' with trials left, or 'failed' without any result."""
    if sum(trial.state in SAID for trial in history.trials.values()) < history.samples:
        return "interrupted"
    return "complete" if history.ranked() else "failed"


def files_of(folder: Path, history: RunHistory) -> Iterator[tuple[str, Path]]:
    """(kind, file) of what a run leaves: run.json, tables, and the network of the best trial.

    Raises UsageError for one that is a link: what lies elsewhere is nobody's to be sent away.
    """
    best = [best_weights(folder, trial.number) for trial in history.ranked()[:1]]
    tables = [folder / name for name in (*TABLES, "comparison.md")]
    for kind, paths in (("run", [folder / "run.json"]), ("tables", tables), ("model", best)):
        for path in paths:
            if checked(path, folder).is_file():
                yield kind, path
