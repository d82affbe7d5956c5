"""What came of each arm on each seed, the failed trainings included."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from records.epoch import Row
from records.files import Arrays, read_arrays
from records.folder import predictions_file
from records.history import RunHistory, TrialHistory
from spaces.arm import Arm

Bools = npt.NDArray[np.bool_]
Outcomes = dict[Arm, dict[int, "Outcome"]]  # by arm and seed
Predictions = Callable[[int], Arrays | None]  # of a trial, on the judged split


@dataclass(frozen=True)
class Outcome:
    """One training. A failed one counts with its last finite accuracy, or with chance."""

    accuracy: float  # in [0, 1]
    said: Arrays | None  # image (n,), correct (n,) of the judged images; None where that was not kept
    judged: int  # images of the judged split; 0 where that is not known
    failed: bool
    seconds: float  # of wall clock, from its start to its end; 0 where that is not known
    looks: int | None = None  # at test itself, of which its figure is the best; None: nothing was picked there

    @property
    def correct(self) -> Bools | None:
        """(n,) by judged image."""
        return None if self.said is None else right(self.said)


def right(said: Arrays) -> Bools:
    """(n,) whether each image was predicted right: of the multi-label task, whether any of its labels was."""
    found: Bools = said["correct"] if "correct" in said else said["predicted"] == said["true"]
    return found


def outcomes(history: RunHistory, predictions: Predictions) -> Outcomes:
    """Every training of a head-to-head that has come to its end and was judged; one that still runs is in none."""
    found: Outcomes = {}
    for trial in history.trials.values():
        outcome = _of_trial(trial, history.run["data"], predictions)
        if outcome is not None and trial.arm is not None and trial.setting is not None:
            found.setdefault(trial.arm, {})[trial.setting.seed] = outcome
    return found


def _of_trial(trial: TrialHistory, data: Row, predictions: Predictions) -> Outcome | None:
    seconds, images = (trial.over - trial.begun if trial.over and trial.begun else 0.0), int(data.get("test", 0))
    if trial.state == "failed":
        reached = trial.last.eval_accuracy if trial.last else 1 / len(data["classes"])
        return Outcome(reached, None, images, True, seconds)
    if trial.state != "complete" or trial.best is None:
        return None
    if trial.best.eval_split == "test":  # protocol report: judged and picked on the same images
        looks = sum(record.looks for record in trial.records)
        return Outcome(trial.best.eval_accuracy, predictions(trial.number), images, False, seconds, looks)
    if trial.test is None:
        return None
    return Outcome(trial.test.accuracy, predictions(trial.number), images, False, seconds)


def kept_predictions(folder: Path) -> Predictions:
    """What the trials of a run folder said of the test images."""

    def of(number: int) -> Arrays | None:
        path = predictions_file(folder, number, "test")
        return read_arrays(path)[0] if path.exists() else None

    return of
