"""Run folders written by hand, as a search would have left them: small ones to test on, large ones to time.

`python -m tests.made_runs FOLDER --trials 1000 --epochs 100` makes a large one.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import distribution_to_json

from records.epoch import EpochRecord
from records.events import FORMAT, from_line
from records.files import write_json
from records.folder import ledger_file
from records.ledger import Ledger
from spaces.registry import get_space
from spaces.space import Space

CLASSES = ("farm", "river", "town")
START = 1_800_000_000.0  # seconds since 1970
Row = dict[str, Any]


def about(trials: int, epochs: int, **changes: Any) -> Row:
    """run.json of a search of self_paced; `changes` go into its options."""
    space = get_space("self_paced")
    options = {"space": "self_paced", "data": "scenes", "samples": trials, "epochs": epochs, "seed": 0,
               "sampler": "tpe", "scheduler": "asha", "executor": "ray", "protocol": "holdout", "keep": 3,
               "name": "made", "out": "runs"}  # fmt: skip
    setting = {"strategy": "self_paced", "data": "scenes", "protocol": options["protocol"], "seed": 0, "epochs": epochs,
               "image_size": 64, "model": "small_cnn", "weights": "none"}  # fmt: skip
    return {
        "format": FORMAT,
        "command": "python -m search.run --space self_paced",
        "started": "2027-01-15T08:00:00+00:00",
        "options": options | changes,
        "setting": setting | {"protocol": changes.get("protocol", "holdout")},
        "space": {"strategy": "self_paced", "search": {n: distribution_to_json(d) for n, d in space.search.items()},
                  "fixed": {}, "anchors": {a.name: space.anchor_values(a) for a in space.anchors}},
        "data": {"name": "scenes", "digest": "0" * 64, "images": 300, "classes": list(CLASSES),
                 "train": 192, "validation": 48, "test": 60},
        "versions": {"curriculum-tune": "0.1.0"},
    }  # fmt: skip


def epoch(trial: int, number: int, accuracy: float, epochs: int, **changes: Any) -> Row:
    """The ledger's event of one epoch."""
    row = EpochRecord(
        strategy="self_paced", trial=trial, seed=0, epoch=number, stage="", learning_rate=1e-3, share=0.5, images=96,
        class_counts=(32, 32, 32), train_loss=1.0 / number, train_accuracy=accuracy, eval_split="validation",
        eval_loss=1.1 / number, eval_accuracy=accuracy, eval_knn=accuracy, stage_loss=None, stage_accuracy=None,
        updates=3 * number, images_trained=96 * number, images_scored=0, train_seconds=0.5 * number, score_seconds=0.0,
        eval_seconds=0.1 * number, finished=number == epochs,
    ).row()  # fmt: skip
    return {"event": "epoch", "time": START + 60 * trial + number, "record": row | changes}


def asked(trial: int, values: Row, config: Row, anchor: str | None = None, **more: Any) -> Row:
    return {"event": "asked", "trial": trial, "time": START + 60 * trial, "anchor": anchor, "withheld": False,
            "values": values, "config": config, **more}  # fmt: skip


def ended(trial: int, state: str, reason: str = "") -> Row:
    return {"event": "ended", "trial": trial, "time": START + 60 * trial + 59, "state": state, "reason": reason,
            "peak_memory_mb": 100.0}  # fmt: skip


def whole_trial(space: Space, trial: int, epochs: int, rng: np.random.Generator, early: bool) -> Iterator[Row]:
    """A trial that learns towards an accuracy of its own; if `early`, every third is pruned half way, every 50th fails."""
    if trial < len(space.anchors):
        config = space.anchor_values(space.anchors[trial])
        values = {name: config[name] for name in space.active(config)}
        yield asked(trial, values, config, space.anchors[trial].name)
    else:
        values = draw(space, rng)
        yield asked(trial, values, space.build(values).model_dump())
    if early and trial % 50 == 49:
        yield ended(trial, "failed", "ValueError: the loss is not finite in epoch 1")
        return
    last, top = (epochs + 1) // 2 if early and trial % 3 == 2 else epochs, rng.uniform(0.5, 0.95)
    for number in range(1, last + 1):
        yield epoch(trial, number, top * (1 - math.exp(-3 * number / epochs)), epochs)
    yield ended(trial, "pruned" if last < epochs else "complete")


def draw(space: Space, rng: np.random.Generator) -> Row:
    values: Row = {}
    for name in space.active({}):
        if space.matters(name, values):
            d = space.search[name]
            if hasattr(d, "choices"):
                values[name] = d.choices[int(rng.integers(len(d.choices)))]
            else:
                x = float(rng.uniform(d.low, d.high))
                values[name] = int(x) if isinstance(d.low, int) else x
    return values


def made_events(trials: int, epochs: int, early: bool = True) -> Iterator[Row]:
    """Everything that a finished search of so many trials leaves in its ledger."""
    space, rng = get_space("self_paced"), np.random.default_rng(0)
    for trial in range(trials):
        yield from whole_trial(space, trial, epochs, rng, early)


def write(folder: Path, run: Row, events: Iterator[Row] | list[Row]) -> Path:
    """A run folder of these; returns it."""
    folder.mkdir(parents=True)
    write_json(folder / "run.json", run)
    with ledger_file(folder).open("w") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    return folder


def put(ledger: Ledger, event: str, **content: Any) -> None:
    """Append what a line says."""
    made = from_line({"event": event, **content})
    assert made
    ledger.append(made)


def append(folder: Path, *events: Row, torn: str = "") -> None:
    with ledger_file(folder).open("a") as file:
        file.write("".join(json.dumps(event) + "\n" for event in events) + torn)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=100)
    given = parser.parse_args()
    write(given.folder, about(given.trials, given.epochs), made_events(given.trials, given.epochs, early=False))
