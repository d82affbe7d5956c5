"""What a run is called at a tracker, and what of it was sent: the folder `tracked` of the run."""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from console.errors import UsageError
from records.boundary import TRACKED, checked, open_plain, open_to_read
from records.epoch import Row
from records.files import parse_json, write_json
from records.history import RunHistory
from records.locks import lock_soon

WAITED = 60.0  # seconds for a tracker that a killed search has left, and that sends its last


def identity(history: RunHistory) -> str:
    """Tells this run from every other, of the same name too; the same after it was moved, copied or resumed."""
    run = history.run
    words = f"{run['options']['name']}|{run.get('started', '')}|{history.first}"
    return hashlib.sha256(words.encode()).hexdigest()[:16]


@contextlib.contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """While the block runs, no other process sends this run to this tracker. Raises UsageError where one does."""
    place = folder / TRACKED / f"{name}.lock"
    try:
        checked(place, folder)
        place.parent.mkdir(exist_ok=True)
        file = open_plain(place, "ab", folder)
    except OSError as error:
        raise UsageError(f"{place}, which says who sends this run, cannot be written ({error.strerror}).") from None
    with file:
        deadline = time.monotonic() + WAITED
        while not _locked(file):
            if time.monotonic() > deadline:
                raise UsageError(f"Another process sends {folder} to {name} already; wait for it, or end it.")
            time.sleep(0.2)
        yield


def _locked(file: object) -> bool:
    try:
        lock_soon(file)
    except OSError:
        return False
    return True


def read_sent(folder: Path, name: str, run_id: str) -> Row:
    """What was sent of the run `run_id` to a tracker that cannot be asked; empty where nothing was."""
    path = folder / TRACKED / f"{name}.json"
    with contextlib.suppress(OSError, ValueError, AttributeError), open_to_read(checked(path, folder)) as file:
        state = parse_json(file.read())
        if state.get("run") == run_id and isinstance(state.get("trials"), dict):
            trials: Row = state["trials"]
            return trials
    return {}


def write_sent(folder: Path, name: str, run_id: str, trials: Row) -> None:
    """Raises OSError, and UsageError where a link is in the way."""
    path = folder / TRACKED / f"{name}.json"
    checked(path, folder)
    write_json(path, {"run": run_id, "trials": trials})
