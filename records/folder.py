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

import re
from collections.abc import Iterator
from pathlib import Path

from console.errors import UsageError
from console.plugins import require_plugins
from records.about import check_about
from records.boundary import LEDGER, RUN, read_plain, remove, remove_empty
from records.epoch import Row
from records.events import READ
from records.files import parse_json

SHOWN = (
    "best.parquet",
    "records.parquet",
    "finals.parquet",
    "predictions.parquet",
    "checkpoints/",
)  # at the end of a run
PREDICTIONS = re.compile(r"(\d+)\.(\w+)\.safetensors")


def ledger_file(folder: Path) -> Path:
    return folder / LEDGER


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
    run = _run_json(folder)
    if run.get("format") not in READ:
        known = " and ".join(map(str, READ))
        raise UsageError(f"{folder} has run format {run.get('format')}; this version reads the formats {known}.")
    # in format 1 a head-to-head is told by its options
    run.setdefault("kind", "head_to_head" if "compare" in run else "search")
    check_about(folder / RUN, run)
    require_plugins(run["setting"].get("plugins") or (), str(folder))
    return run


def _run_json(folder: Path) -> Row:
    """The object in run.json. Raises UsageError where it cannot be read, or is none."""
    file = folder / RUN
    try:
        run = parse_json(read_plain(file))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{folder} is no run folder: it has no run.json. Pass a folder that search.run made."
        ) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise UsageError(f"{file} is damaged ({error}).") from None
    if not isinstance(run, dict):
        raise UsageError(f"{file} is damaged (it holds no JSON object).")
    return run


def prediction_files(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    """Those whose name is one of ours, with what it says."""
    for path in sorted((folder / "predictions").glob("*.safetensors")):
        if found := PREDICTIONS.fullmatch(path.name):
            yield path, found


def trained(folder: Path) -> set[int]:
    """The trials that have left files: networks, predictions, or the log of a failure."""
    numbers = {int(found[1]) for _, found in prediction_files(folder)}
    words = [path.parent.name for path in folder.glob("checkpoints/*/*.safetensors")]
    words += [path.stem.removeprefix("trial-") for path in folder.glob("log/trial-*.txt")]
    return numbers | {int(word) for word in words if word.isdecimal()}


def remove_checkpoints(folder: Path, trial: int) -> None:
    """Both networks of a trial; its records and predictions stay. Raises UsageError where they are not in the folder."""
    for path in (best_weights(folder, trial), last_checkpoint(folder, trial)):
        remove(path, folder)
    remove_empty(trial_folder(folder, trial), folder)


def remove_last_checkpoint(folder: Path, trial: int) -> None:
    """Of a trial that is over, and will not be gone on with."""
    remove(last_checkpoint(folder, trial), folder)
