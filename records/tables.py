"""The rows of a run's tables, derived from its ledger and its predictions."""

from collections.abc import Iterable
from pathlib import Path

from records.epoch import EpochRecord, Final, Row
from records.folder import read_predictions
from records.history import _rank, record_rows

SETTING = "setting_"  # what the columns of a setting begin with
UNITS = {
    "accuracies, knn, map, shares": "fraction in [0, 1]",
    "losses": "nats",
    "columns ending in seconds": "seconds of wall clock",
    "peak_memory_mb": "10^6 bytes",
    "epoch": "counted from 1",
}


def identity(run: Row) -> Row:
    """What tells a run from others, for the metadata of its tables."""
    return {"run": run["options"]["name"], "command": run["command"], "data_digest": run["data"]["digest"]}


def final_rows(run: Row, events: list[Row]) -> list[Row]:
    """One row per trial that was asked for."""
    settings = {e["trial"]: e.get("setting") or run["setting"] for e in events if e["event"] == "asked"}
    records = record_rows(events)
    best: dict[int, Row] = {}
    last: dict[int, Row] = {}
    for row in records:
        last[row["trial"]] = row
        if row["trial"] not in best or _rank(row) > _rank(best[row["trial"]]):
            best[row["trial"]] = row
    best_of = {trial: EpochRecord.from_row(row) for trial, row in best.items()}
    last_of = {trial: EpochRecord.from_row(row) for trial, row in last.items()}
    ended = {event["trial"]: event for event in events if event["event"] == "ended"}
    tests = {event["trial"]: event for event in events if event["event"] == "test"}
    opened = len(records) if run["setting"]["protocol"] == "report" else len(tests)
    asked = [event["trial"] for event in events if event["event"] == "asked"]
    return [_final(settings[n], n, best_of.get(n), last_of.get(n), ended.get(n), tests.get(n), opened) for n in asked]


def _final(
    setting: Row,
    trial: int,
    best: EpochRecord | None,
    last: EpochRecord | None,
    ended: Row | None,
    test: Row | None,
    opened: int,
) -> Row:
    report = setting["protocol"] == "report"
    row = Final(
        strategy=setting.get("arm") or setting["strategy"],
        trial=trial,
        seed=setting["seed"],
        state=ended["state"] if ended else "interrupted",
        epochs=last.epoch if last else 0,
        best_epoch=best and best.epoch,
        selected_on="test" if report else "validation",
        selection_accuracy=best and best.eval_accuracy,
        selection_loss=best and best.eval_loss,
        selection_knn=best and best.eval_knn,
        test_accuracy=test["accuracy"] if test else best.eval_accuracy if best and report else None,
        test_loss=test["loss"] if test else best.eval_loss if best and report else None,
        test_knn=test["knn"] if test else best.eval_knn if best and report else None,
        test_opened=opened,
        seconds=last.seconds if last else 0.0,
        peak_memory_mb=ended["peak_memory_mb"] if ended else 0.0,
        selection_map=best and best.eval_map,
        test_map=test.get("map") if test else best.eval_map if best and report else None,
    ).row()
    return row | {"reason": ended["reason"] if ended else ""}


def prediction_rows(folder: Path, run: Row) -> Iterable[Row]:
    """One row per trial and image: what the best epoch's network says."""
    for trial, split, epoch, arrays in read_predictions(folder):
        for i in range(len(arrays["image"])):
            yield {
                "trial": trial,
                "split": split,
                "epoch": epoch,
                "image": int(arrays["image"][i]),
                "true": int(arrays["true"][i]),
                "predicted": int(arrays["predicted"][i]),
                "probabilities": arrays["probabilities"][i].tolist(),
            }


def schedule_rows(run: Row, events: list[Row], best: list[Row]) -> list[Row]:
    """What a population found: of its best member, an epoch a row, with the config of that epoch, its donors' included.

    Column `member` says which trial trained the epoch. Empty where the run had no population.
    """
    trained = {
        (e["record"]["trial"], e["record"]["epoch"]): e for e in events if e["event"] == "epoch" and "member" in e
    }
    if not trained or not best:
        return []
    line = _line(trained, best[0]["trial"], best[0]["epochs"])
    asked = {event["trial"]: event for event in events if event["event"] == "asked"}
    first = asked[line[0]["record"]["trial"]]["config"]  # a donor's fields that do not change go with its state
    setting = {f"setting_{name}": value for name, value in run["setting"].items()}
    metrics = {"selection_accuracy": "eval_accuracy", "selection_loss": "eval_loss", "selection_knn": "eval_knn"}
    return [
        {"run": run["options"]["name"], "trial": best[0]["trial"], "epoch": e["record"]["epoch"]}
        | {"member": e["record"]["trial"], **{name: e["record"][column] for name, column in metrics.items()}}
        | first
        | e["member"]["fields"]
        | setting
        for e in line
    ]


def _line(trained: dict[tuple[int, int], Row], trial: int, epochs: int) -> list[Row]:
    """The epochs that led to a member's last one, through its donors, in order."""
    line = []
    for epoch in range(epochs, 0, -1):
        event = trained[trial, epoch]
        line.append(event)
        if event["member"]["donor"]:
            trial = event["member"]["donor"][0]
    return line[::-1]


def best_rows(run: Row, events: list[Row], finals: list[Row]) -> list[Row]:
    """The configs of the trials that were not lost, best first, one typed column per field, with what replay needs.

    Of a population's member, the fields that change are those of its best epoch; schedule.parquet has them all.
    """
    asked = {event["trial"]: event for event in events if event["event"] == "asked"}
    changing = (event for event in events if event["event"] == "epoch" and "member" in event)
    fields = {(e["record"]["trial"], e["record"]["epoch"]): e["member"]["fields"] for e in changing}
    ranked = [row for row in finals if row["best_epoch"] and row["state"] in ("complete", "pruned")]
    ranked.sort(key=lambda row: (-row["selection_accuracy"], row["selection_loss"], row["trial"]))
    metrics = ("trial", "state", "best_epoch", "epochs", "selected_on", "selection_accuracy", "selection_loss")
    more = ("selection_knn", "test_accuracy", "test_loss", "test_knn", "seconds", "peak_memory_mb")
    return [
        {"run": run["options"]["name"], "anchor": asked[row["trial"]]["anchor"]}
        | {name: row[name] for name in metrics + more}
        | asked[row["trial"]]["config"]
        | fields.get((row["trial"], row["best_epoch"]), {})
        | {f"setting_{n}": v for n, v in (asked[row["trial"]].get("setting") or run["setting"]).items()}
        for row in ranked
    ]
