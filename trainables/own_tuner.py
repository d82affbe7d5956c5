"""A strategy for anybody's `tune.Tuner`: a trainable whose config is the strategy's flat fields (docs/tuner.md)."""

import json
import math
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import trainables.checks as checks
from console import arguments
from console.errors import UsageError, unknown
from console.plugins import load_plugins
from records.epoch import EpochRecord, Row
from records.folder import best_weights
from spaces.setting import Setting
from trainables.data.about import about_data
from trainables.data.sources import check
from trainables.defaults import OPEN, chosen, placed
from trainables.machine import peak_memory_mb
from trainables.metrics import OBJECTIVES
from trainables.networks.models import check_model, get_architecture
from trainables.preparation import asked_of, load_data
from trainables.strategies import get_strategy
from trainables.tune import TrialTrainable

BEST, TOLD = "best.safetensors", "trial.json"  # beside CHECKPOINT: the best network so far, and config and records
OURS = {"strategy", "arm", "lower_is_better", "sizes", "spared_seed", "data_digest"}  # of a setting, not to be given
IDENTITY = {"strategy", "trial", "seed", "eval_split", "class_counts", "stage"}  # of a record: no figures


class OwnTrial(TrialTrainable):
    """One trial of a strategy under a Tuner of one's own. Made by `trainable`, which gives it its setting.

    Config: the fields of the strategy's config by name; those left out have their defaults. A value that is not legal is
    an exception in `setup`, and so an error in the ResultGrid. Threads and device are those that Ray gave the trial,
    unless the setting names them.
    """

    setting: ClassVar[Setting]
    left_open: ClassVar[frozenset[str]]  # of threads and device, what Ray decides

    def setup(self, config: dict[str, Any]) -> None:
        self.place = TemporaryDirectory(prefix="trial-")  # of the best network; it travels in the checkpoints
        self.begin(self._setting_here(), config, number=0, folder=Path(self.place.name))
        self.trial.saved_at = math.inf  # Ray says when a checkpoint is due

    def cleanup(self) -> None:
        self.place.cleanup()

    @classmethod
    def about(cls) -> Row:
        """What a run folder says of setting and data. Loads the data."""
        data, split = load_data(cls.setting)
        return {"setting": cls.setting.model_dump(), "data": about_data(data, split)}

    def result(self, record: EpochRecord | None) -> dict[str, Any]:
        """Every figure of the epoch by its name, and the best so far of each metric.

        A trial that was over when it was taken up says its last epoch again.
        """
        record = record or self.trial.state.last
        assert record, "a trial has one epoch at least"
        return {**figures(record), **self._best_so_far(), "peak_memory_mb": peak_memory_mb(self.trial.setting.device),
                "done": record.finished}  # fmt: skip

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        super().save_checkpoint(checkpoint_dir)
        if self._best.exists():
            shutil.copyfile(self._best, Path(checkpoint_dir) / BEST)
        told = {"config": self.trial.config.model_dump(), "records": [record.row() for record in self._recorded()]}
        (Path(checkpoint_dir) / TOLD).write_text(json.dumps(told))

    def take_up(self, checkpoint: Path) -> None:
        """The state of this trial or, in a population, of its donor, whose epochs and best network are its own then."""
        told = json.loads((checkpoint.parent / TOLD).read_text())
        self._check_changed(told["config"])
        records = [EpochRecord.from_row(row) for row in told["records"]]
        self.trial.recorded = {record.epoch: record for record in records}
        self.trial.restore(checkpoint)
        if (checkpoint.parent / BEST).exists():
            self._best.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(checkpoint.parent / BEST, self._best)

    @property
    def _best(self) -> Path:
        return best_weights(Path(self.place.name), 0)

    def _recorded(self) -> list[EpochRecord]:
        """Every epoch up to now, in order."""
        return [self.trial.recorded[epoch] for epoch in sorted(self.trial.recorded)]

    def _best_so_far(self) -> dict[str, float]:
        """best_<metric>: the best value of each metric at any epoch that counts, whatever is picked by."""
        best = {}
        for name, metric in OBJECTIVES.items():
            values = [record.figure(name) for record in self._recorded() if record.looks]
            known = [value for value in values if value is not None and not math.isnan(value)]
            if known:
                best[f"best_{name}"] = max(known) if metric.higher_is_better else min(known)
        return best

    def _check_changed(self, before: Row) -> None:
        """Raises UsageError where a field differs from the checkpoint's that may not change while a trial runs."""
        kind = type(self.trial.config)
        now = self.trial.config.model_dump()
        wrong = [name for name in now if now[name] != before.get(name) and not kind.is_mutable(name)]
        if wrong:
            able = ", ".join(name for name in kind.model_fields if kind.is_mutable(name))
            raise UsageError(
                f"{wrong[0]} cannot change from {before.get(wrong[0])} to {now[wrong[0]]} while a trial runs; a "
                f"population may change {able}."
            )

    def _setting_here(self) -> Setting:
        """The setting with the threads and the device that Ray gave this trial."""
        given = self.trial_resources.required_resources if self.trial_resources else {}
        here = {"threads": max(1, int(given.get("CPU", 1))), "device": "cuda" if given.get("GPU") else "cpu"}
        return self.setting.model_copy(update={name: here[name] for name in self.left_open})


