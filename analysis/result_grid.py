"""What a Tuner of one's own came to, as a run folder: report, export and figures then work on it. Imports no Ray.

A `ResultGrid` is a sequence of results, one a trial; those of `trainables.trainable` have every figure of an epoch by its
name. Where a trial has a checkpoint, its records are those kept in it: they are whole, and of a population's member they
are those of the training that its network came from.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, get_type_hints

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from analysis.run import Run
from console.errors import UsageError
from records.boundary import RUN
from records.epoch import EVALUATED, EpochRecord, Objective, Row
from records.events import FORMAT, Asked, Ended, Ending, Epoch, Event, Started
from records.files import read_arrays, read_text, write_arrays, write_json
from records.folder import best_weights
from records.ledger import Ledger
from records.outputs import check_not_of_a_run
from records.parquet import write_tables
from spaces.registry import get_space
from spaces.setting import Setting
from spaces.space import Space, within

VERSIONS = ("curriculum-tune", "ray", "torch", "optuna", "numpy")
HINTS = get_type_hints(EpochRecord)
COUNTS = re.compile(r"class_counts/(\d+)")


class Described(Protocol):
    """What `trainables.trainable` makes: a class that says what its trials share."""

    setting: Setting

    @classmethod
    def about(cls) -> Row:
        """Setting and data, as run.json has them."""


@dataclass(frozen=True)
class Tried:
    """One trial of a Tuner."""

    number: int
    result: Any  # of Ray's
    setting: Setting
    records: tuple[EpochRecord, ...]  # from epoch 1 on, without a gap

    @property
    def given(self) -> Row:
        """The fields that the Tuner gave it; nothing of a trial that ended before it told anything: Ray keeps it back."""
        return dict(self.result.config or self.result.metrics.get("config") or {})

    @cached_property
    def times(self) -> list[float]:
        """When each record was told, in seconds since 1970; those of a donor with the first of its own."""
        frame = self.result.metrics_dataframe
        if frame is None or frame.empty:
            return []
        told = dict(zip(frame["epoch"].astype(int), frame["timestamp"].astype(float), strict=True))
        first = min(told.values())  # a member that went back told some epochs later than those that follow
        return list(accumulate((told.get(record.epoch, first) for record in self.records), max))

    @property
    def state(self) -> Ending:
        if self.result.error:
            return "failed"
        if self.records and self.records[-1].finished:
            return "complete"
        return "pruned" if self.records and self.result.metrics.get("done") else "interrupted"

    @property
    def reason(self) -> str:
        """Of a failure, the last line of what Ray says; 'UsageError: ...' without the module."""
        words = str(self.result.error or "").strip().splitlines()
        return re.sub(r"^(\w+\.)+(?=\w+:)", "", words[-1].strip()).rstrip(".") if words else ""

    def best(self, by: Objective) -> EpochRecord | None:
        """The epoch that the trial is ranked by."""
        found: EpochRecord | None = None
        for record in self.records:
            found = record if record.better_than(found, by) else found
        return found


def from_result_grid(grid: Sequence[Any], out: str | Path, trainable: type[Described]) -> Run:
    """The run folder `out`, made of a Tuner's results: run.json, ledger, tables and the best networks that were kept.

    `trainable`: the class that the Tuner was given; it says what setting and data were. Nothing is overwritten. Raises
    UsageError where `out` is there already, or the results are not of such a class.
    """
    folder = Path(out).absolute()
    if folder.exists():
        raise UsageError(f"{folder} is there already; nothing is overwritten: name another folder.")
    check_not_of_a_run(folder)
    setting, made = trainable.setting, trainable.about()
    folder.mkdir(parents=True)
    try:
        trials = [_tried(number, result, setting, folder) for number, result in enumerate(grid)]
        write_json(folder / RUN, _about(trials, made, folder, str(getattr(grid, "experiment_path", ""))))
        _write(folder, _in_order(trials, _searched(trials, setting)))
    except UsageError:
        shutil.rmtree(folder)  # made just now
        raise
    write_tables(folder)
    return Run(folder)


def _write(folder: Path, events: Sequence[Event]) -> None:
    ledger = Ledger(folder)
    try:
        for event in events:
            ledger.append(event)
    finally:
        ledger.close()


def _tried(number: int, result: Any, setting: Setting, folder: Path) -> Tried:
    """The trial, with the network of its last checkpoint put into the run folder where it is that of its best epoch."""
    told = list(_told(result.metrics_dataframe, number, setting))
    if result.checkpoint is None:
        if not told and (result.metrics or {}).get("epoch"):
            raise UsageError(
                f"Ray has kept no epoch of trial {number}: TUNE_DISABLE_AUTO_CALLBACK_LOGGERS was set, as search.run sets "
                f"it; unset it before the Tuner runs, or have checkpoints kept."
            )
        return Tried(number, result, setting, _without_gap(told))
    with result.checkpoint.as_directory() as place:
        kept = json.loads((Path(place) / "trial.json").read_text())["records"]
        lineage = [replace(EpochRecord.from_row(row), trial=number) for row in kept]
        after = [record for record in told if not lineage or record.epoch > lineage[-1].epoch]
        trial = Tried(number, result, setting, _without_gap([*lineage, *after]))
        _keep(Path(place) / "best.safetensors", trial, folder)
    return trial


def _told(frame: Any, number: int, setting: Setting) -> Iterator[EpochRecord]:
    """What Ray was told, line by line. Raises UsageError where that was of something else."""
    if frame is None or frame.empty:
        return
    lacking = [name for name in ("epoch", "eval_accuracy", "share", "finished") if name not in frame]
    if lacking:
        raise UsageError(
            f"The results have no column {lacking[0]}; pass a ResultGrid of a class that trainable() made."
        )
    own = {"strategy": str(setting.contestant), "trial": number, "seed": setting.seed, "stage": "",
           "eval_split": "test" if setting.protocol == "report" else "validation"}  # fmt: skip
    for row in frame.to_dict("records"):
        there = {name: value for name, value in row.items() if value is not None and value == value}
        counts = {int(found[1]): int(value) for name, value in there.items() if (found := COUNTS.fullmatch(str(name)))}
        figures = {name: _typed(name, value) for name, value in there.items() if name in HINTS or _is_metric(name)}
        blank = {"stage_loss": None, "stage_accuracy": None}
        yield EpochRecord.from_row(
            blank | figures | own | {"class_counts": [counts[place] for place in sorted(counts)]}
        )


def _is_metric(name: Any) -> bool:
    return str(name).startswith(EVALUATED)


def _typed(name: str, value: Any) -> Any:
    """As the record has it: a table's column of whole numbers with a gap is one of floats."""
    hint = HINTS.get(name, float)
    return bool(value) if hint is bool else int(value) if hint in (int, int | None) else float(value)


