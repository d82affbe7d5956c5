"""The rows of a run's tables, derived from its history and its predictions.

Accuracies lie in [0, 1], losses are in nats, epochs count from 1.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from records.confirmed import NOT_CONFIRMED, Confirmed
from records.epoch import EVALUATED, EpochRecord, Final, Row
from records.events import Tested
from records.history import RunHistory, TrialHistory
from records.images import read_image_paths
from records.ledger import read_events
from records.predictions import read_predictions
from spaces.arm import Arm
from spaces.setting import Setting

SETTING = "setting_"  # what the columns of a setting begin with
ARM = "arm_"  # and those of an arm
UNITS = {
    "accuracies, knn, macro_f1, map, shares": "fraction in [0, 1]",
    "losses": "nats",
    "columns ending in seconds": "seconds of wall clock",
    "peak_memory_mb": "10^6 bytes",
    "epoch": "counted from 1",
}


def identity(run: Row) -> Row:
    """What tells a run from others, for the metadata of its tables."""
    return {"run": run["options"]["name"], "command": run["command"], "data_digest": run["data"]["digest"]}


def record_rows(history: RunHistory) -> list[Row]:
    """One row per trial-epoch, by trial and epoch."""
    return [record.row() for number in sorted(history.trials) for record in history.trials[number].records]


def final_rows(history: RunHistory) -> list[Row]:
    """One row per trial that was asked for."""
    report = history.run["setting"]["protocol"] == "report"
    evaluated = sum(max(1, record.looks) for trial in history.trials.values() for record in trial.records)
    opened = evaluated if report else len(history.tests())
    return [_final(history.run["setting"], trial, opened) for trial in history.trials.values()]


def _final(own: Row, trial: TrialHistory, opened: int) -> Row:
    """`own`: the run's setting; `opened`: how often its test split has been."""
    best, last, arm = trial.best, trial.last, trial.arm or Arm(own["strategy"])
    report = (trial.setting.protocol if trial.setting else own["protocol"]) == "report"
    row = Final(
        strategy=str(arm),
        trial=trial.number,
        seed=trial.setting.seed if trial.setting else own["seed"],
        state="interrupted" if trial.state == "running" else trial.state,
        epochs=last.epoch if last else 0,
        best_epoch=best.epoch if best else None,
        selected_on="test" if report else "validation",
        **_figures("selection", best),
        **_figures("test", trial.test or (best if report else None)),
        test_opened=opened,
        seconds=last.seconds if last else 0.0,
        peak_memory_mb=trial.peak_memory_mb,
    ).row()
    return row | _metrics(trial, report) | {"reason": trial.reason} | arm_columns(arm)


def _figures(prefix: str, of: EpochRecord | Tested | None) -> dict[str, float | None]:
    """Accuracy, loss and KNN of a selected epoch or of test; None where there are none."""
    names = ("accuracy", "loss", "knn")
    of_epoch = EVALUATED if isinstance(of, EpochRecord) else ""
    return {f"{prefix}_{name}": None if of is None else getattr(of, of_epoch + name) for name in names}


def _metrics(trial: TrialHistory, report: bool) -> Row:
    """Every further metric, of the selected epoch and of test."""
    selected = trial.best.metrics if trial.best else {}
    tested = trial.test.metrics if trial.test else selected if report else {}
    names = dict.fromkeys((*selected, *tested))
    return {
        f"{prefix}_{name}": of.get(name) for name in names for prefix, of in (("selection", selected), ("test", tested))
    }


def arm_columns(arm: Arm) -> Row:
    """An arm as columns."""
    return {f"{ARM}{name}": value for name, value in asdict(arm).items() if name != "run"}


def prediction_rows(folder: Path, history: RunHistory) -> Iterator[Row]:
    """One row per trial and image: what the best epoch's network says. Raises UsageError."""
    paths = read_image_paths(folder)
    for trial, split, epoch, arrays in read_predictions(folder, history):
        for i in range(len(arrays["image"])):
            image = int(arrays["image"][i])
            yield {
                "trial": trial,
                "split": split,
                "epoch": epoch,
                "image": image,
                **({"path": paths[image]} if image < len(paths) else {}),
                "true": int(arrays["true"][i]),
                "predicted": int(arrays["predicted"][i]),
                "probabilities": arrays["probabilities"][i].tolist() if "probabilities" in arrays else None,
            }


