"""python -m benchmarks.scoring: what cheaper scoring saves, how well it ranks, and what it does to accuracy.

Self-paced learning with exact scores, and with each cheaper way, on the same seeds. Before every second epoch the network
is also scored exactly, outside the trial's clock, and compared with what the trial ranked by in the next one: Spearman's
rank correlation, and the share of the images it chose that exact scores would have chosen too. The time is set against the
training within the same trial, so that other work on the machine meets both alike.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch.nn import functional

from analysis.rulebook.sequence import ALPHA, running
from analysis.statistics import t_interval
from spaces.self_paced import SelfPacedConfig
from spaces.setting import Setting
from trainables import loop
from trainables.budget import Totals
from trainables.curricula.base import Difficulty
from trainables.networks.outcomes import Trained
from trainables.preparation import fixed_difficulty
from trainables.trial import Trial

EVERY = 5  # epochs from one scoring to the next, of the ways that do not score each epoch
WAYS: dict[str, dict[str, Any]] = {
    "exact": {},
    "stale": {"score_every": EVERY},
    # here only, as they did not pay (see NOTES.md):
    "seen": {"score_every": EVERY},  # between two scorings, images trained on are known by the loss they then had
    "half": {},  # images of half the side
    "head": {},  # a linear head on the pretrained network's features, cross-validated once
    "random": {"order": "random"},
}
COLUMNS = [
    "way",
    "seed",
    "accuracy",
    "test_accuracy",
    "correlation",
    "agreement",
    "train_s",
    "score_s",
    "images",
    "share",
]


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    plain = {"strategy": "self_paced", "data": asked.data, "data_root": asked.data_root, "weights": asked.weights,
             "image_size": asked.image_size, "model": asked.model, "epochs": asked.epochs, "threads": asked.threads,
             "device": asked.device, "precision": asked.precision}  # fmt: skip
    rows: list[dict[str, Any]] = []
    for seed, way in product(asked.seeds, asked.ways.split(",")):
        rows.append({"way": way, "seed": seed, **measure(Setting(**plain, seed=seed), way, asked.check)})
        print(
            ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in rows[-1].items()), flush=True
        )
        if asked.out:
            pd.DataFrame(rows).to_parquet(asked.out)
    print(f"load {os.getloadavg()[0]:.1f}\n" + summary(pd.DataFrame(rows)))
    return 0


def measure(setting: Setting, way: str, check: int) -> dict[str, Any]:
    """One trial to its end; the last epoch's network is judged on test, so nothing is selected."""
    trial = Trial(setting, SelfPacedConfig(learning_rate=1e-4, ranking="image_per_class", **WAYS[way]), 0)
    {"seen": remember_losses, "half": score_half, "head": score_by_head}.get(way, lambda trial: None)(trial)
    found = list(compared(trial, check))
    last = trial.state.last
    assert last
    test = trial.state.engine.evaluate(trial.split.test)
    correlation, agreement = np.mean(found, axis=0).tolist() if found else (float("nan"),) * 2
    figures = (last.eval_accuracy, test.accuracy, correlation, agreement, last.train_seconds, last.score_seconds)
    return dict(zip(COLUMNS[2:], (*figures, last.images_trained, last.share), strict=True))


def compared(trial: Trial, check: int) -> Iterator[tuple[float, float]]:
    """(rank correlation, agreement) of what every `check`-th plan was made by with exact scores of the same network."""
    state, judge = trial.state, Trial(trial.setting, trial.state.config, 0).state.engine
    used: list[Difficulty | None] = []  # by each epoch's plan
    train = state.engine.train
    state.engine.train = lambda *rest: (used.append(state.difficulty), train(*rest))[1]  # type: ignore[method-assign]
    epochs = loop.train(state)
    while not state.finished:
        judge.network.load_state_dict(state.engine.network.state_dict())
        record, ranked = next(epochs), used[-1]
        if check and ranked is not None and record.share < 1 and state.epoch % check == 0:
            exact = judge.score(state.train_index, "eval")
            both = agreement(state.curriculum.labels, record.class_counts, ranked.values, exact)
            yield float(spearmanr(ranked.values, exact).statistic), both