def _without_gap(told: Sequence[EpochRecord]) -> tuple[EpochRecord, ...]:
    """Epochs 1, 2, ...: a trial that went back says some again, and the later word counts."""
    records: dict[int, EpochRecord] = {}
    for record in told:
        records = {epoch: known for epoch, known in records.items() if epoch < record.epoch} | {record.epoch: record}
    return tuple(record for place, record in enumerate(records.values(), start=1) if record.epoch == place)


def _keep(path: Path, trial: Tried, folder: Path) -> None:
    """Put the network under its trial's number, unless it is not that of the best epoch."""
    best = trial.best(Objective(trial.setting.metric, trial.setting.lower_is_better))
    text = read_text(path, "record")
    if best is None or text is None or json.loads(text)["epoch"] != best.epoch:
        return
    texts = {"record": json.dumps(json.loads(text) | {"trial": trial.number})}
    if about := read_text(path, "model"):
        model = json.loads(about)
        texts["model"] = json.dumps(model | {"run": model["run"] | {"name": folder.name, "trial": trial.number}})
    arrays, setting = read_arrays(path)
    write_arrays(best_weights(folder, trial.number), arrays, setting, **texts)


def _searched(trials: Sequence[Tried], setting: Setting) -> Space:
    """The strategy's space as it was searched: what differs between trials, over what was tried; the rest is fixed."""
    space = get_space(setting.strategy)
    legal = [_legal(space, trial) for trial in trials if trial.records]
    values = {name: [config[name] for config in legal] for name in (legal[0] if legal else ())}
    given = {name for trial in trials for name in trial.given}
    search = {name: _range(space.search.get(name), each) for name, each in values.items() if len(set(each)) > 1}
    fixed = {name: each[0] for name, each in values.items() if name in given and name not in search}
    return replace(space, search=search, fixed=fixed, anchors=())


def _legal(space: Space, trial: Tried) -> Row:
    """Every field of a trial's config."""
    return space.build(trial.given).model_dump()


def _range(own: BaseDistribution | None, tried: list[Any]) -> BaseDistribution:
    """The strategy's own range of a field where everything that was tried is in it; else from the least to the most."""
    if own is not None and all(within(own, value) for value in tried):
        return own
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in tried):
        whole = all(isinstance(value, int) for value in tried)
        return IntDistribution(min(tried), max(tried)) if whole else FloatDistribution(min(tried), max(tried))
    return CategoricalDistribution(tuple(dict.fromkeys(tried)))


def _in_order(trials: Sequence[Tried], space: Space) -> list[Event]:
    """What happened, by its time; a trial that told nothing stands at the beginning."""
    start = _started(trials)
    events: list[Event] = [event for trial in trials for event in _events(trial, space, start)]
    return [Started("search", time=start), *sorted(events, key=lambda event: event.time or start)]


def _started(trials: Sequence[Tried]) -> float:
    return min((at for trial in trials for at in trial.times), default=time.time())


def _events(trial: Tried, space: Space, start: float) -> Iterator[Event]:
    times = trial.times or [start] * max(1, len(trial.records))
    config = _legal(space, trial) if trial.records else trial.given
    yield Asked(
        trial.number, config, {name: config[name] for name in space.active(config) if name in config}, time=times[0]
    )
    for record, at in zip(trial.records, times, strict=False):
        yield Epoch(record, time=at)
    memory = float(trial.result.metrics.get("peak_memory_mb") or 0.0)
    yield Ended(trial.number, trial.state, trial.reason, memory, time=times[-1])


def _about(trials: Sequence[Tried], made: Row, folder: Path, source: str) -> Row:
    """run.json."""
    setting: Setting = trials[0].setting if trials else Setting(**made["setting"])
    space = _searched(trials, setting)
    return {
        "format": FORMAT,
        "kind": "search",
        "command": f"analysis.from_result_grid, of the Tuner in {source or 'memory'}",
        "started": datetime.fromtimestamp(_started(trials)).astimezone().isoformat(timespec="seconds"),
        "options": {"name": folder.name, "out": str(folder.parent), "space": space.strategy, "data": setting.data,
                    "sampler": "own Tuner", "scheduler": "own Tuner", "executor": "ray", "seed": setting.seed,
                    "samples": len(trials), "epochs": setting.epochs, "protocol": setting.protocol, "keep": len(trials)},
        "asked": [],
        "setting": made["setting"] | {"data_digest": made["data"]["digest"]},
        "space": {"strategy": space.strategy, "search": {n: distribution_to_json(d) for n, d in space.search.items()},
                  "fixed": space.fixed, "anchors": {}},
        "data": made["data"],
        "versions": {name: _version(name) for name in VERSIONS},
    }  # fmt: skip


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
