"""The training loop: one, for every strategy. A generator of EpochRecords that can be dropped or saved at any yield.

N = images of the training split. Curricula number images within the training split; the engine within the data set.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from records.epoch import ACCURACY, EpochRecord, Objective
from spaces.trial import TrialConfig
from trainables.budget import Budget, Pace, Totals
from trainables.curricula.balance import balanced, class_weights
from trainables.curricula.base import Curriculum, Difficulty, Feedback, Floats, Ints, Plan
from trainables.curricula.batches import batches
from trainables.looks import Looks, Weights, copied, outdoes
from trainables.networks.engine import Engine, Manner
from trainables.networks.noise import seeded
from trainables.networks.outcomes import Evaluation, Trained
from trainables.rates import RateRule
from trainables.seeds import Purpose, integer, rng
from trainables.segments import Work, shuffled
from trainables.views import Views, draw_views


class NonFiniteLoss(ArithmeticError):
    """Training has diverged; the message names the epoch, the learning rate and the config."""


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
    budget: Budget = field(default_factory=Budget)  # what ends the trial beside its epochs, and where it is looked at
    objective: Objective = ACCURACY  # what epochs are picked by
    eval_levels: Floats | None = None  # (n,) of the division, for stages that have figures of their own
    epoch: int = 0
    curriculum_state: dict[str, Any] = field(default_factory=dict)
    rule_state: dict[str, Any] = field(default_factory=dict)
    difficulty: Difficulty | None = None
    scored_at: int = 0  # epoch of the last scoring; 0: never
    totals: Totals = field(default_factory=Totals)
    best: EpochRecord | None = None
    last: EpochRecord | None = None
    evaluation: Evaluation | None = None  # the one that the last record shows
    kept: Weights | None = None  # of that moment, where it is the trial's best and training went on; None: as they are
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.curriculum_state = self.curriculum.begin()
        self.rule_state = self.rule.begin()

    @property
    def used(self) -> float:
        """Of the budget, in its unit."""
        return self.budget.used(self.totals)

    @property
    def progress(self) -> float:
        """How much of the planned training is done, in [0, 1]: of the budget, or of the epochs."""
        if math.isfinite(self.budget.most):
            return min(1.0, self.used / self.budget.most)
        return self.epoch / self.epochs

    @property
    def finished(self) -> bool:
        return self.epoch >= self.epochs or self.budget.spent(self.totals)


def train(state: TrainState) -> Iterator[EpochRecord]:
    """Yield one record per epoch until the planned end. Raises NonFiniteLoss, and NoSecondsLeft before the first epoch."""
    if not state.epoch:
        state.budget.check(state.totals)
    while not state.finished:
        before = state.used if state.epoch else 0.0  # marks that what stood ready has run over are looked at as well
        state.epoch += 1
        with _noise(state, "network_scoring"):
            _score(state)
        plan = _plan(state)
        order, positions = _affordable(state, *shuffled(state.seed, state.epoch, plan.images, len(state.train_index)))
        with _noise(state, "network"):
            rate, trained, looks = _train(state, plan, order, positions, before)
        record = _record(state, plan, order[: trained.images], rate, trained, looks)
        state.last = record
        if record.better_than(state.best, state.objective):
            state.best = record
        yield record


def _noise(state: TrainState, purpose: Purpose) -> AbstractContextManager[None]:
    """Where the network draws numbers itself, as dropout does: the same in every training of this epoch."""
    return seeded(integer(state.seed, state.epoch, purpose), state.engine.device)


def _plan(state: TrainState) -> Plan:
    """What the curriculum chooses, with images repeated where classes are to come equally often."""
    plan = state.curriculum.plan(state.curriculum_state, state.difficulty, rng(state.seed, state.epoch, "plan"))
    if state.config.sampling == "as_is":
        return plan
    return balanced(plan, state.curriculum.labels, rng(state.seed, state.epoch, "balance"))


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
    if state.budget.updates is None:
        return order, positions
    left = state.budget.updates - state.totals.updates
    size = sum(len(batch) for batch in batches(order, state.config.batch_size)[:left])
    return order[:size], positions[:size]


def _train(state: TrainState, plan: Plan, order: Ints, positions: Ints, before: float) -> tuple[float, Trained, Looks]:
    """Train on the images of `order` or as many as the clock allows, then let curriculum and rate learn from it.

    `before`: what was used of the budget when the epoch began. Returns the rate of the first update, what training showed,
    and the looks at marks on the way or at the end.
    """
    work, looks, state.kept = _work(state, plan, order, positions), Looks(state.objective), None
    first, trained = _train_segment(state, plan, work, 0, before)
    while not _look_if_due(state, looks, before, first, whole=trained.updates == work.updates):
        before = state.used
        trained += _train_segment(state, plan, work, trained.updates, before)[1]
    shown = Feedback(trained.accuracy, state.progress, order[: trained.images], trained.losses)
    state.curriculum_state = state.curriculum.learn(state.curriculum_state, shown)
    state.rule_state = state.rule.learn(state.rule_state, trained.accuracy)
    return first, trained, looks


def _work(state: TrainState, plan: Plan, order: Ints, positions: Ints) -> Work:
    """The epoch as the engine takes it."""
    started = time.perf_counter()
    if plan.fresh_optimizer:
        state.engine.fresh_optimizer()
    views = _views(state, order)
    weights = _weights(state, None if plan.weights is None else plan.weights[positions], order, views)
    numbered = None if views is None else views.numbered(state.train_index)
    work = Work(state.train_index[order], weights, numbered, state.config.batch_size)
    state.totals.train_seconds += time.perf_counter() - started
    return work


def _weights(state: TrainState, planned: Floats | None, order: Ints, views: Views | None) -> Floats | None:
    """(K,) of the plan, times those of the classes; (K, 2) with the partner's class where images are mixed."""
    if state.config.class_weight == "none":
        return planned
    labels = state.curriculum.labels
    partners = views.partners.images if views and views.partners else None
    pairs = order if partners is None else np.stack([order, partners], axis=1)
    weights = class_weights(labels)[labels[pairs]]
    if planned is None:
        return weights
    return weights * planned.reshape(-1, *[1] * (weights.ndim - 1))


