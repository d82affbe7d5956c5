"""python -m search.replay best.parquet --row 0: run a kept config again, without Tune, and compare the numbers."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from console.arguments import DONE, TOO_FEW, Parser, complaint_of, guarded, refuse_nothing
from console.errors import UsageError
from console.fields import flag_of
from console.plugins import require_plugins
from console.wording import clock, many, printable
from records.epoch import OWN, EpochRecord, Row
from records.parquet import read_rows, row_of
from records.tables import SETTING
from spaces.setting import MOST_EPOCHS, Setting
from spaces.space import fields_of_row, make_config
from spaces.trial import TrialConfig
from trainables.checks import check_computing
from trainables.machine import cores
from trainables.metrics import as_text, get_metric
from trainables.networks.engine import gpus_here
from trainables.preparation import opened_here
from trainables.strategies import get_strategy
from trainables.trial import Trial

ELSEWHERE = (
    "Expected on another processor, thread count or version, and in the last digits of heads that were trained together; "
    "not here otherwise."
)
BY_THE_CLOCK = "A clock decided where the trial ended and when it was looked at, so its numbers can differ."
MOVABLE = (
    "data_root",
    "weights",
    "split",
    "threads",
    "device",
    "precision",
    "accelerate",
)  # may differ on another machine


class Recorded(BaseModel):
    """What a row says of its training, as far as a replay is held against it."""

    run: str
    trial: int = Field(ge=0)
    selection_accuracy: float
    selection_loss: float


class RecordedTrial(Recorded):
    epochs: int = Field(ge=1, le=MOST_EPOCHS)
    best_epoch: int = Field(ge=1)


class RecordedEpoch(Recorded):
    epoch: int = Field(ge=1)


R = TypeVar("R", bound=Recorded)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.replay", description=__doc__)
    parser.add_argument("table", metavar="best.parquet", type=Path)
    parser.add_argument("--row", type=int, default=0, metavar="N", help="which row of the table, from 0 (0)")
    parser.add_argument("--epochs", type=int, metavar="N", help="stop after this many (as many as the trial had)")
    for name in MOVABLE:
        parser.add_argument("--" + name.replace("_", "-"), default=None, help=f"instead of the row's {name}")
    return guarded(lambda: replay(parser.parse_args(words)))


def replay(asked: argparse.Namespace) -> int:
    """Train the row's trial again and compare its best epoch with the recorded one."""
    if asked.epochs is not None and asked.epochs < 1:
        raise UsageError(f"--epochs must be at least 1; got {asked.epochs}.")
    rows = read_rows(asked.table)
    if "member" in rows[0]:
        if asked.row:
            raise UsageError(f"{asked.table} is a schedule, which is trained again whole; leave out --row {asked.row}.")
        return replay_schedule(rows, asked)
    row = row_of(rows, asked.table, asked.row)
    setting, config = from_row(row, _changes(asked))
    recorded = _recorded(RecordedTrial, row, asked.table)
    setting = opened_here(setting, f"Trial {recorded.trial}")
    check_computing(setting)
    clocked = setting.max_seconds is not None  # then it ends by the clock again, after as many epochs as that gives
    epochs = min(asked.epochs or (setting.epochs if clocked else recorded.epochs), setting.epochs)
    length = f"{setting.max_seconds:g} s" if clocked else f"{epochs} epochs"
    what = f"{setting.strategy} on {setting.data}, {length}, seed {setting.seed}"
    print(printable(f"Trial {recorded.trial} of {recorded.run}: {what}{_fewer_threads(setting)}"))
    trial = Trial(setting, config, recorded.trial)
    for record in trial.records():
        print(_line(record, setting.metric), flush=True)
        if record.epoch == epochs:
            break
    return _compare(recorded, trial, epochs)


def replay_schedule(rows: list[dict[str, Any]], asked: argparse.Namespace) -> int:
    """Train what a population found again, its fields changing at the recorded epochs, and compare every epoch."""
    read_once = [(_recorded(RecordedEpoch, row, asked.table), from_row(row, _changes(asked))) for row in rows]
    curve = sorted(read_once, key=lambda each: each[0].epoch)[: asked.epochs]
    first, (setting, config) = curve[0]
    setting = opened_here(setting, f"Trial {first.trial}")
    check_computing(setting)
    about = f"{many(len(curve), 'epoch')}, seed {setting.seed}"
    print(printable(f"Schedule of trial {first.trial} of {first.run}: {about}{_fewer_threads(setting)}"))
    trial, other = Trial(setting, config, first.trial), []
    records = trial.records()
    for recorded, (_, now) in curve:
        if now != trial.state.config:
            trial.reconfigure(now)
        record = next(records)
        print(_line(record, setting.metric), flush=True)
        if (record.eval_accuracy, record.eval_loss) != (recorded.selection_accuracy, recorded.selection_loss):
            other.append(record.epoch)
    if other:
        print(f"Other numbers in {len(other)} of {len(curve)} epochs, first in epoch {other[0]}. {ELSEWHERE}")
        return TOO_FEW
    print(f"The same curve: accuracy and loss of all {len(curve)} epochs.")
    return DONE


