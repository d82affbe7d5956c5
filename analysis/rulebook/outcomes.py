"""What came of each arm on each seed, the failed trainings included."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from records.epoch import EpochRecord, Row
from records.events import Tested
from records.files import Arrays
from records.folder import predictions_file
from records.history import RunHistory, TrialHistory
from records.predictions import read_prediction
from spaces.arm import Arm
from trainables.metrics import chance

Bools = npt.NDArray[np.bool_]
Outcomes = dict[Arm, dict[int, "Outcome"]]  # by arm and seed
Predictions = Callable[[int], Arrays | None]  # of a trial, on the judged split


@dataclass(frozen=True)
class Outcome:
    """One training. A failed one counts with its last finite figure, or with chance."""

    figure: float  # of the run's objective; of accuracy, in [0, 1]
    said: Arrays | None  # image (n,), true (n,), ... of the judged images; None where that was not kept
    judged: int  # images of the judged split; 0 where that is not known
    failed: bool
    seconds: float  # of wall clock, from its start to its end; 0 where that is not known
    looks: int | None = None  # at test itself, of which its figure is the best; None: nothing was picked there


def right(said: Arrays) -> Bools:
    """(n,) whether each image was predicted right: of the multi-label task, whether any of its labels was."""
    found: Bools = said["correct"] if "correct" in said else said["predicted"] == said["true"]
    return found


def outcomes(history: RunHistory, predictions: Predictions) -> Outcomes:
    """Every training of a head-to-head that has come to its end and was judged; one that still runs is in none."""
    found: Outcomes = {}
    for trial in history.trials.values():
        outcome = _of_trial(trial, history, predictions)
        if outcome is not None and trial.arm is not None and trial.setting is not None:
            found.setdefault(trial.arm, {})[trial.setting.seed] = outcome
    return found


def _of_trial(trial: TrialHistory, history: RunHistory, predictions: Predictions) -> Outcome | None:
    seconds = trial.over - trial.begun if trial.over and trial.begun else 0.0
    images, metric = int(history.run["data"].get("test", 0)), history.objective.metric
    if trial.state == "failed":
        reached = trial.last.figure(metric) if trial.last else None
        return Outcome(chance_of(history.run, metric) if reached is None else reached, None, images, True, seconds)
    if trial.state != "complete" or trial.best is None:
        return None
    looks: int | None = None
    judged: EpochRecord | Tested | None = trial.test
    if trial.best.eval_split == "test":  # protocol report: judged and picked on the same images
        judged, looks = trial.best, sum(record.looks for record in trial.records)
    figure = judged.figure(metric) if judged else None
    return None if figure is None else Outcome(figure, predictions(trial.number), images, False, seconds, looks)


def chance_of(run: Row, metric: str) -> float:
    """What a training that failed before its first epoch counts with: a network that has seen nothing, on test."""
    data, several = run["data"], run.get("setting", {}).get("task") == "multi_label"
    images, classes = int(data.get("test", 0)), len(data["classes"])
    even = [max(1, images // classes)] * classes  # runs from before they were counted
    return chance(metric, np.array(data.get("class_counts", {}).get("test", even)), images, several)


def kept_predictions(folder: Path) -> Predictions:
    """What the trials of a run folder said of the test images."""

    def of(number: int) -> Arrays | None:
        path = predictions_file(folder, number, "test")
        return read_prediction(path)[1] if path.exists() else None

    return of