def figures(record: EpochRecord) -> dict[str, float]:
    """A record as flat numbers, those that there are: `figures_to_record` makes a record of them again."""
    row = {name: value for name, value in record.row().items() if name not in IDENTITY and value is not None}
    counts = {f"class_counts/{number}": count for number, count in enumerate(record.class_counts)}
    return {**row, **counts, "seconds": record.seconds}


def trainable(
    strategy: str,
    *,
    data: str | Path = "scenes",
    model: str | None = None,
    image_size: int | None = None,
    weights: str | Path | None = None,
    difficulty: str | Path | None = None,
    split: str | Path | None = None,
    **setting: Any,
) -> type[OwnTrial]:
    """A class that any `tune.Tuner` takes: one trial of the strategy on these data.

    What is None is chosen as the command line does it. `setting`: other fields of `spaces.setting.Setting` (epochs, seed,
    metric, data_root, train_share, ...), and `threads` and `device`, which are Ray's to say where they are left out. No
    data are touched. Raises UsageError for a name or value that means nothing.
    """
    for name in setting:
        if name in OURS or name not in Setting.model_fields:
            known = [*OPEN, *(each for each in Setting.model_fields if each not in OURS and each not in OPEN)]
            raise unknown("setting", name, known)
    given = {"model": model, "image_size": image_size, "weights": weights, "difficulty": difficulty, "split": split}
    words = {name: str(value) if isinstance(value, Path) else value for name, value in (given | setting).items()}
    made = _checked(strategy, {**words, "data": str(data)})
    left_open = frozenset({"threads", "device"} - setting.keys())
    return type(strategy, (OwnTrial,), {"setting": made, "left_open": left_open, "__doc__": OwnTrial.__doc__})


def _checked(strategy: str, given: Row) -> Setting:
    """The setting, with everything that was left open chosen. Raises UsageError."""
    plugins = load_plugins(given.pop("plugins", ()))
    get_strategy(strategy)
    if given["model"] is not None:
        get_architecture(given["model"])
    checks.check_weights(given["weights"])
    checks.check_difficulty(given["difficulty"])
    made = {"data_root": None, **given, **chosen(strategy, given["data"], given)}
    asked: Setting = arguments.read(Setting, {**placed(made), "strategy": strategy, "plugins": plugins})
    if "device" in given:
        checks.check_computing(asked)
    checks.check_metric(asked.metric, asked.task)
    checks.check_random_start(strategy, asked.weights)
    checks.check_split(asked.split, asked.data)
    check(asked_of(asked))
    check_model(asked.model, asked.image_size, asked.weights)
    return asked.model_copy(update={"lower_is_better": not OBJECTIVES[asked.metric].higher_is_better})
