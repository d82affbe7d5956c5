"""What a search costs beside the training: under Ray against Ray's own floor and against the usual way, and its start."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.ready import IMAGES
from benchmarks.table import Row, in_turns
from records.folder import ledger_file
from records.ledger import read_lines
from search.campaign import Campaign
from search.executors import ray_environment
from search.options import SearchOptions
from search.proposers.study import StudyProposer
from search.views.terminal import Terminal
from spaces.finetune import FINETUNE
from spaces.setting import Setting

RAY_ALONE = """
import time
from search.executors import ray_environment
ray_environment.prepare(None)
from search.executors.ray_session import ray_running
started = time.time()
with ray_running(None, 1, 0):
    print(time.time() - started)
"""
START = ("--data", "scenes:count=70", "--image-size", "16", "--samples", "1", "--epochs", "1")


def rows(smoke: bool, rounds: int) -> Iterator[Row]:
    """Three rows; `smoke` is a few seconds' worth, to see that it all runs."""
    many, few, epochs = (4, 2, 3) if smoke else (100, 20, 50)
    with _ray() as at_once:
        from benchmarks.bare_tune import run_bare, run_usual

        def turns(trials: int, other: Any) -> list[list[float]]:
            if not smoke:
                run_search(1, 1, at_once), other(1, 1, at_once)  # what is loaded once is not counted
            return in_turns(rounds, lambda: run_search(trials, epochs, at_once), lambda: other(trials, epochs, at_once))

        ours, floor = turns(many, run_bare)
        yield Row(f"search of {many} trials, {epochs} epochs", "s", ours, floor=floor, floor_name="bare Ray Tune class",
                  target="at most 1.3 times the floor", note=f"{at_once} at a time; nothing is trained")  # fmt: skip
        ours, peer = turns(few, run_usual)
        yield Row(f"search of {few} trials, {epochs} epochs", "s", ours, peer, peer_name="usual Ray Tune function",
                  note=f"{at_once} at a time; nothing is trained")  # fmt: skip
    ours, floor = in_turns(rounds, first_epoch, ray_alone)
    yield Row("start of search.run to its first epoch", "s", ours, floor=floor, floor_name="ray.init",
              target="less than 8 s beyond the floor")  # fmt: skip


@contextlib.contextmanager
def _ray() -> Iterator[int]:
    """A private Ray, as a search starts it; gives the trials at a time."""
    ray_environment.prepare(None)
    from search.executors.ray_session import ray_running

    at_once = min(2, len(os.sched_getaffinity(0)))
    with ray_running(None, at_once, 0):
        yield at_once


def run_search(trials: int, epochs: int, at_once: int) -> float:
    """Seconds of a search that trains nothing, on the Ray that is running: sampler, scheduler, ledger and live display.

    Raises AssertionError where the ledger does not hold every epoch of every trial.
    """
    with tempfile.TemporaryDirectory() as folder:
        seconds = _search(Path(folder), trials, epochs, at_once)
        assert epochs_in(Path(folder)) == [(t, e) for t in range(trials) for e in range(1, epochs + 1)]
    return seconds


def _search(folder: Path, trials: int, epochs: int, at_once: int) -> float:
    from benchmarks.ready_tune import Ready
    from search.executors import ray_tune

    options = SearchOptions(space="finetune", samples=trials, epochs=epochs, scheduler="median", concurrent=at_once,
                            cpus_per_trial=1, gpus_per_trial=0)  # fmt: skip
    setting = Setting(strategy="finetune", epochs=epochs)
    with watched(trials, epochs) as terminal, mock.patch.object(ray_tune, "StrategyTrainable", Ready):
        started = time.perf_counter()
        proposer = StudyProposer(FINETUNE, trials, 0, "tpe")
        campaign = Campaign(folder, {"kind": "search"}, proposer, options.keep, None, terminal)
        ray_tune.run_on_ray(campaign, FINETUNE, setting, options, epochs * IMAGES, IMAGES)
        campaign.ledger.close()
        return time.perf_counter() - started


@contextlib.contextmanager
def watched(trials: int, epochs: int) -> Iterator[Terminal]:
    """The display of a search as on a terminal that is always open: drawn live, into nowhere."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        stack.enter_context(mock.patch.dict(os.environ, {"FORCE_COLOR": "1"}))  # rich takes it for a terminal
        terminal = stack.enter_context(Terminal(trials, epochs))
        assert terminal.live
        yield terminal


def epochs_in(folder: Path) -> list[tuple[int, int]]:
    """(trial, epoch) of every record in a ledger, sorted."""
    events = [event for event in read_lines(folder) if event["event"] == "epoch"]
    return sorted((event["record"]["trial"], event["record"]["epoch"]) for event in events)


def first_epoch() -> float:
    """Seconds from the start of the command to the first epoch in the ledger of a very small search."""
    with tempfile.TemporaryDirectory() as out:
        more = ("--cpus-per-trial", "1", "--concurrent", "1", "--out", out, "--name", "start")
        started = time.time()
        _python("-m", "search.run", *START, *more)
        lines = ledger_file(Path(out) / "start").read_text().splitlines()
    return next(event["time"] for event in map(json.loads, lines) if event["event"] == "epoch") - started


def ray_alone() -> float:
    """Seconds of ray.init as a search calls it, in a process that has loaded Ray."""
    return float(_python("-c", RAY_ALONE))


def _python(*words: str) -> str:
    """What a new process prints. Raises CalledProcessError where it fails."""
    return subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    for row in rows("--smoke" in sys.argv, 1):
        print(row, row.times_peer, row.of_floor, flush=True)
