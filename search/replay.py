"""python -m search.replay best.parquet --row 0: run a kept config again, without Tune, and compare the numbers."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search.arguments import DONE, TOO_FEW, Parser, guarded, read
from search.wording import clock
from spaces.errors import UsageError
from spaces.setting import Setting
from spaces.trial import TrialConfig
from trainables.records import EpochRecord
from trainables.strategies import get_strategy
from trainables.trial import Trial

SETTING = "setting_"
MOVABLE = ("data_root", "weights", "split", "threads", "device", "precision")  # may differ on another machine


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
    row = read_row(asked.table, asked.row)
    setting, config = from_row(row, {n: v for n in MOVABLE if (v := getattr(asked, n)) is not None})
    epochs = min(asked.epochs or row["epochs"], setting.epochs)
    print(
        f"Trial {row['trial']} of {row['run']}: {setting.strategy} on {setting.data}, {epochs} epochs, seed {setting.seed}"
    )
    trial = Trial(setting, config, int(row["trial"]))
    for record in trial.records():
        print(_line(record), flush=True)
        if record.epoch == epochs:
            break
    return _compare(row, trial, epochs)


def read_row(path: Path, number: int) -> dict[str, Any]:
    """One row of a best.parquet. Raises UsageError."""
    try:
        from trainables.tables import read_table

        rows = read_table(path)
    except FileNotFoundError:
        raise UsageError(
            f"No table at {path}; pass a best.parquet of a run, or one that search.export wrote."
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no parquet table ({str(error).splitlines()[0]}).") from None
    if not 0 <= number < len(rows):
        raise UsageError(f"--row {number}: {path} has the rows 0 to {len(rows) - 1}.")
    if SETTING + "strategy" not in rows[number]:
        raise UsageError(f"{path} holds no configs: column {SETTING}strategy is missing; pass a best.parquet.")
    return rows[number]


def from_row(row: dict[str, Any], changes: dict[str, Any]) -> tuple[Setting, TrialConfig]:
    """The setting and the config that a row of best.parquet describes, with these settings changed."""
    values = {name.removeprefix(SETTING): value for name, value in row.items() if name.startswith(SETTING)}
    setting = read(Setting, values | changes)
    config = get_strategy(setting.strategy).config
    # a table from before a field was added lacks its column; the field's default is what was done then
    return setting, config(**{name: row[name] for name in config.model_fields if name in row})


def _line(record: EpochRecord) -> str:
    return (
        f"epoch {record.epoch:>3}  rate {record.learning_rate:.2e}  share {record.share:.2f}  images {record.images:>6,}  "
        f"train {record.train_loss:.3f} / {record.train_accuracy:.3f}  {record.eval_split} {record.eval_loss:.3f} / "
        f"{record.eval_accuracy:.3f}  KNN {record.eval_knn:.3f}  {clock(record.seconds)}"
    )


def _compare(row: dict[str, Any], trial: Trial, epochs: int) -> int:
    best = trial.run.best
    assert best
    if epochs < row["epochs"]:
        print(f"Stopped after {epochs} of {row['epochs']} epochs; nothing to compare.")
        return DONE
    then = (row["best_epoch"], row["selection_accuracy"], row["selection_loss"])
    now = (best.epoch, best.eval_accuracy, best.eval_loss)
    if then == now:
        print(f"The same numbers: epoch {now[0]}, accuracy {now[1]:.4f}, loss {now[2]:.6f}.")
        return DONE
    print(f"Other numbers: epoch {now[0]}, accuracy {now[1]:.4f}, loss {now[2]:.6f}; recorded were epoch {then[0]}, "
          f"accuracy {then[1]:.4f}, loss {then[2]:.6f}. Expected on another processor, thread count or version, not here."
          )  # fmt: skip
    return TOO_FEW


if __name__ == "__main__":
    sys.exit(main())
