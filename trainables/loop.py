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
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Floats, Ints, Plan
from trainables.curricula.batches import batches
from trainables.data.dataset import Bools
from trainables.networks.engine import Engine, Evaluation, Trained
from trainables.rates import RateRule
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
class TrainState:
    """Everything that changes while a trial trains: the only mutable object, and what a checkpoint holds."""

    engine: Engine
    curriculum: Curriculum
    rule: RateRule
    config: TrialConfig
    train_index: Ints  # (N,) of the training split, in the data set
    eval_index: Ints
    eval_split: str
    strategy: str
    trial: int
    seed: int
    epochs: int  # at most
    max_updates: int | None = None  # updates after which the trial ends; None: its epochs decide
    eval_levels: Floats | None = None  # (n,) of the division, for stages that have figures of their own
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
        if self.max_updates is not None:
            return min(1.0, self.totals.updates / self.max_updates)
        return self.epoch / self.epochs

    @property
    def finished(self) -> bool:
        return self.epoch >= self.epochs or (self.max_updates is not None and self.totals.updates >= self.max_updates)


def train(state: TrainState) -> Iterator[EpochRecord]:
    """Yield one record per epoch until the planned end. Raises NonFiniteLoss."""
    while not state.finished:
        state.epoch += 1
        _score(state)
        plan = state.curriculum.plan(state.curriculum_state, state.difficulty, rng(state.seed, state.epoch, "plan"))
        order, positions = _affordable(state, *shuffled(state.seed, state.epoch, plan.images, len(state.train_index)))
        rates, trained = _train(state, plan, order, positions)
        record = _record(state, plan, order, rates, trained, _evaluate(state, rates))
        state.last = record
        if record.better_than(state.best):
            state.best = record
        yield record


def _score(state: TrainState) -> None:
    """Rank the training images if the curriculum asks for it now, and charge for it unless it is a control's pass."""
    scoring = state.curriculum.scoring(state.curriculum_state)
    if scoring is None or (state.scored_at and state.epoch - state.scored_at < scoring.every):
        return
    started = time.perf_counter()
    order = rng(state.seed, state.epoch, "score").permutation(len(state.train_index))
    values = np.empty(len(order))
    values[order] = state.engine.score(state.train_index[order], scoring.mode)
    if not np.isfinite(values).all():
        raise _diverged(state, "a score", state.config.learning_rate)
    state.difficulty, state.scored_at = Difficulty(values, order), state.epoch
    if scoring.charged:
        state.totals.images_scored += len(order)
        state.totals.score_seconds += time.perf_counter() - started


def _affordable(state: TrainState, order: Ints, positions: Ints) -> tuple[Ints, Ints]:
    """As much of the epoch as the maximum of updates leaves room for."""
    if state.max_updates is None:
        return order, positions
    left = state.max_updates - state.totals.updates
    size = sum(len(batch) for batch in batches(order, state.config.batch_size)[:left])
    return order[:size], positions[:size]


def _train(state: TrainState, plan: Plan, order: Ints, positions: Ints) -> tuple[Floats, Trained]:
    """Train on the images of `order`, then let curriculum and rate learn from it."""
    started = time.perf_counter()
    rates = plan.rate_factor * state.rule.rates(state.rule_state, state.epoch, _progress(state, len(order)))
    if plan.fresh_optimizer:
        state.engine.fresh_optimizer()
    weights = None if plan.weights is None else plan.weights[positions]
    trained = state.engine.train(state.train_index[order], rates, weights, _flips(state, order))
    if not np.isfinite(trained.loss):
        raise _diverged(state, "the loss", rates[0])
    state.totals.updates += trained.updates
    state.totals.images_trained += len(order)
    state.totals.train_seconds += time.perf_counter() - started
    state.curriculum_state = state.curriculum.learn(state.curriculum_state, Feedback(trained.accuracy, state.progress))
    state.rule_state = state.rule.learn(state.rule_state, trained.accuracy)
    return rates, trained


def _progress(state: TrainState, images: int) -> Floats:
    """(B,) how much of the planned training is done before each update of an epoch over so many images."""
    steps = np.arange(len(batches(np.arange(images), state.config.batch_size)))
    if state.max_updates is not None:
        return (state.totals.updates + steps) / state.max_updates
    return (state.epoch - 1 + steps / len(steps)) / state.epochs


