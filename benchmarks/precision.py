"""python -m benchmarks.precision: does bfloat16 cost accuracy? Paired with fp32, seed by seed.

Each seed fine-tunes the same network on the same split in the same order, once in each precision, and the network of the
last epoch is judged on test: nothing is selected. The interval is the verdict's own (analysis/rulebook), over the paired
differences of the seeds; below five seeds there is none.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.rulebook.sequence import ALPHA, running
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting
from trainables.trial import Trial

CONFIG = FinetuneConfig(learning_rate=1e-4, rate="cosine")


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    plain = {"strategy": "finetune", "data": asked.data, "data_root": asked.data_root, "weights": asked.weights,
             "image_size": asked.image_size, "model": asked.model, "epochs": asked.epochs, "threads": asked.threads,
             "device": asked.device}  # fmt: skip
    rows = []
    for seed in range(asked.seeds):
        for precision in ("fp32", "bf16"):
            rows.append(measure(Setting(**plain, seed=seed, precision=precision)))
            print(line(rows[-1]), flush=True)
    table = pd.DataFrame(rows)
    for column in ("test_accuracy", "test_loss"):
        print(verdict(table, column))
    if asked.out:
        table.to_parquet(asked.out)
    return 0


def measure(setting: Setting) -> dict[str, float | int | str]:
    """Train to the end, then open test for the last epoch's network."""
    trial = Trial(setting, CONFIG, setting.seed)
    last = list(trial.records())[-1]
    test = trial.state.engine.evaluate(trial.split.test)
    return {"precision": setting.precision, "seed": setting.seed, "test_accuracy": test.accuracy, "test_loss": test.loss,
            "test_knn": test.knn, "validation_accuracy": last.eval_accuracy, "train_loss": last.train_loss,
            "seconds": last.train_seconds, "load": os.getloadavg()[0]}  # fmt: skip


def line(row: dict[str, float | int | str]) -> str:
    figures = f"accuracy {row['test_accuracy']:.4f}, loss {row['test_loss']:.4f}, KNN {row['test_knn']:.4f}"
    return (
        f"seed {row['seed']} {row['precision']}: {figures}; {row['seconds']:.0f} s of training, load {row['load']:.1f}"
    )


def verdict(table: pd.DataFrame, column: str) -> str:
    """bf16 less fp32, with its interval and whether zero lies in it."""
    wide = table.pivot(index="seed", columns="precision", values=column)
    differences = np.asarray(wide["bf16"] - wide["fp32"])
    low, high = (ends[-1] for ends in running(differences, 0.0, ALPHA))
    within = "zero lies within it" if low <= 0 <= high else "zero lies outside it"
    means = f"{column}: bf16 {wide['bf16'].mean():.4f}, fp32 {wide['fp32'].mean():.4f}"
    interval = f"95 % interval {low:+.4f} to {high:+.4f}, {len(differences)} seeds"
    return f"{means}; bf16 less fp32 {differences.mean():+.4f} ({interval}): {within}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--data", default="rsscn7")
    parser.add_argument("--data-root")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="parquet file for every run's figures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
