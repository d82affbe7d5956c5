"""The training loop: one, for every strategy. A generator of EpochRecords that can be dropped or saved at any yield.

N = images of the training split. Curricula number images within the training split; the engine within the data set.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import torch

from records.epoch import EpochRecord
from spaces.trial import TrialConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Plan
from trainables.curricula.batches import batches
from trainables.networks.engine import Engine, Evaluation, Trained
from trainables.rates import Constant
from trainables.seeds import rng


class NonFiniteLoss(ArithmeticError):
    """Training has diverged; the message names the epoch, the learning rate and the config."""


@dataclass
class Totals:
    """What the trial has used since its start."""

    updates: int = 0
    images_trained: int = 0
    images_scored: int = 0
    train_seconds: float = 0.0
    score_seconds: float = 0.0
    eval_seconds: float = 0.0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    @classmethod
    def of(cls, record: EpochRecord) -> "Totals":
        """What the trial had used by the end of that epoch."""
        return cls(**{each.name: getattr(record, each.name) for each in fields(cls)})


@dataclass
class Run:
    """Everything that changes while a trial trains: the only mutable object, and what a checkpoint holds."""

    engine: Engine
    curriculum: Curriculum
    rule: Constant
    config: TrialConfig
    train_index: np.ndarray  # (N,) of the training split, in the data set
    eval_index: np.ndarray
    eval_split: str
    strategy: str
    trial: int
    seed: int
    epochs: int  # at most
    budget: int | None = None  # updates after which the trial ends; None: its epochs decide
    eval_levels: np.ndarray | None = None  # (n,) of the division, for stages that have figures of their own
    epoch: int = 0
    curriculum_state: dict[str, Any] = field(default_factory=dict)
    rule_state: dict[str, Any] = field(default_factory=dict)
    difficulty: Difficulty | None = None
    scored_at: int = 0  # epoch of the last scoring; 0: never
    totals: Totals = field(default_factory=Totals)
    best: EpochRecord | None = None
    last: EpochRecord | None = None
    evaluation: Evaluation | None = None  # of the last epoch

    def __post_init__(self) -> None:
        self.curriculum_state = self.curriculum.begin()
        self.rule_state = self.rule.begin()

    @property
    def progress(self) -> float:
        """How much of the planned training is done, in [0, 1]: of the updates, or of the epochs."""
        if self.budget is not None:
            return min(1.0, self.totals.updates / self.budget)
        return self.epoch / self.epochs

    @property
    def finished(self) -> bool:
        return self.epoch >= self.epochs or (self.budget is not None and self.totals.updates >= self.budget)


def train(run: Run) -> Iterator[EpochRecord]:
    """Yield one record per epoch until the planned end. Raises NonFiniteLoss."""
    while not run.finished:
        run.epoch += 1
        _score(run)
        plan = run.curriculum.plan(run.curriculum_state, run.difficulty, rng(run.seed, run.epoch, "plan"))
        order, at = _affordable(run, *shuffled(run.seed, run.epoch, plan.images, len(run.train_index)))
        rates, trained = _train(run, plan, order, at)
        record = _record(run, plan, order, rates, trained, _evaluate(run, rates))
        run.last = record
        if record.better_than(run.best):
            run.best = record
        yield record


def _score(run: Run) -> None:
    """Rank the training images if the curriculum asks for it now, and charge for it."""
    scoring = run.curriculum.scoring(run.curriculum_state)
    if scoring is None or (run.scored_at and run.epoch - run.scored_at < scoring.every):
        return
    started = time.perf_counter()
    order = rng(run.seed, run.epoch, "score").permutation(len(run.train_index))
    values = np.empty(len(order))
    values[order] = run.engine.score(run.train_index[order], scoring.mode)
    if not np.isfinite(values).all():
        raise _diverged(run, "a score", run.config.learning_rate)
    run.difficulty, run.scored_at = Difficulty(values, order), run.epoch
    run.totals.images_scored += len(order)
    run.totals.score_seconds += time.perf_counter() - started


def _affordable(run: Run, order: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As much of the epoch as the budget of updates still pays for."""
    if run.budget is None:
        return order, at
    left = run.budget - run.totals.updates
    size = sum(len(batch) for batch in batches(order, run.config.batch_size)[:left])
    return order[:size], at[:size]


def _train(run: Run, plan: Plan, order: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, Trained]:
    """Train on the images of `order`, then let curriculum and rate learn from it."""
    started = time.perf_counter()
    rates = plan.rate_factor * run.rule.rates(run.rule_state, run.epoch, _progress(run, len(order)))
    if plan.fresh_optimizer:
        run.engine.fresh_optimizer()
    weights = None if plan.weights is None else plan.weights[at]
    trained = run.engine.train(run.train_index[order], rates, weights, _flips(run, order))
    if not np.isfinite(trained.loss):
        raise _diverged(run, "the loss", rates[0])
    run.totals.updates += trained.updates
    run.totals.images_trained += len(order)
    run.totals.train_seconds += time.perf_counter() - started
    run.curriculum_state = run.curriculum.learn(run.curriculum_state, Feedback(trained.accuracy, run.progress))
    run.rule_state = run.rule.learn(run.rule_state, trained.accuracy)
    return rates, trained


