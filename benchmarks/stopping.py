"""python -m benchmarks.stopping RUN ...: what --stop-when noise would have saved of recorded searches, and what missed.

Each ledger is read event by event, and the rule (search.stopping itself) is asked before every trial. The trials of a
random search could have come in any order, so its draws are put into many: `--orders`. Nothing is trained.
"""

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from console.layout import UNBOUND, columns
from records.history import RANKED, SAID, RunHistory, TrialHistory, read_history
from search.gain import difference_sd
from search.stopping import NoiseStop, images_of


@dataclass(frozen=True)
class Outcome:
    """One search, had it been stopped. Scores are accuracies."""

    trials: int  # that it would have run
    samples: int
    saved: float  # share of the seconds
    missed: float  # best of the whole search less best by then
    noise: float  # standard error of a difference at the best of the whole search


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stopping", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="a search picked by accuracy, run to its end")
    parser.add_argument("--orders", type=int, default=100, help="orders of each random search's draws")
    asked = parser.parse_args(words)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores; nothing is timed. {asked.orders} orders of each random search"
    )
    found = {folder.name: outcomes(folder, asked.orders) for folder in asked.runs}
    head = ["search", "orders", "trials (median)", "of", "seconds saved", "missed", "at most", "by more than the noise"]
    print(columns([head, *(row(name, of) for name, of in found.items())], UNBOUND))
    everything = [one for of in found.values() for one in of]
    print(columns([head, row("all", everything)], UNBOUND).splitlines()[-1])
    return 0


def row(name: str, of: list[Outcome]) -> list[str]:
    points = [100 * one.missed for one in of]
    return [name, str(len(of)), f"{statistics.median(one.trials for one in of):g}", f"{of[0].samples}",
            f"{statistics.fmean(one.saved for one in of):.0%}", f"{statistics.fmean(points):.2f} points",
            f"{max(points):.1f}", f"{sum(one.missed > one.noise for one in of)} of {len(of)}"]  # fmt: skip


def outcomes(folder: Path, orders: int) -> list[Outcome]:
    """One of the search as it was, and of a random one as many as there are orders."""
    history = read_history(folder)
    trials = [history.trials[number] for number in sorted(history.trials)]
    if history.run["options"]["sampler"] != "random":
        return [stopped(history, folder, trials)]
    return [stopped(history, folder, order) for order in in_orders(trials, orders)]


def in_orders(trials: list[TrialHistory], orders: int) -> Iterator[list[TrialHistory]]:
    """The anchors first, as ever, and then the draws in another order each time."""
    rng = np.random.default_rng(0)
    anchors, drawn = ([t for t in trials if bool(t.asked.anchor) == anchor] for anchor in (True, False))
    for _ in range(orders):
        yield anchors + [drawn[place] for place in rng.permutation(len(drawn))]


def stopped(whole: RunHistory, folder: Path, order: Iterable[TrialHistory]) -> Outcome:
    """The search whose trials come one after another in this order, as far as the rule lets it come."""
    order, rule = list(order), NoiseStop(folder, len(whole.trials))
    rule.between_seeds = 0.0  # what a confirmation found later was not known then
    so_far = RunHistory(whole.run)
    for place, trial in enumerate(order):
        if rule.judge(so_far, place, len(order)):
            break
        if trial.state in SAID:
            so_far.trials[place] = trial
    best, came = (max(accuracies(of)) for of in (whole.trials.values(), so_far.trials.values()))
    spent, all_of_it = (seconds(of) for of in (so_far.trials.values(), order))
    noise = difference_sd(best, images_of(whole))
    return Outcome(len(so_far.trials), len(order), 1 - spent / all_of_it, best - came, noise)


def accuracies(trials: Iterable[TrialHistory]) -> list[float]:
    return [trial.best.eval_accuracy for trial in trials if trial.best and trial.state in RANKED]


def seconds(trials: Iterable[TrialHistory]) -> float:
    return sum(trial.last.seconds for trial in trials if trial.last)


if __name__ == "__main__":
    sys.exit(main())
