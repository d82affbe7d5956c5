"""The one place that reads and writes run folders.

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
import errno
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from spaces.errors import UsageError

RESERVE_BYTES = 100_000  # given up on a full disk, so that the ledger can still be closed
FLUSH_SECONDS = 0.1  # in which epochs are flushed to disk together: one costs 0.1 to 10 ms, all of them in the driver
LOCK_SECONDS = 60.0  # after which a process that still trains a trial is no leftover
FORMAT = 1  # of the run folder; a reader refuses one it does not know


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


def write_bytes(path: Path, content: bytes) -> None:
    """Write all of it or nothing: beside its place, flushed to disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, json.dumps(value, indent=2, allow_nan=False).encode())


Arrays = dict[str, np.ndarray]


def write_arrays(path: Path, arrays: Arrays, text: str, **more: str) -> None:
    """Contiguous arrays, one JSON text and more texts by name in one safetensors file."""
    write_bytes(path, save(arrays, metadata={"state": text, **more}))


def read_arrays(path: Path) -> tuple[Arrays, str]:
    """The arrays and the JSON text of a file of ours. Raises UsageError naming a damaged or missing file."""
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()["state"]  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise UsageError(f"{path} cannot be read as a checkpoint of ours ({error}).") from None


def read_text(path: Path, name: str = "state") -> str | None:
    """One text of a file of ours without its arrays; None where there is no such file or text."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get(name)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} cannot be read as a checkpoint of ours ({error}).") from None


def read_run(folder: Path) -> dict[str, Any]:
    """run.json. Raises UsageError where the folder is no run, or one of another format."""
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
    if run.get("format") != FORMAT:
        raise UsageError(f"{folder} has run format {run.get('format')}; this version reads format {FORMAT}.")
    return run


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Every event of the ledger; a torn last line is left out, any other damage is an error naming the line."""
    try:
        content = ledger_file(folder).read_bytes()
    except OSError as error:
        raise UsageError(f"The ledger {ledger_file(folder)} cannot be read ({error.strerror}).") from None
    whole = content[: content.rfind(b"\n") + 1]  # what follows the last newline is torn or empty
    try:
        # all lines in one go share the strings of their keys: half the time and a third of the memory of line by line
        events = json.loads(b"[" + whole[:-1].replace(b"\n", b",") + b"]")
    except ValueError:
        events = None
    # two damaged lines can make sense together, so the count must agree
    if events is not None and len(events) == whole.count(b"\n"):
        return events
    return _each_event(folder, whole.split(b"\n")[:-1])


def _each_event(folder: Path, lines: list[bytes]) -> list[dict[str, Any]]:
    """The events line by line, to name the damaged one."""
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(json.loads(line))
        except ValueError:
            raise UsageError(f"{ledger_file(folder)}, line {number} is damaged; the run cannot be trusted.") from None
    return events


class Ledger:
    """The one writer of a run's ledger: it holds a lock, and what is appended outlives this process.

    It also outlives the machine, but for epochs that follow another event by less than FLUSH_SECONDS: those are on disk
    with the next event, or when the system writes them.
    """

    def __init__(self, folder: Path):
        """Raises UsageError where another process is writing this run."""
        self.path = ledger_file(folder)
        self.file = self.path.open("a+b", buffering=0)
        self.reserve = folder / ".reserve"
        self.flushed_at = -FLUSH_SECONDS
        try:
            _lock_soon(self.file)
        except OSError:
            self.file.close()
            raise UsageError(
                f"Another process is working on {folder}; wait for it, or choose another --name."
            ) from None
        self._cut_torn_line()
        with contextlib.suppress(OSError):
            self.reserve.write_bytes(b"\0" * RESERVE_BYTES)

    def append(self, event: str, **content: Any) -> None:
        """Raises OSError where the disk is full or read-only; the ledger ends with its last whole line all the same."""
        line = json.dumps({"event": event, **content}, allow_nan=False).encode() + b"\n"
        flush = event != "epoch" or "member" in content or time.monotonic() - self.flushed_at >= FLUSH_SECONDS
        try:
            self._put(line, flush)
        except OSError:
            self.reserve.unlink(missing_ok=True)  # room for what must still be said
            self._put(line, flush)

    def _put(self, line: bytes, flush: bool) -> None:
        end = os.fstat(self.file.fileno()).st_size
        try:
            if self.file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if flush:
                os.fsync(self.file.fileno())
                self.flushed_at = time.monotonic()
        except OSError:
            os.ftruncate(self.file.fileno(), end)
            raise

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed already
            os.fsync(self.file.fileno())
        self.file.close()
        with contextlib.suppress(OSError):
            self.reserve.unlink(missing_ok=True)

    def _cut_torn_line(self) -> None:
        """A crash can leave half a line at the end; nothing else is ever cut."""
        content = self.path.read_bytes()
        self.file.truncate(content.rfind(b"\n") + 1)


def _lock(file: Any, shared: bool = False) -> None:
    """Raises OSError where another process holds the lock; it goes with its process, however that ends."""
    with contextlib.suppress(ImportError):  # no fcntl on Windows: there the run name alone guards
        import fcntl

        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _lock_soon(file: Any) -> None:
    """As _lock; whoever only looks whether this run is alive holds its lock for an instant, and is waited for."""
    for _ in range(5):
        with contextlib.suppress(BlockingIOError):
            return _lock(file)
        time.sleep(0.02)
    _lock(file)


def hold_as_worker(folder: Path) -> Any:
    """A shared lock that a worker process holds on its run until it ends, however it ends; keep what is returned."""
    file = _workers_file(folder).open("a+b")
    with contextlib.suppress(OSError):  # a file system without locks
        _lock(file, shared=True)
    return file


def wait_for_workers(folder: Path) -> None:
    """The workers of a killed search live on for seconds and may still write: wait for them. Raises UsageError."""
    with _workers_file(folder).open("a+b") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return _lock(file)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    return None
            if time.monotonic() > deadline:
                raise UsageError(f"Another process still trains trials of {folder}; end it, then try again.")
            time.sleep(0.1)


def _workers_file(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / ".workers"


def is_full_or_readonly(error: BaseException) -> bool:
    """Whether a write failed because of the disk, and not because of what was written."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def recorded_epochs(folder: Path, trial: int) -> dict[int, dict[str, Any]]:
    """{epoch: record} of one trial, as the ledger has them."""
    rows: dict[int, dict[str, Any]] = {}
    for event in read_events(folder):
        if event["event"] == "epoch" and event["record"]["trial"] == trial:
            rows.setdefault(event["record"]["epoch"], event["record"])
    return rows


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