def shuffled(seed: int, epoch: int, images: Ints, total: int) -> tuple[Ints, Ints]:
    """`images` in the epoch's order, and where each of them stood in `images`.

    The order is one permutation of all N images, filtered: arms that share a seed meet their common images in the same
    order, and no curriculum trains from easy to hard within an epoch.
    """
    positions = np.full(total, -1)
    positions[images] = np.arange(len(images))
    order = rng(seed, epoch, "order").permutation(total)
    order = order[positions[order] >= 0]
    return order, positions[order]


def _flips(state: TrainState, order: Ints) -> Bools | None:
    """(K, 2) whether each image is flipped; drawn for all N, so that arms flip their common images alike."""
    if state.config.augment == "none":
        return None
    drawn: Bools = rng(state.seed, state.epoch, "augment").integers(0, 2, (len(state.train_index), 2)).astype(np.bool_)
    return drawn[order]


def _evaluate(state: TrainState, rates: Floats) -> Evaluation:
    started = time.perf_counter()
    state.evaluation = state.engine.evaluate(state.eval_index)
    state.totals.eval_seconds += time.perf_counter() - started
    if not np.isfinite(state.evaluation.loss):
        raise _diverged(state, "the evaluation loss", rates[0])
    return state.evaluation


def _record(
    state: TrainState, plan: Plan, order: Ints, rates: Floats, trained: Trained, evaluation: Evaluation
) -> EpochRecord:
    labels = state.curriculum.labels
    stage_loss, stage_accuracy = _stage_figures(state, plan, evaluation)
    return EpochRecord(
        strategy=state.strategy,
        trial=state.trial,
        seed=state.seed,
        epoch=state.epoch,
        stage=plan.stage,
        learning_rate=float(rates[0]),
        share=plan.share,
        images=len(order),
        class_counts=tuple(np.bincount(labels[order], minlength=labels.max() + 1).tolist()),
        train_loss=trained.loss,
        train_accuracy=trained.accuracy,
        eval_split=state.eval_split,
        eval_loss=evaluation.loss,
        eval_accuracy=evaluation.accuracy,
        eval_knn=evaluation.knn,
        stage_loss=stage_loss,
        stage_accuracy=stage_accuracy,
        finished=state.finished,
        metrics=evaluation.metrics,
        **asdict(state.totals),
    )


def _stage_figures(state: TrainState, plan: Plan, evaluation: Evaluation) -> tuple[float | None, float | None]:
    """Loss and accuracy on the evaluated images of the stage's levels; None where the stage has none of its own."""
    if plan.judged_on is None or state.eval_levels is None:
        return None, None
    own = np.isin(state.eval_levels, plan.judged_on)
    if not own.any():
        return None, None
    return float(evaluation.losses[own].mean()), float(evaluation.correct[own].mean())


def _diverged(state: TrainState, what: str, rate: float) -> NonFiniteLoss:
    config = ", ".join(f"{k}={v}" for k, v in state.config.model_dump().items())
    return NonFiniteLoss(f"{what} is not finite in epoch {state.epoch} at learning rate {rate:g}; config: {config}.")


def save(state: TrainState) -> tuple[dict[str, torch.Tensor], str]:
    """The state between two epochs as tensors and a JSON text; `restore` takes both."""
    tensors = state.engine.state()
    if state.difficulty is not None:
        tensors["difficulty.values"] = torch.from_numpy(state.difficulty.values)
        tensors["difficulty.order"] = torch.from_numpy(state.difficulty.order)
    plain = {
        "epoch": state.epoch,
        "scored_at": state.scored_at,
        "curriculum": state.curriculum_state,
        "rule": state.rule_state,
        "totals": asdict(state.totals),
        "best": state.best and state.best.row(),
        "last": state.last and state.last.row(),
    }
    return tensors, json.dumps(plain)


def restore(state: TrainState, tensors: dict[str, torch.Tensor], text: str) -> None:
    """Put a saved state into a freshly made one of the same trial; the next epoch is the one that would have followed."""
    plain = json.loads(text)
    state.engine.restore(tensors)
    if "difficulty.values" in tensors:
        state.difficulty = Difficulty(tensors["difficulty.values"].numpy(), tensors["difficulty.order"].numpy())
    state.epoch, state.scored_at = plain["epoch"], plain["scored_at"]
    state.curriculum_state, state.rule_state = plain["curriculum"], plain["rule"]
    state.totals = Totals(**plain["totals"])
    state.best = plain["best"] and EpochRecord.from_row(plain["best"])
    state.last = plain["last"] and EpochRecord.from_row(plain["last"])
