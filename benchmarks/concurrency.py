"""python -m benchmarks.concurrency: is one trial on all cores faster than several that share them?

Both ways train the same trials on the same cores, in processes of their own as under Ray, side by side in one run and
in turns, so that other work on the machine meets both alike. Prints the seconds per trial of each round, the median of
their ratios, and the load average before: on a busy machine the answer is about the other work.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

WORKER = """
import sys, time
import torch
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting
from trainables.trial import Trial
setting = Setting(strategy="finetune", data=sys.argv[1], image_size=int(sys.argv[2]), model=sys.argv[3],
                  epochs=int(sys.argv[4]), threads=int(sys.argv[5]), precision=sys.argv[6])
trials = int(sys.argv[7])
Trial(setting, FinetuneConfig(), 0)
print("ready", flush=True)
sys.stdin.readline()
for number in range(trials):
    list(Trial(setting, FinetuneConfig(), number).records())
"""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.concurrency", description=__doc__)
    parser.add_argument("--data", default="scenes:count=700")
    parser.add_argument("--image-size", default="64")
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--epochs", default="2")
    parser.add_argument("--trials", type=int, default=2, help="of each process (2)")
    parser.add_argument("--rounds", type=int, default=5, help="of both ways (5)")
    asked = parser.parse_args(words)
    cores = len(os.sched_getaffinity(0))
    setting = (asked.data, asked.image_size, asked.model, asked.epochs)
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{asked.model} on {asked.data} at {asked.image_size} px, {cores} cores, load average before {loads}")
    alone, shared = [], []
    for number in range(asked.rounds):
        ways = [(alone, 1, cores), (shared, cores, 1)]
        for seconds, processes, threads in ways if number % 2 == 0 else reversed(ways):
            seconds.append(measure(setting, asked.precision, processes, threads, asked.trials))
        print(f"round {number + 1}: one trial on {cores} threads {alone[-1]:.2f} s per trial, "
              f"{cores} trials on one thread each {shared[-1]:.2f} s", flush=True)  # fmt: skip
    ratios = [one / many for one, many in zip(alone, shared, strict=True)]
    print(f"one on all / several on one each: median {statistics.median(ratios):.2f}, "
          f"{min(ratios):.2f} to {max(ratios):.2f} (above 1: several at a time are faster)")  # fmt: skip
    return 0


def measure(setting: Sequence[str], precision: str, processes: int, threads: int, trials: int) -> float:
    """Seconds per trial, without the start of the processes."""
    command = [sys.executable, "-c", WORKER, *setting, str(threads), precision, str(trials)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    workers = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    for worker in workers:
        if worker.stdout.readline() != "ready\n":
            raise SystemExit(worker.wait() or 1)
    started = time.perf_counter()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.wait()
    return (time.perf_counter() - started) / (processes * trials)


if __name__ == "__main__":
    sys.exit(main())
