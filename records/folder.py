"""Where things are in a run folder, and what may be read of it.

    run.json            what was asked, with what, on what
    ledger.jsonl        what happened, one event a line: the truth
    *.parquet           derived from the ledger; `search.export` writes them again
    predictions/        what each trial's best epoch says of each image
    checkpoints/0003/   best.safetensors: a torchvision state dict; last.safetensors: everything needed to go on
    log/                what would only disturb the terminal

Nothing here is a pickle. Every file is written beside its place and renamed; the ledger is appended and flushed to disk,
where epochs in quick succession wait for each other.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from console.errors import UsageError
from console.plugins import require_plugins
from records.epoch import Row
from records.events import READ
from records.files import Arrays, read_arrays


def ledger_file(folder: Path) -> Path:
    return folder / "ledger.jsonl"


def trial_folder(folder: Path, trial: int) -> Path:
    return folder / "checkpoints" / f"{trial:04d}"


def best_weights(folder: Path, trial: int) -> Path:
    return trial_folder(folder, trial) / "best.safetensors"


def last_checkpoint(folder: Path, trial: int) -> Path:
    return trial_folder(folder, trial) / "last.safetensors"


def predictions_file(folder: Path, trial: int, split: str) -> Path:
    return folder / "predictions" / f"{trial:04d}.{split}.safetensors"


def read_run(folder: Path) -> Row:
    """run.json. Raises UsageError where the folder is no run, or one of a format that this version does not read."""
    try:
        run = json.loads((folder / "run.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{folder} is no run folder: it has no run.json. Pass a folder that search.run made."
        ) from None
    except ValueError as error:
        raise UsageError(f"{folder / 'run.json'} is damaged ({error}).") from None
    if not isinstance(run, dict):
        raise UsageError(f"{folder / 'run.json'} is damaged (it holds no JSON object).")
    if run.get("format") not in READ:
        known = " and ".join(map(str, READ))
        raise UsageError(f"{folder} has run format {run.get('format')}; this version reads the formats {known}.")
    require_plugins(run.get("setting", {}).get("plugins", ()), str(folder))
    # in format 1 a head-to-head is told by its options
    return {"kind": "head_to_head" if "compare" in run else "search"} | run


def read_predictions(folder: Path) -> Iterator[tuple[int, str, int, Arrays]]:
    """(trial, split, epoch, arrays) of every kept prediction."""
    for path in sorted((folder / "predictions").glob("*.safetensors")):
        trial, split, _ = path.name.split(".")
        arrays, text = read_arrays(path)
        yield int(trial), split, json.loads(text)["epoch"], arrays


def remove_checkpoints(folder: Path, trial: int) -> None:
    """Both networks of a trial; its records and predictions stay."""
    for path in (best_weights(folder, trial), last_checkpoint(folder, trial)):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        trial_folder(folder, trial).rmdir()