def best_rows(history: RunHistory, confirmed: dict[int, Confirmed] | None = None) -> list[Row]:
    """The configs of the trials that were not lost, best first, one typed column per field, with what replay needs.

    Where fresh seeds have confirmed some, those come first, by what they came to there. Of a population's member, the
    fields that change are those of its best epoch; schedule.parquet has them all.
    """
    finals = {row["trial"]: row for row in final_rows(history)}
    if not confirmed:
        return [_best(history, trial, finals[trial.number]) for trial in history.ranked()]
    known = {trial.number: confirmed.get(trial.number, NOT_CONFIRMED) for trial in history.ranked()}
    ranked = sorted(
        history.ranked(), key=lambda trial: -known[trial.number].score if known[trial.number].seeds else math.inf
    )
    return [_best(history, trial, finals[trial.number]) | known[trial.number].row() for trial in ranked]


METRICS = ("trial", "state", "best_epoch", "epochs", "selected_on", "selection_accuracy", "selection_loss",
           "selection_knn", "test_accuracy", "test_loss", "test_knn", "seconds", "peak_memory_mb")  # fmt: skip


def _best(history: RunHistory, trial: TrialHistory, final: Row) -> Row:
    assert trial.best
    return (
        {"run": history.run["options"]["name"], "anchor": trial.asked.anchor}
        | {name: final[name] for name in METRICS}
        | {name: final[name] for name in _further(trial)}
        | trial.asked.config
        | trial.fields.get(trial.best.epoch, {})
        | setting_columns(trial.setting or history.run["setting"])
    )


def _further(trial: TrialHistory) -> list[str]:
    """The columns of every further metric."""
    names = dict.fromkeys((*(trial.best.metrics if trial.best else ()), *(trial.test.metrics if trial.test else ())))
    return [f"{prefix}_{name}" for name in names for prefix in ("selection", "test")]


def setting_columns(setting: Setting | Row) -> Row:
    """A setting as columns; its arm stands in columns of its own, and in words."""
    plain = dict(setting) if isinstance(setting, dict) else setting.model_dump(mode="json")
    arm = setting.get("arm") if isinstance(setting, dict) else setting.arm
    columns = {f"{SETTING}{name}": value for name, value in plain.items()}
    if isinstance(arm, Arm):
        columns |= {f"{SETTING}arm": str(arm)} | arm_columns(arm)
    return columns


def schedule_rows(history: RunHistory, best: list[Row]) -> list[Row]:
    """What a population found: of its best member, an epoch a row, with the config of that epoch, its donors' included.

    Column `member` says which trial trained the epoch. Empty where the run had no population.
    """
    if not best or not any(trial.fields for trial in history.trials.values()):
        return []
    line = _line(history, best[0]["trial"], best[0]["epochs"])
    first = history.trials[line[0].trial].asked.config  # a donor's fields that do not change go with its state
    metrics = {"selection_accuracy": "eval_accuracy", "selection_loss": "eval_loss", "selection_knn": "eval_knn"}
    return [
        {
            "run": history.run["options"]["name"],
            "trial": best[0]["trial"],
            "epoch": record.epoch,
            "member": record.trial,
        }
        | {name: getattr(record, column) for name, column in metrics.items()}
        | {f"selection_{name}": value for name, value in record.metrics.items()}
        | first
        | history.trials[record.trial].fields[record.epoch]
        | setting_columns(history.run["setting"])
        for record in line
    ]


def _line(history: RunHistory, number: int, epochs: int) -> list[EpochRecord]:
    """The epochs that led to a member's last one, through its donors, in order."""
    line = []
    for epoch in range(epochs, 0, -1):
        trial = history.trials[number]
        line.append(trial.records[epoch - 1])
        number = trial.donors.get(epoch, number)
    return line[::-1]


def recorded_epochs(folder: Path, number: int) -> dict[int, EpochRecord]:
    """{epoch: record} of one trial, as first recorded."""
    trial = RunHistory.of({}, read_events(folder)).trials.get(number)
    return {record.epoch: record for record in trial.records} if trial else {}