def _progress(run: Run, images: int) -> np.ndarray:
    """(B,) how much of the planned training is done before each update of an epoch over so many images."""
    steps = np.arange(len(batches(np.arange(images), run.config.batch_size)))
    if run.budget is not None:
        return (run.totals.updates + steps) / run.budget
    return (run.epoch - 1 + steps / len(steps)) / run.epochs


def shuffled(seed: int, epoch: int, images: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """`images` in the epoch's order, and where each of them stood in `images`.

    The order is one permutation of all N images, filtered: arms that share a seed meet their common images in the same
    order, and no curriculum trains in order of difficulty (trap 4).
    """
    position = np.full(total, -1)
    position[images] = np.arange(len(images))
    order = rng(seed, epoch, "order").permutation(total)
    order = order[position[order] >= 0]
    return order, position[order]


def _flips(run: Run, order: np.ndarray) -> np.ndarray | None:
    """(K, 2) whether each image is flipped; drawn for all N, so that arms flip their common images alike."""
    if run.config.augment == "none":
        return None
    return rng(run.seed, run.epoch, "augment").integers(0, 2, (len(run.train_index), 2)).astype(bool)[order]


def _evaluate(run: Run, rates: np.ndarray) -> Evaluation:
    started = time.perf_counter()
    run.evaluation = run.engine.evaluate(run.eval_index)
    run.totals.eval_seconds += time.perf_counter() - started
    if not np.isfinite(run.evaluation.loss):
        raise _diverged(run, "the evaluation loss", rates[0])
    return run.evaluation


def _record(
    run: Run, plan: Plan, order: np.ndarray, rates: np.ndarray, trained: Trained, evaluation: Evaluation
) -> EpochRecord:
    labels = run.curriculum.labels
    stage_loss, stage_accuracy = _stage_figures(run, plan, evaluation)
    return EpochRecord(
        strategy=run.strategy,
        trial=run.trial,
        seed=run.seed,
        epoch=run.epoch,
        stage=plan.stage,
        learning_rate=float(rates[0]),
        share=plan.share,
        images=len(order),
        class_counts=tuple(np.bincount(labels[order], minlength=labels.max() + 1).tolist()),
        train_loss=trained.loss,
        train_accuracy=trained.accuracy,
        eval_split=run.eval_split,
        eval_loss=evaluation.loss,
        eval_accuracy=evaluation.accuracy,
        eval_knn=evaluation.knn,
        stage_loss=stage_loss,
        stage_accuracy=stage_accuracy,
        finished=run.finished,
        eval_map=evaluation.map,
        **asdict(run.totals),
    )


def _stage_figures(run: Run, plan: Plan, evaluation: Evaluation) -> tuple[float | None, float | None]:
    """Loss and accuracy on the evaluated images of the stage's levels; None where the stage has none of its own."""
    if plan.judged_on is None or run.eval_levels is None:
        return None, None
    own = np.isin(run.eval_levels, plan.judged_on)
    if not own.any():
        return None, None
    return float(evaluation.losses[own].mean()), float(evaluation.correct[own].mean())


def _diverged(run: Run, what: str, rate: float) -> NonFiniteLoss:
    config = ", ".join(f"{k}={v}" for k, v in run.config.model_dump().items())
    return NonFiniteLoss(f"{what} is not finite in epoch {run.epoch} at learning rate {rate:g}; config: {config}.")


def save(run: Run) -> tuple[dict[str, torch.Tensor], str]:
    """The run between two epochs as tensors and a JSON text; `restore` takes both."""
    tensors = run.engine.state()
    if run.difficulty is not None:
        tensors["difficulty.values"] = torch.from_numpy(run.difficulty.values)
        tensors["difficulty.order"] = torch.from_numpy(run.difficulty.order)
    plain = {
        "epoch": run.epoch,
        "scored_at": run.scored_at,
        "curriculum": run.curriculum_state,
        "rule": run.rule_state,
        "totals": asdict(run.totals),
        "best": run.best and run.best.row(),
        "last": run.last and run.last.row(),
    }
    return tensors, json.dumps(plain)


def restore(run: Run, tensors: dict[str, torch.Tensor], text: str) -> None:
    """Put a saved state into a freshly made run of the same trial; the next epoch is the one that would have followed."""
    plain = json.loads(text)
    run.engine.restore(tensors)
    if "difficulty.values" in tensors:
        run.difficulty = Difficulty(tensors["difficulty.values"].numpy(), tensors["difficulty.order"].numpy())
    run.epoch, run.scored_at = plain["epoch"], plain["scored_at"]
    run.curriculum_state, run.rule_state = plain["curriculum"], plain["rule"]
    run.totals = Totals(**plain["totals"])
    run.best = plain["best"] and EpochRecord.from_row(plain["best"])
    run.last = plain["last"] and EpochRecord.from_row(plain["last"])
