"""A machine that goes down, without one: what was not flushed to disk is taken back after the process is killed.

`watch` is called in the process that will be killed. It notes how much of each file was flushed, and keeps what stood in
a file's place before another was renamed there; a rename counts as on disk when the ledger is flushed after it, as in the
journal of a file system. `take_back` does to the folder what a loss of power may do.
"""

import json
import os
import random
import shutil
import uuid
from pathlib import Path


def watch(notes: Path, ledger: str) -> None:
    """From now on, note in this folder what is flushed and renamed. `ledger`: the name of the file that flushes all."""
    notes.mkdir(exist_ok=True)
    fsync, replace = os.fsync, Path.replace
    log = (notes / "log.jsonl").open("a", buffering=1)

    def flushing(number: int) -> None:
        fsync(number)
        path = os.readlink(f"/proc/self/fd/{number}")
        if path.endswith(ledger):
            log.write(json.dumps({"ledger": path, "size": os.fstat(number).st_size}) + "\n")

    def renaming(self: Path, target: Path) -> Path:
        before = None
        if Path(target).exists():
            before = str(notes / uuid.uuid4().hex)
            os.link(target, before)
        log.write(json.dumps({"file": str(target), "before": before}) + "\n")
        return replace(self, target)

    os.fsync, Path.replace = flushing, renaming  # type: ignore[assignment, method-assign]


def take_back(notes: Path, chance: random.Random) -> int:
    """Cut the ledger to what was flushed and a random part of the rest, and some of the last renames; epochs flushed."""
    lines = (notes / "log.jsonl").read_text().splitlines()
    said = [json.loads(line) for line in lines]
    last = max(place for place, one in enumerate(said) if "ledger" in one)
    path, size = Path(said[last]["ledger"]), said[last]["size"]
    flushed = path.read_bytes()[:size].count(b'"event": "epoch"')
    with path.open("r+b") as file:
        file.truncate(chance.randint(size, path.stat().st_size))
    open_renames = said[last + 1 :]
    for one in reversed(open_renames[chance.randint(0, len(open_renames)) :]):
        if one["before"]:
            shutil.copy(one["before"], one["file"])
        else:
            Path(one["file"]).unlink(missing_ok=True)
    (notes / "log.jsonl").unlink()
    return flushed
