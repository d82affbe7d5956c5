"""Run folders whose figures are chosen, so that what is made of them can be worked out by hand."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution, distribution_to_json

from records.events import FORMAT
from records.files import write_arrays, write_json
from records.folder import predictions_file
from records.ledger import Ledger
from tests.analysis.test_runs_and_tables import record
from tests.made_runs import put

ARMS = ("self_paced", "self_paced/random", "finetune", "transfer")
# test accuracy of each arm on seeds 0, 1, 2
ACCURACY = {
    "self_paced": (0.93, 0.94, 0.95),
    "self_paced/random": (0.92, 0.92, 0.95),
    "self_paced/hard_first": (0.91, 0.92, 0.93),
    "finetune": (0.90, 0.91, 0.92),
    "transfer": (0.85, 0.87, 0.86),
    "manual_division": (0.90, 0.95, 0.94),
}
CLASSES = ["aGrass", "eForest", "gParking"]


def options_of(name: str, **changes) -> dict:
    return {"name": name, "data": "rsscn7", "space": "self_paced", "sampler": "tpe", "seed": 0, "samples": 4,
            "epochs": 4} | changes  # fmt: skip


def about(name: str, **changes) -> dict:
    setting = {"strategy": "self_paced", "seed": 0, "protocol": "holdout", "image_size": 256, "model": "resnet18",
               "weights": "imagenet", "threads": 1, "split": None, "data": "rsscn7"}  # fmt: skip
    made = {"format": FORMAT, "command": f"python -m search.compare --name {name}", "options": options_of(name),
            "versions": {}, "space": {"search": {}, "anchors": {}}, "setting": setting,
            "compare": {"strategies": ",".join(ARMS)},
            "data": {"name": "rsscn7", "digest": "d", "classes": CLASSES, "train": 100, "validation": 20,
                     "test": 6}}  # fmt: skip
    return made | changes


@dataclass(frozen=True)
class Figures:
    """What comes of the trainings of a made-up head-to-head."""

    accuracy: Callable[[str, int], float] = lambda arm, seed: ACCURACY[arm][seed % 3]  # on test, of an arm on a seed
    whole: Callable[[int], float] = lambda seed: 0  # epoch of a curriculum's first whole set, by seed; 0: the last one
    failed: dict[tuple[str, int], int] = field(default_factory=dict)  # (arm, seed) -> epochs before its training failed
    copies: int = 1  # of the six test images: more of them narrow what the images alone leave open


def write(
    folder: Path,
    name: str,
    arms=ARMS,
    seeds=3,
    epochs=4,
    predictions=True,
    tests=True,
    figures: Figures | None = None,
    config: dict | None = None,
    **changes,
) -> Path:
    """A head-to-head in which validation is 0.02 above test, an epoch takes 10 updates, and 1 s or (transfer) 0.1 s."""
    path, figures = folder / name, figures or Figures()
    path.mkdir(parents=True)
    made = about(name, **changes)
    made["data"] = made["data"] | {"test": 6 * figures.copies}
    write_json(path / "run.json", made)
    ledger = Ledger(path)
    keys = [(arm, seed) for seed in range(seeds) for arm in arms]
    for trial, (arm, seed) in enumerate(keys):
        strategy, weights = arm.split("/")[0].split("@")[0], arm.partition("@")[2] or made["setting"]["weights"]
        setting = made["setting"] | {"strategy": strategy, "arm": arm, "seed": seed, "weights": weights}
        anchor = {"finetune": "plain", "transfer": "frozen"}.get(strategy, "as_run")
        put(ledger, "asked", trial=trial, anchor=anchor, values={}, config=config or {}, setting=setting)
        lasted = figures.failed.get((arm, seed))
        final = figures.accuracy(arm.split("@")[0], seed)
        put_epochs(ledger, trial, setting, final, epochs, figures.whole(seed) or epochs, lasted)
        state, reason = ("complete", "") if lasted is None else ("failed", "NonFiniteLoss: it diverged")
        put(ledger, "ended", trial=trial, state=state, reason=reason, peak_memory_mb=1.0)
        if tests and lasted is None:
            put(ledger, "test", trial=trial, accuracy=final, loss=0.3, knn=0.9)
        if predictions and lasted is None:
            write_predictions(path, trial, arm, figures.copies)
    ledger.close()
    return path


def put_epochs(ledger: Ledger, trial: int, setting: dict, final: float, epochs: int, whole: int, lasted: int | None):
    """The epochs of one training, up to the one after which it failed, if it did."""
    strategy, split = setting["strategy"], "test" if setting["protocol"] == "report" else "validation"
    pace, seed = 0.1 if strategy == "transfer" else 1.0, setting["seed"]
    for epoch in range(1, epochs + 1 if lasted is None else lasted + 1):
        share = 1.0 if strategy in ("finetune", "transfer") else min(1.0, epoch / whole)
        put(ledger, "epoch", record=record(
            trial, epoch, max(0.1, final + 0.02 - 0.05 * (epochs - epoch)), 0.5, strategy=setting["arm"], seed=seed,
            share=share, images=int(100 * share), class_counts=(4, 3, 3), updates=10 * epoch, train_seconds=pace * epoch,
            eval_knn=0.6 if strategy == "transfer" else min(1.0, 0.5 + 0.1 * epoch), score_seconds=0.0, eval_split=split,
            finished=epoch == epochs).row())  # fmt: skip


def write_predictions(path: Path, trial: int, arm: str, copies: int = 1) -> None:
    """Six test images, two of each class: every forest is known, parking never; fine-tuning misses one grass as well."""
    true = np.array([0, 0, 1, 1, 2, 2])
    predicted = np.array([0, 1 if arm == "finetune" else 0, 1, 1, 0, 0])
    probabilities = np.full((6, 3), 0.1, np.float32)
    probabilities[np.arange(6), predicted] = 0.8
    probabilities[5] = [0.75, 0.125, 0.125]  # the least sure
    arrays = {"true": true, "predicted": predicted, "probabilities": probabilities}
    repeated = {name: np.concatenate([values] * copies) for name, values in arrays.items()}
    image = {"image": np.arange(10, 10 + 6 * copies)}
    write_arrays(predictions_file(path, trial, "test"), image | repeated, '{"epoch": 4}')


def write_search(folder: Path, name: str, trials: int, epochs: int, seed: int = 0, sampler: str = "random") -> Path:
    """A search of finetune in which the learning rate decides: the best accuracy is 0.9 at 1e-3, less away from it."""
    path = folder / name
    path.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rate = FloatDistribution(1e-5, 1e-1, log=True)
    batch = IntDistribution(8, 64, log=True)
    space = {"learning_rate": distribution_to_json(rate), "batch_size": distribution_to_json(batch)}
    made = about(name, space={"search": space, "anchors": {}}, options=options_of(name, sampler=sampler))
    made["setting"] |= {"strategy": "finetune", "arm": None}
    del made["compare"]
    write_json(path / "run.json", made)
    lines = []
    for trial in range(trials):
        values = {"learning_rate": float(10 ** rng.uniform(-5, -1)), "batch_size": int(rng.integers(8, 65))}
        if trial == 0:
            values["learning_rate"] = 1e-2
        top = 0.9 - 0.1 * abs(np.log10(values["learning_rate"]) + 3)
        lines.append({"event": "asked", "trial": trial, "anchor": "plain" if trial == 0 else None, "values": values,
                      "config": values})  # fmt: skip
        row = record(trial, 1, 0.5, 0.5, strategy="finetune", share=1.0, class_counts=(4, 3, 3)).row()
        for epoch in range(1, epochs + 1):
            reached = {"epoch": epoch, "eval_accuracy": top * (1 - 0.5**epoch), "updates": 10 * epoch,
                       "train_seconds": epoch * 64 / values["batch_size"], "score_seconds": 0.0}  # fmt: skip
            lines.append({"event": "epoch", "record": row | reached | {"finished": epoch == epochs}})
        lines.append({"event": "ended", "trial": trial, "state": "complete", "reason": "", "peak_memory_mb": 1.0})
    (path / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