def _changes(asked: argparse.Namespace) -> dict[str, Any]:
    changes = {name: value for name in MOVABLE if (value := getattr(asked, name)) is not None}
    for name, value in changes.items():
        refuse_nothing(flag_of(name), value)
    return changes


def _recorded(kind: type[R], row: Row, table: Path) -> R:
    """What a row says came of its training. Raises UsageError naming the column that is not as it was written."""
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        name, complaint = complaint_of(error)
        raise UsageError(f"{table}, column {name}: {complaint}; pass a table as search.export writes it.") from None


def _fewer_threads(setting: Setting) -> str:
    """What to say where this machine has fewer threads than the row's."""
    here = cores()
    return f" ({many(here, 'CPU thread')} here, {setting.threads:,} there)" if setting.threads > here else ""


def from_row(row: dict[str, Any], changes: dict[str, Any]) -> tuple[Setting, TrialConfig]:
    """The setting and the config that a row of best.parquet describes, with these settings changed. Raises UsageError."""
    values = {name.removeprefix(SETTING): value for name, value in row.items() if name.startswith(SETTING)}
    try:
        setting = Setting(**(values | changes))
    except ValidationError as error:
        name, complaint = complaint_of(error)
        who = flag_of(name) if name in changes else f"The table's column {SETTING}{name}"
        raise UsageError(f"{who} {complaint}.") from None
    if changes.get("device") == "cuda" and not gpus_here():
        raise UsageError("--device cuda wants a GPU, and torch sees none here; leave it out.")
    require_plugins(setting.plugins, "This trial")
    config = get_strategy(setting.strategy).config
    # a table from before a field was added lacks its column; the field's default is what was done then
    return setting, make_config(config, fields_of_row(config, row))


def _line(record: EpochRecord, metric: str) -> str:
    further = "" if metric in OWN else f"  {get_metric(metric).title} {as_text(metric, record.figure(metric))}"
    return (
        f"epoch {record.epoch:>3}  rate {record.learning_rate:.2e}  share {record.share:.2f}  images {record.images:>6,}  "
        f"train {record.train_loss:.3f} / {record.train_accuracy:.3f}  {record.eval_split} {record.eval_loss:.3f} / "
        f"{record.eval_accuracy:.3f}  KNN {record.eval_knn:.3f}{further}  {clock(record.seconds)}"
    )


def _compare(row: RecordedTrial, trial: Trial, epochs: int) -> int:
    best = trial.state.best
    if best is None:
        print(f"Stopped after {epochs} epochs, before the first mark; nothing to compare.")
        return DONE
    if epochs < row.epochs:
        print(f"Stopped after {epochs} of {row.epochs} epochs; nothing to compare.")
        return DONE
    then = (row.best_epoch, row.selection_accuracy, row.selection_loss)
    now = (best.epoch, best.eval_accuracy, best.eval_loss)
    if then == now:
        print(f"The same numbers: epoch {now[0]}, accuracy {now[1]:.4f}, loss {now[2]:.6f}.")
        return DONE
    clocked = trial.setting.max_seconds is not None
    lost, loss = apart(then[2], now[2])
    print(f"Other numbers: epoch {now[0]}, accuracy {now[1]:.4f}, loss {loss}; recorded were epoch {then[0]}, "
          f"accuracy {then[1]:.4f}, loss {lost}. {BY_THE_CLOCK if clocked else ELSEWHERE}")  # fmt: skip
    return DONE if clocked else TOO_FEW


def apart(one: float, other: float) -> tuple[str, str]:
    """Both with as many digits, six at least, as it takes to tell them apart."""
    for digits in range(6, 18):
        said = f"{one:.{digits}f}", f"{other:.{digits}f}"
        if said[0] != said[1]:
            break
    return said


if __name__ == "__main__":
    sys.exit(main())
