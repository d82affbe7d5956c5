"""Runs that nobody expects a figure of: made-up ones, changed record by record."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from records.files import read_arrays, write_arrays, write_json
from records.folder import read_run
from spaces.registry import SPACES
from tests import made_up

TWINS = ("self_paced", "self_paced/random", "self_paced/hard_first", "finetune")
Change = Callable[[dict], dict]


def same(row: dict) -> dict:
    return row


def reworked(folder: Path, epoch: Change = same, test: Change = same, setting: dict | None = None) -> Path:
    """The run with other records of its epochs and tests, and another setting; returns it."""
    ledger = folder / "ledger.jsonl"
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    for event in events:
        if event["event"] == "epoch":
            event["record"] = epoch(event["record"])
        elif event["event"] == "test":
            event.update(test(event))
        elif event["event"] == "asked" and event.get("setting"):
            event["setting"] |= setting or {}
    ledger.write_text("".join(json.dumps(event) + "\n" for event in events))
    about = read_run(folder)
    about["setting"] |= setting or {}
    write_json(folder / "run.json", about)
    return folder


def one_seed(place: Path) -> Path:
    return made_up.write(place, "one_seed", seeds=1)


def one_epoch(place: Path) -> Path:
    return made_up.write(place, "one_epoch", epochs=1)


def one_of_all(place: Path) -> Path:
    """One seed of one epoch."""
    return made_up.write(place, "one_of_all", seeds=1, epochs=1)


def apart(place: Path) -> Path:
    """No two seeds share an update, or a second."""

    def later(row: dict) -> dict:
        seed = row["seed"]
        return row | {"updates": row["updates"] + 1000 * seed, "train_seconds": row["train_seconds"] + 50 * seed}

    return reworked(made_up.write(place, "apart"), later)


def failed(place: Path) -> Path:
    """An arm of which every training failed, and one of which one did."""
    lost = {("transfer", seed): 1 for seed in range(3)} | {("self_paced", 1): 2}
    return made_up.write(place, "failed", figures=made_up.Figures(failed=lost))


def twelve_arms(place: Path) -> Path:
    names = [name for name in SPACES if name != "scratch"][:12]
    figures = made_up.Figures(accuracy=lambda arm, seed: 0.8 + 0.01 * (names.index(arm) % 5) + 0.002 * seed)
    return made_up.write(place, "twelve_arms", arms=names, seeds=2, figures=figures)


def many_classes(place: Path, classes: int = 47) -> Path:
    """As many as DTD has; class 3 is always taken for class 40."""
    names = [f"texture_number_{i}" for i in range(classes)]
    data = made_up.about("x")["data"] | {"classes": names}
    folder = made_up.write(place, "many_classes", seeds=2, data=data)
    for path in (folder / "predictions").iterdir():
        _, text = read_arrays(path)
        true = np.repeat(np.arange(classes), 4)
        predicted = np.where(true == 3, 40, np.where(np.arange(len(true)) % 11 == 0, (true + 5) % classes, true))
        probabilities = np.full((len(true), classes), 0.01, np.float32)
        probabilities[np.arange(len(true)), predicted] = 0.54
        write_arrays(path, {"image": np.arange(len(true)), "true": true, "predicted": predicted,
                            "probabilities": probabilities}, text)  # fmt: skip

    def counted(row: dict) -> dict:
        counts = [2 + (i % 3 if row["share"] < 1 else 0) for i in range(classes)]
        return row | {"class_counts": counts, "images": sum(counts)}

    return reworked(folder, counted)


def all_equal(place: Path) -> Path:
    """Every figure of every arm, seed and epoch is the same."""
    folder = made_up.write(
        place, "all_equal", predictions=False, figures=made_up.Figures(accuracy=lambda arm, seed: 0.5)
    )
    return reworked(
        folder, lambda row: row | {"eval_accuracy": 0.5, "eval_loss": 1.0, "share": 1.0, "learning_rate": 1e-3}
    )


def outlier(place: Path) -> Path:
    """One seed of one arm is far from everything else."""

    def reached(arm: str, seed: int) -> float:
        return 0.05 if (arm, seed) == ("self_paced", 3) else 0.9 + 0.01 * (seed % 3) + 0.01 * (arm == "finetune")

    folder = made_up.write(place, "outlier", arms=TWINS, seeds=6, figures=made_up.Figures(accuracy=reached))
    return reworked(folder, lambda row: row | {"eval_loss": 1e308 if row["seed"] == 3 else 0.5 / row["epoch"]})


def by_loss(place: Path) -> Path:
    """Picked by loss, of which less is the aim."""
    return reworked(
        made_up.write(place, "by_loss"),
        lambda row: row | {"eval_loss": 2 - row["eval_accuracy"]},
        lambda row: {"loss": 2 - row["accuracy"]},
        {"metric": "loss", "lower_is_better": True},
    )


def twins(place: Path) -> Path:
    return made_up.write(place, "twins", arms=TWINS)


def two_weights(place: Path) -> Path:
    arms = ("self_paced", "finetune", "self_paced@dtd_small", "finetune@dtd_small", "self_paced/random")
    return made_up.write(place, "two_weights", arms=arms)


def two_runs(place: Path) -> list[Path]:
    """Two of the same arms on the same data."""
    return [made_up.write(place, name, seeds=2) for name in ("first", "second")]


HEAD_TO_HEADS = (one_seed, one_epoch, one_of_all, apart, failed, twelve_arms, many_classes, all_equal, outlier, by_loss,
                 twins, two_weights, two_runs)  # fmt: skip


def search_of(trials: int) -> Callable[[Path], Path]:
    """A search of so many trials, whose learning rate decides."""

    def make(place: Path) -> Path:
        return made_up.write_search(place, f"search_{trials}", trials=trials, epochs=5)

    make.__name__ = f"search_of_{trials}"
    return make


def search_with_an_outlier(place: Path) -> Path:
    """Trial 5 has learnt nothing, diverged, and took a hundred times as long."""

    def diverged(row: dict) -> dict:
        odd = {"eval_accuracy": 0.01, "eval_loss": 1e308, "train_seconds": 200 * row["train_seconds"]}
        near = {"eval_accuracy": 0.85 + 0.001 * (row["trial"] % 7) + 0.002 * row["epoch"]}
        return row | (odd if row["trial"] == 5 else near)

    return reworked(made_up.write_search(place, "search_outlier", trials=40, epochs=5), diverged)


def search_all_equal(place: Path) -> Path:
    folder = made_up.write_search(place, "search_equal", trials=8, epochs=3)
    return reworked(folder, lambda row: row | {"eval_accuracy": 0.5})


def search_by_another_metric(place: Path) -> Path:
    """Picked by balanced accuracy, which is not what accuracy is."""
    return reworked(
        made_up.write_search(place, "search_by_balanced", trials=8, epochs=3),
        lambda row: row | {"eval_balanced_accuracy": 1 - row["eval_accuracy"]},
        setting={"metric": "balanced_accuracy"},
    )


def search_of_one_epoch(place: Path) -> Path:
    return made_up.write_search(place, "search_short", trials=6, epochs=1)


SEARCHES = (search_of(1), search_of(6), search_of(40), search_with_an_outlier, search_all_equal, search_by_another_metric,
            search_of_one_epoch)  # fmt: skip
