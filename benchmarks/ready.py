"""A trial that trains nothing: its records are ready, so that what a search takes is what the search itself costs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from records.epoch import EpochRecord
from spaces.setting import Setting
from spaces.trial import TrialConfig

IMAGES = 1792  # of an epoch; every batch size of the spaces divides it
RECORD = EpochRecord(
    strategy="finetune", trial=0, seed=0, epoch=1, stage="", learning_rate=1e-3, share=1.0, images=IMAGES,
    class_counts=(256,) * 7, train_loss=1.0, train_accuracy=0.5, eval_split="validation", eval_loss=1.0,
    eval_accuracy=0.5, eval_knn=0.5, stage_loss=None, stage_accuracy=None, updates=56, images_trained=IMAGES,
    images_scored=0, train_seconds=1.0, score_seconds=0.0, eval_seconds=0.1, finished=False,
)  # fmt: skip


class ReadyTrial:
    """In place of trainables.trial.Trial, as far as the executors look at one. All trials do equally well.

    The median rule therefore judges every one and stops none, and all run their whole length.
    """

    def __init__(self, setting: Setting, config: TrialConfig, number: int, folder: Path | None = None):
        self.setting, self.number, self.member = setting, number, ""
        self.state = SimpleNamespace(config=config, train_index=range(IMAGES), best=None)

    def accuracy(self, epoch: int) -> float:
        return 0.9 * epoch / self.setting.epochs

    def resume(self) -> list[EpochRecord]:
        return []

    def records(self) -> Iterator[EpochRecord]:
        last, updates = self.setting.epochs, IMAGES // self.state.config.batch_size
        for epoch in range(1, last + 1):
            record = replace(RECORD, trial=self.number, epoch=epoch, eval_accuracy=self.accuracy(epoch),
                             updates=epoch * updates, images_trained=epoch * IMAGES, finished=epoch == last)  # fmt: skip
            self.state.best = record if record.better_than(self.state.best) else self.state.best
            yield record


class UnequalTrial(ReadyTrial):
    """Trials that do differently well, in an order that looks like chance."""

    def accuracy(self, epoch: int) -> float:
        return (0.5 + 0.4 * (self.number * 7919 % 10_007) / 10_007) * epoch / self.setting.epochs
