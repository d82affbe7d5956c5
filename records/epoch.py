"""What training says and analysis reads: one EpochRecord per epoch, one Final per trial.

Epochs count from 1; accuracies and shares lie in [0, 1]; losses are in nats; times in seconds of wall clock.
"""

from dataclasses import asdict, dataclass, field, fields
from math import inf, isnan
from typing import Any, Protocol

Row = dict[str, Any]  # of a table, or a JSON object
SCORED_PER_TRAINED = 3  # forward passes that one image's share of an update is worth
EVALUATED = "eval_"  # what the columns of an evaluation begin with
OWN = ("accuracy", "loss", "knn")  # figures that every evaluation has; all others are in its `metrics`
WORST = -1e30  # below every score, and still a number that can be reckoned with


class Figures(Protocol):
    """An evaluation: an epoch's, or that of test."""

    def figure(self, name: str) -> float | None:
        """The metric of this name; None where there is none."""


@dataclass(frozen=True)
class Objective:
    """The metric that epochs, trials and arms are picked and compared by."""

    metric: str = "accuracy"
    lower_is_better: bool = False

    @classmethod
    def of(cls, setting: Row) -> "Objective":
        """That of a recorded setting; from before there was a choice, accuracy."""
        return cls(setting.get("metric", "accuracy"), setting.get("lower_is_better", False))

    @property
    def before_any(self) -> float:
        """The score of what was not looked at yet."""
        return 0.0 if self == ACCURACY else WORST

    def turned(self, value: float) -> float:
        """The value or difference, with the sign by which more is better."""
        return -value if self.lower_is_better else value

    def score(self, of: Figures) -> float:
        """More is better; minus infinity where there is no figure."""
        value = of.figure(self.metric)
        return -inf if value is None or isnan(value) else self.turned(value)

    def standing(self, of: Figures) -> tuple[float, float]:
        """Sorts the better one last: by the metric, then by lower loss."""
        loss = of.figure("loss")
        assert loss is not None
        return self.score(of), -loss


ACCURACY = Objective()


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one trial. Everything from `updates` on counts from the start of the trial.

    The figures `eval_` and `stage_` are those of the epoch's best look, or of its end where no look in it counts.
    """

    strategy: str
    trial: int  # its number in the run, from 0
    seed: int
    epoch: int
    stage: str  # of a staged curriculum, else ""
    learning_rate: float  # of the epoch's first update
    share: float  # of the training set that was offered this epoch
    images: int  # trained on this epoch
    class_counts: tuple[int, ...]  # (C,) of those images
    train_loss: float  # running mean while training, label smoothing included
    train_accuracy: float  # running, on the images trained on
    eval_split: str  # "validation" (holdout) or "test" (report)
    eval_loss: float
    eval_accuracy: float
    eval_knn: float  # k = 5, on the features before the head
    stage_loss: float | None  # on the stage's own split, where the curriculum has one
    stage_accuracy: float | None
    updates: int  # optimiser steps
    images_trained: int  # worth of images of full size: shown at half the side, one counts a quarter
    images_scored: int  # forward passes made only to rank images
    train_seconds: float
    score_seconds: float
    eval_seconds: float
    finished: bool  # the trial has reached its planned end
    looks: int = 1  # in this epoch, that count for selection; 0: the figures are for the curve alone
    looked_at: int | None = None  # updates when the figures were taken; None, in older records: the epoch's end
    distinct: int | None = None  # images among those trained on, without repeats; None, in older records: all of them
    side: int | None = None  # pixels at which images were shown; None: as they are
    # every further metric of the evaluation, by name; None where the task has no such figure
    metrics: dict[str, float | None] = field(default_factory=dict)

    @property
    def chosen(self) -> int:
        """Different images that this epoch trained on; a twin chooses as many."""
        return self.images if self.distinct is None else self.distinct

    @property
    def seconds(self) -> float:
        """What the trial has cost: training and scoring. Evaluation is ours, not the strategy's."""
        return self.train_seconds + self.score_seconds

    def work(self, config: Row) -> int:
        """What a trial of this config has done, in images trained on: ranking one costs about a third of that.

        Where images are shown smaller, by their pixels.
        """
        shown_smaller = config.get("resolution_start", 1) < 1
        trained: int = self.images_trained if shown_smaller else self.updates * config["batch_size"]
        return trained + self.images_scored // SCORED_PER_TRAINED

    def row(self) -> Row:
        """One flat row: a metric is the column eval_<name>."""
        row = dict(vars(self))  # asdict would copy every value, which takes forty times as long
        del row["metrics"]
        return row | {f"{EVALUATED}{name}": value for name, value in self.metrics.items()}

    @classmethod
    def from_row(cls, row: Row) -> "EpochRecord":
        """The inverse. Raises TypeError or KeyError where a field is missing or unknown."""
        own = {name: value for name, value in row.items() if name in FIELDS or not name.startswith(EVALUATED)}
        metrics = {name.removeprefix(EVALUATED): value for name, value in row.items() if name not in own}
        return cls(**own | {"class_counts": tuple(row["class_counts"])}, metrics=metrics)

    def figure(self, name: str) -> float | None:
        """Of the evaluation, by the metric's name."""
        value: float | None = getattr(self, EVALUATED + name) if name in OWN else self.metrics.get(name)
        return value

    def better_than(self, other: "EpochRecord | None", by: Objective = ACCURACY) -> bool:
        """By the objective, then lower loss; the earlier epoch keeps a full tie. Never where no look in it counts."""
        return bool(self.looks) and (other is None or by.standing(self) > by.standing(other))


FIELDS = frozenset(each.name for each in fields(EpochRecord))


@dataclass(frozen=True)
class Final:
    """What is left to say of a trial: its selected epoch, and its test figures where test was opened for it."""

    strategy: str
    trial: int
    seed: int
    state: str  # "complete", "pruned", "failed" or "interrupted"
    epochs: int  # trained
    best_epoch: int | None  # None where no epoch was reached
    selected_on: str  # the split the epoch was picked on: "validation", or "test" under protocol report
    selection_accuracy: float | None
    selection_loss: float | None
    selection_knn: float | None
    test_accuracy: float | None  # None: test was not opened for this trial
    test_loss: float | None
    test_knn: float | None
    test_opened: int  # times the test split has been opened in this run so far; under "report", once per look
    seconds: float  # of training and scoring
    peak_memory_mb: float  # resident memory of the process; on a GPU, of the device

    def row(self) -> Row:
        return asdict(self)
