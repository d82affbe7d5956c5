"""What a trial's selected network says of each image, as it is kept: read, and held against what the ledger says of it.

n = images of a split, C = classes. A file of another trial, or of another run, has other figures than its trial.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from console.errors import UsageError
from records.epoch import EpochRecord
from records.events import Tested
from records.files import Arrays, parse_json, read_arrays
from records.folder import prediction_files
from records.history import RunHistory, TrialHistory

TOLERANCE = 1e-6  # of an accuracy
MOST_CLASSES = 1_000_000


def read_predictions(folder: Path, history: RunHistory | None = None) -> Iterator[tuple[int, str, int, Arrays]]:
    """(trial, split, epoch, arrays) of every kept prediction, held against the history where one is given.

    Raises UsageError for a file that is none, or another trial's.
    """
    for path, found in prediction_files(folder):
        number, split = int(found[1]), found[2]
        epoch, arrays = read_prediction(path)
        if history and number in history.trials:
            check_prediction(path, arrays, _recorded(history.trials[number], split, epoch))
        yield number, split, epoch, arrays


def _recorded(trial: TrialHistory, split: str, epoch: int) -> EpochRecord | Tested | None:
    """Where the ledger has the figures of such a prediction; None where it has none (yet), or a population's."""
    if trial.fields:  # a member's best network can be another member's
        return None
    if split == "test" and trial.test:
        return trial.test
    best = trial.best
    return best if best and best.eval_split == split and best.epoch == epoch else None


def read_prediction(path: Path) -> tuple[int, Arrays]:
    """(epoch, arrays) of one file; of a packed run perhaps without probabilities. Raises UsageError for what is not as it
    was written.
    """
    arrays, text = read_arrays(path)
    try:
        epoch = parse_json(text)["epoch"]
    except (ValueError, KeyError, TypeError):
        epoch = None
    wrong = "it does not say of which epoch" if type(epoch) is not int or epoch < 1 else _wrong(arrays)
    if wrong:
        raise UsageError(f"{path} cannot be read as predictions of ours ({wrong}).")
    # of a packed run they are as short as holds them, and products of classes are not
    return epoch, {name: array.astype(np.int64) if array.dtype.kind == "i" else array for name, array in arrays.items()}


def _wrong(arrays: Arrays) -> str:
    """What the arrays lack of being n predictions; '' where they are."""
    lacking = [name for name in ("image", "true", "predicted") if name not in arrays]
    if lacking:
        return f"it lacks '{lacking[0]}'"
    count = np.atleast_1d(arrays["image"]).size
    for name in ("image", "true", "predicted"):
        if not count or arrays[name].shape != (count,) or arrays[name].dtype.kind != "i" or arrays[name].min() < 0:
            return f"'{name}' is no list of {count} numbers that count"
        if name != "image" and arrays[name].max() >= MOST_CLASSES:
            return f"'{name}' names a class beyond {MOST_CLASSES:,}"
    wrong = _wrong_chances(arrays, arrays["probabilities"]) if "probabilities" in arrays else ""
    return wrong or (_wrong_of_one_label(arrays) if "targets" not in arrays else "")


def _wrong_chances(arrays: Arrays, chances: np.ndarray) -> str:
    if chances.ndim != 2 or len(chances) != len(arrays["image"]):
        return f"of {len(arrays['image'])} images there are no probabilities"
    if max(arrays["true"].max(), arrays["predicted"].max()) >= chances.shape[1]:
        return f"a class is beyond the {chances.shape[1]} that there are"
    if not np.all((chances >= 0) & (chances <= 1 + TOLERANCE)):
        return "a probability does not lie in [0, 1]"
    if "targets" not in arrays and not np.allclose(chances.sum(axis=1), 1, atol=1e-2):
        return "the probabilities of an image do not add up to 1"
    return ""


def _wrong_of_one_label(arrays: Arrays) -> str:
    right = arrays["true"] == arrays["predicted"]
    if not np.array_equal(arrays.get("correct", right), right):
        return "'correct' is not whether the prediction is true"
    return ""


def check_prediction(path: Path, arrays: Arrays, recorded: EpochRecord | Tested | None) -> None:
    """Raises UsageError where the ledger has another accuracy for the trial's selected network on this split.

    `recorded`: its figures there; None where the ledger has none (yet).
    """
    if recorded is None or "targets" in arrays:
        return
    said = float(np.mean(arrays["true"] == arrays["predicted"]))
    ledger = recorded.accuracy if isinstance(recorded, Tested) else recorded.eval_accuracy
    if abs(said - ledger) > TOLERANCE:
        raise UsageError(
            f"{path} has an accuracy of {said:.4f} where the ledger has {ledger:.4f}: it is of another trial or run; put "
            f"the trial's own back."
        )
