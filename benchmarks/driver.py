"""python -m benchmarks.driver: what the search itself costs per trial and per epoch, without any training.

A real campaign (sampler, ledger flushed to disk, networks tidied) is asked, told an epoch and told an end, by a loop that
trains nothing. Doubling the trials shows whether the cost of one grows with the number before it.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.campaign import Campaign, TrialBook
from search.study import Proposer
from spaces.finetune import FINETUNE
from trainables.records import EpochRecord

EPOCHS = 10
RECORD = EpochRecord(
    strategy="finetune", trial=0, seed=0, epoch=1, stage="", learning_rate=1e-3, share=1.0, images=1792,
    class_counts=(256,) * 7, train_loss=1.0, train_accuracy=0.5, eval_split="validation", eval_loss=1.0,
    eval_accuracy=0.5, eval_knn=0.5, stage_loss=None, stage_accuracy=None, updates=56, images_trained=1792,
    images_scored=0, train_seconds=1.0, score_seconds=0.0, eval_seconds=0.1, finished=False,
)  # fmt: skip


class Nobody:
    """Watches and says nothing."""

    def asked(self, book: TrialBook) -> None: ...
    def epoch(self, book: TrialBook) -> None: ...
    def ended(self, book: TrialBook) -> None: ...
    def say(self, text: str) -> None: ...


def measure(trials: int, sampler: str) -> dict[str, float]:
    """Milliseconds per ask, epoch and end over the last tenth of the trials, seconds in all, and peak memory in MB."""
    times: dict[str, list[float]] = {"ask": [], "epoch": [], "end": []}
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), Proposer(FINETUNE, trials, 0, sampler), 3, None, Nobody())
        started = time.perf_counter()
        for _ in range(trials):
            with timed(times["ask"]):
                proposal = campaign.ask()
            assert proposal
            accuracy = 0.5 + 0.4 * (proposal.number * 7919 % trials) / trials
            for epoch in range(1, EPOCHS + 1):
                record = replace(RECORD, trial=proposal.number, epoch=epoch, eval_accuracy=accuracy * epoch / EPOCHS)
                with timed(times["epoch"]):
                    campaign.epoch(record)
            with timed(times["end"]):
                campaign.ended(proposal.number, "complete")
        seconds = time.perf_counter() - started
        campaign.ledger.close()
    last = {name: 1e3 * statistics.median(found[-max(1, len(found) // 10) :]) for name, found in times.items()}
    return last | {"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


class timed:
    """Adds the seconds of the block to a list."""

    def __init__(self, to: list[float]):
        self.to = to

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *error: Any) -> None:
        self.to.append(time.perf_counter() - self.started)


def sizes(most: int) -> Iterator[int]:
    """most / 8, / 4, / 2 and most."""
    yield from (max(10, most // part) for part in (8, 4, 2, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--samplers", default="tpe,random")
    asked = parser.parse_args()
    print(
        f"{EPOCHS} epochs a trial; medians over the last tenth of the trials; load {Path('/proc/loadavg').read_text()[:14]}"
    )
    print(f"{'sampler':<8} {'trials':>6} {'ask ms':>8} {'epoch ms':>9} {'end ms':>8} {'seconds':>8} {'peak MB':>8}")
    for sampler in asked.samplers.split(","):
        for trials in sizes(asked.trials):
            m = measure(trials, sampler)
            print(f"{sampler:<8} {trials:>6} {m['ask']:>8.2f} {m['epoch']:>9.2f} {m['end']:>8.2f} {m['seconds']:>8.1f} "
                  f"{m['memory']:>8.0f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
