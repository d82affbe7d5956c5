"""python -m benchmarks.growth_trials: what a search costs as its trials grow in number, without any training.

Whole searches with --executor local, from the plan to the tables, of trials whose records are ready (10 epochs each); then
the run is resumed, which finds nothing to do, loaded, and reported. Every size has a process of its own. The exponent of
a column is its slope over the sizes, both on logarithmic scales: 1 is linear in the number of trials, and what is counted
per trial is constant where it is 0.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.ready import UnequalTrial
from search import running, session
from search.campaign import Campaign
from search.executors import local
from search.options import SearchOptions

EPOCHS = 10


@dataclass(frozen=True)
class Growth:
    """What a search of so many trials costs. Per ask, epoch and end: over the last tenth of the trials."""

    sampler: str
    trials: int
    ask_ms: float
    epoch_ms: float
    end_ms: float
    driver_s: float  # asks, epochs and ends of all trials
    memory_mb: float  # at its peak, above what was there before
    rest_s: float  # of the search: plan, tables, summary
    disk_mb: float
    resume_s: float
    load_s: float
    report_s: float


FIGURES = [field.name for field in fields(Growth)][2:]


class Timed(Campaign):
    """Remembers how long its work took, in seconds of wall clock."""

    spent: dict[str, list[float]]

    def ask(self) -> Any:
        if self.proposer.asked < self.proposer.samples:
            return self._timed("ask", super().ask)
        return super().ask()

    def epoch(self, *told: Any) -> None:
        self._timed("epoch", super().epoch, *told)

    def ended(self, *told: Any, **more: Any) -> None:
        self._timed("end", super().ended, *told, **more)

    def _timed(self, what: str, work: Callable[..., Any], *told: Any, **more: Any) -> Any:
        started = time.perf_counter()
        result = work(*told, **more)
        self.spent[what].append(time.perf_counter() - started)
        return result


def growth(smoke: bool, trials: int = 10_000, samplers: Sequence[str] = ("random", "tpe")) -> Iterator[Growth]:
    """Sizes up to `trials`, each twice the one before; `smoke`: two tiny ones."""
    sizes = (12, 24) if smoke else [trials // part for part in (16, 8, 4, 2, 1)]
    for sampler in samplers:
        for size in sizes:
            # a fresh process, so that memory is that of this size alone
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                yield process.submit(measure, sampler, size).result()


def measure(sampler: str, trials: int) -> Growth:
    """One search of so many trials, and what can be done with it afterwards."""
    with tempfile.TemporaryDirectory() as out, open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        folder = Path(out) / "grown"
        options = SearchOptions(space="finetune", data="scenes:count=70", image_size=16, executor="local", epochs=EPOCHS,
                                protocol="report", cpus_per_trial=1, samples=trials, sampler=sampler, out=out,
                                name=folder.name)  # fmt: skip
        return Growth(sampler, trials, **_searched(options), disk_mb=_megabytes(folder), **_afterwards(options, folder))


def _searched(options: SearchOptions) -> dict[str, float]:
    before = _peak_mb()
    Timed.spent = {"ask": [], "epoch": [], "end": []}
    peaks: list[float] = []

    def run(campaign: Campaign, setting: Any, referee: Any = None) -> None:
        ready(campaign, setting, referee)
        peaks.append(_peak_mb())

    ready = local.run_local
    with contextlib.ExitStack() as patched:
        patched.enter_context(mock.patch.object(session, "Campaign", Timed))
        patched.enter_context(mock.patch.object(running, "run_local", run))
        patched.enter_context(mock.patch.object(local, "Trial", UnequalTrial))
        seconds = _seconds(lambda: session.search(options))
    search = sum(map(sum, Timed.spent.values()))
    late = {f"{name}_ms": 1e3 * _late(spent) for name, spent in Timed.spent.items()}
    return late | {"driver_s": search, "memory_mb": peaks[0] - before, "rest_s": seconds - search}


def _afterwards(options: SearchOptions, folder: Path) -> dict[str, float]:
    from analysis.report import report
    from analysis.runs import load_run

    return {
        "resume_s": _seconds(lambda: session.search(options, resumes=True)),
        "load_s": _seconds(lambda: load_run(folder)),
        "report_s": _seconds(lambda: report([folder], folder / "report")),
    }


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _late(spent: list[float]) -> float:
    """The mean over the last tenth: a median would leave out what is slow now and then."""
    return float(np.mean(spent[-max(1, len(spent) // 10) :]))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def exponents(points: Sequence[Growth]) -> dict[str, float]:
    """The slope of each figure over the number of trials, on logarithmic scales."""
    trials = np.log([point.trials for point in points])
    values = {name: np.log([max(1e-9, getattr(point, name)) for point in points]) for name in FIGURES}
    return {name: float(np.polyfit(trials, logs, 1)[0]) for name, logs in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth_trials", description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="of the largest search (10000)")
    parser.add_argument("--samplers", default="random,tpe", help="names with commas (random,tpe)")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it runs")
    asked = parser.parse_args()
    print(f"{EPOCHS} epochs a trial; load {os.getloadavg()[0]:.1f}")
    print(" ".join(f"{name:>9}" for name in ("sampler", "trials", *FIGURES)))
    found: dict[str, list[Growth]] = {}
    for point in growth(asked.smoke, asked.trials, asked.samplers.split(",")):
        found.setdefault(point.sampler, []).append(point)
        _line(point.sampler, point.trials, {name: getattr(point, name) for name in FIGURES})
    for sampler, points in found.items():
        _line(sampler, "exponent", exponents(points))


def _line(sampler: str, trials: object, figures: dict[str, float]) -> None:
    print(f"{sampler:>9} {trials:>9} " + " ".join(f"{value:>9.2f}" for value in figures.values()), flush=True)


if __name__ == "__main__":
    main()