def _views(state: TrainState, order: Ints) -> Views | None:
    """How each image of `order` is shown; None where nothing is augmented, as on features."""
    if not state.config.augments:
        return None
    return draw_views(state.config, state.seed, state.epoch, order, len(state.train_index), state.engine.size)


def _train_segment(state: TrainState, plan: Plan, work: Work, done: int, before: float) -> tuple[float, Trained]:
    """Go on after the first `done` updates of the epoch, as far as the budget need not be asked; its first rate, too."""
    started = time.perf_counter()
    ahead = state.budget.updates_ahead(before, state.used, state.pace.per_update)
    end = int(min(work.updates, done + ahead))
    part, progress = work.segment(done, end), _progress(state, done, work.updates)
    rates = (plan.rate_factor * state.rule.rates(state.rule_state, state.epoch, progress))[done:end]
    side = state.engine.side_of(plan.scale)
    manner = Manner(side, plan.absolute, state.curriculum.wants_losses)
    trained = state.engine.train(part.images, rates, part.weights, part.views, manner)
    if not np.isfinite(trained.loss):
        raise _diverged(state, "the loss", rates[0])
    seconds = time.perf_counter() - started if trained.seconds is None else trained.seconds
    state.totals += Totals(trained.updates, _worth(state, trained.images, side), train_seconds=seconds)
    state.pace.add(trained.updates, seconds)
    return float(rates[0]), trained


def _worth(state: TrainState, images: int, side: int | None) -> int:
    """What so many images count for: by their pixels, so that one at half the side is a quarter of one."""
    return images if side is None else round(images * (side / state.engine.size[0]) ** 2)


def _progress(state: TrainState, done: int, total: int) -> Floats:
    """(B,) how much of the planned training is done before each of an epoch's `total` updates, `done` of which are made."""
    steps = np.arange(total)
    if not math.isfinite(state.budget.most):
        return (state.epoch - 1 + steps / total) / state.epochs
    each = 1 if state.budget.seconds is None else state.pace.per_update
    return np.clip((state.used + (steps - done) * each) / state.budget.most, 0.0, 1.0)


def _look_if_due(state: TrainState, looks: Looks, before: float, rate: float, whole: bool) -> bool:
    """Judge the network if a mark was passed since `before` or the epoch ends unseen; returns whether the epoch is over.

    `whole`: all of the epoch's updates are made. Judging leaves weights, BatchNorm's statistics and the optimiser alone,
    and the engine puts the network back into train mode itself.
    """
    over = whole or state.budget.spent(state.totals)
    counts = state.budget.passes_mark(before, state.used)
    counts = counts or (over and (state.budget.marks is None or state.finished))
    if counts or (over and not looks.count):
        evaluation = _evaluate(state, rate)
        if looks.enter(evaluation, state.totals.updates, counts):
            state.evaluation = evaluation
            goes_on = not over and outdoes(evaluation, state.best, state.objective)
            state.kept = copied(state.engine.weights()) if goes_on else None
    return over


def _evaluate(state: TrainState, rate: float) -> Evaluation:
    started = time.perf_counter()
    evaluation = state.engine.evaluate(state.eval_index)
    state.totals.eval_seconds += time.perf_counter() - started
    if not np.isfinite(evaluation.loss):
        raise _diverged(state, "the evaluation loss", rate)
    return evaluation


def _record(state: TrainState, plan: Plan, order: Ints, rate: float, trained: Trained, looks: Looks) -> EpochRecord:
    labels, evaluation = state.curriculum.labels, looks.evaluation
    assert evaluation
    stage_loss, stage_accuracy = _stage_figures(state, plan, evaluation)
    return EpochRecord(
        strategy=state.strategy,
        trial=state.trial,
        seed=state.seed,
        epoch=state.epoch,
        stage=plan.stage,
        learning_rate=rate,
        share=plan.share,
        images=len(order),
        distinct=len(np.unique(order)),
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
        looks=looks.count,
        looked_at=looks.updates,
        side=state.engine.side_of(plan.scale),
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
