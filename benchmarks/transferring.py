"""Row on frozen transfer: a whole search over cached features against the report's way, every image through the whole
network in every epoch of every trial, decoded anew.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.table import Row, in_turns
from benchmarks.work import Work, in_own_process

HOLDOUT = (0.64, 0.16)  # of all images: what a trial trains on and is judged on


def rows(work: Work, rounds: int, weights: str, trials: int, epochs: int) -> Iterator[Row]:
    """Seconds of a search of `trials` x `epochs`, from files to the end, with nothing in the cache before: one trial after
    another, since TPE learns from each, and joined, since random search does not."""
    count = sum(path.is_file() for path in work.root.rglob("*.*"))
    measured = in_turns(
        rounds,
        partial(our_search, work, weights, trials, epochs, "tpe"),
        partial(our_search, work, weights, trials, epochs, "random"),
        partial(their_search, work, count, trials, epochs),
    )
    for sampler, ours in zip(("tpe", "random"), measured[:2], strict=True):
        yield Row(
            f"frozen transfer, {trials} trials x {epochs} epochs, --sampler {sampler}", "s", ours, measured[2],
            peer_name="whole network forward each epoch, JPEGs decoded each epoch", target="300 times the peer",
            note=f"the peer is extrapolated from one epoch over {work.train} + {work.held_out} of {count:,} images; "
            "ours is the whole process, image cache and features included, without early stopping",
        )  # fmt: skip


def our_search(work: Work, weights: str, trials: int, epochs: int, sampler: str) -> float:
    """Seconds of the command as a person types it, in a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "search.run", "--space", "transfer", "--data", str(work.root), "--model", work.model,
            "--image-size", str(work.size), "--weights", weights, "--samples", str(trials), "--epochs", str(epochs),
            "--executor", "local", "--sampler", sampler, "--scheduler", "none", "--out", folder, "--name", "transfer",
            "--cpus-per-trial", str(work.threads),
        ]  # fmt: skip
        environment = os.environ | {"CURRICULUM_TUNE_CACHE": f"{folder}/cache", "OMP_NUM_THREADS": str(work.threads)}
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - started


def their_search(work: Work, count: int, trials: int, epochs: int) -> float:
    """Seconds that the usual loop would take: one measured epoch, per image, times everything."""
    row = in_own_process("usual", work.model_copy(update={"frozen": True}), ours=False)[-1]
    train, held_out = row["train_seconds"] / work.train, (row["seconds"] - row["train_seconds"]) / work.held_out
    return count * (HOLDOUT[0] * train + HOLDOUT[1] * held_out) * trials * epochs