def agreement(labels: np.ndarray, counts: Sequence[int], values: np.ndarray, exact: np.ndarray) -> float:
    """Of the lowest `counts` of each class by values (N,), the share that is among the lowest by exact (N,) too."""
    both = 0
    for label, size in enumerate(counts):
        own = np.flatnonzero(labels == label)
        chosen, wanted = (set(own[np.argsort(v[own], kind="stable")[:size]]) for v in (values, exact))
        both += len(chosen & wanted)
    return both / sum(counts)


def remember_losses(trial: Trial) -> None:
    """After an epoch, the images it trained on are ranked by the losses they had in training."""
    state, train, hits = trial.state, trial.state.engine.train, trial.state.engine.task.hits
    met: list[tuple[torch.Tensor, torch.Tensor]] = []

    def watched_hits(logits: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        met.append((at, state.engine.task.loss(logits.detach(), at)))
        return hits(logits, at)

    def watched_train(order: np.ndarray, *rest: Any) -> Trained:
        met.clear()
        trained = train(order, *rest)
        if state.difficulty is not None:
            values = state.difficulty.values.copy()
            places = np.searchsorted(state.train_index, torch.cat([at for at, _ in met]).numpy())
            values[places] = torch.cat([losses for _, losses in met]).double().numpy()
            state.difficulty = Difficulty(values, state.difficulty.order)
        return trained

    state.engine.task.hits, state.engine.train = watched_hits, watched_train  # type: ignore[method-assign]


def score_half(trial: Trial) -> None:
    """Scoring sees images averaged two by two pixels; about a quarter of the arithmetic."""
    engine, score, batch = trial.state.engine, trial.state.engine.score, trial.state.engine._batch

    def score_half_size(order: np.ndarray, mode: str) -> np.ndarray:
        engine._batch = lambda at: functional.avg_pool2d(batch(at), 2)  # type: ignore[method-assign, misc]
        try:
            return score(order, mode)
        finally:
            engine._batch = batch  # type: ignore[method-assign]

    engine.score = score_half_size  # type: ignore[method-assign]


def score_by_head(trial: Trial) -> None:
    """Rank by the head's losses instead of the network's, and charge what they cost once."""
    scores, charged = fixed_difficulty(trial.setting, trial.data, trial.split.train)
    trial.state.engine.score = lambda order, mode: scores.values[order]  # type: ignore[method-assign]
    trial.state.totals = trial.state.totals + Totals(score_seconds=charged.score_seconds)


def summary(table: pd.DataFrame) -> str:
    """One line per way: means over seeds with 95 % t intervals, and the paired difference from exact scores.

    The difference has the verdict's interval (analysis/rulebook); below five seeds there is none.
    """
    lines = ["way     correlation  agreement  time/training   test accuracy            less exact, points"]
    exact = table[table.way == "exact"].set_index("seed")["test_accuracy"]
    for way, own in table.groupby("way", sort=False):
        times = ((own.train_s + own.score_s) / own.train_s).median()
        low, high = t_interval(own.test_accuracy.to_numpy())
        text = f"{way:<8}{own.correlation.mean():>11.3f}{own.agreement.mean():>11.3f}{times:>15.2f}   "
        text += f"{own.test_accuracy.mean():.3f} ({low:.3f} to {high:.3f})"
        if way != "exact" and len(exact):
            less = 100 * (own.set_index("seed")["test_accuracy"] - exact).dropna().to_numpy()
            low, high = (ends[-1] for ends in running(less, 0.0, ALPHA))
            text += f"   {less.mean():+.1f} ({low:+.1f} to {high:+.1f})"
        lines.append(text)
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=__doc__)
    parser.add_argument("--data", default="rsscn7")
    parser.add_argument("--data-root")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=lambda text: [int(word) for word in text.split(",")], default=list(range(6)))
    parser.add_argument("--ways", default=",".join(WAYS), help="of " + ", ".join(WAYS))
    parser.add_argument(
        "--check", type=int, default=2, help="epochs between two comparisons with exact scores (2); 0: none"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="parquet file for every trial's figures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
