"""One piece of work in a process of its own: python -m benchmarks.work NAME JSON prints its figures as JSON.

A process of its own, because allocator, threads and caches belong to the process: a peer must not profit from our
settings, nor we from its. N = images.
"""

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch.nn import functional

from benchmarks.peers import usual_loop
from spaces.finetune import FinetuneConfig
from trainables import loop
from trainables.budget import Totals
from trainables.curricula.base import Curriculum
from trainables.data.dataset import Dataset
from trainables.data.sources import load
from trainables.loop import TrainState
from trainables.networks import models
from trainables.networks.engine import Engine, keep_memory
from trainables.networks.precision import bf16_is_fast
from trainables.rates import rate_rule
from trainables.seeds import rng
from trainables.segments import shuffled


class Work(BaseModel):
    """What is to be trained: `train` images of the folder, then `held_out` others evaluated, in each epoch."""

    model_config = ConfigDict(frozen=True)

    root: Path  # of a folder of class folders
    size: int = 256
    train: int = 320
    held_out: int = 80
    epochs: int = 1
    model: str = "resnet18"
    precision: str = "auto"
    threads: int = 2
    workers: int = 2
    device: str = "cpu"
    frozen: bool = False  # only the head is trained
    seed: int = 0


def in_own_process(name: str, work: Work, ours: bool) -> Any:
    """The figures of one piece of work. Ours starts as our trials do; a peer in the environment as it is."""
    environment = os.environ | {"OMP_NUM_THREADS": str(work.threads)} | ({"OMP_WAIT_POLICY": "PASSIVE"} if ours else {})
    command = [sys.executable, "-m", "benchmarks.work", name, work.model_dump_json()]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"benchmarks.work {name} ended with {done.returncode}; what it said is above.")
    return json.loads(done.stdout.splitlines()[-1])


def by_us(work: Work) -> list[dict[str, float]]:
    """Losses and seconds of each epoch of our own loop over the cached images."""
    state = make_state(work)
    warm_up(state.engine, work)
    rows, before = [], Totals()
    for record in loop.train(state):
        train_seconds = record.train_seconds - before.train_seconds
        row = {"seconds": train_seconds + record.eval_seconds - before.eval_seconds, "train_seconds": train_seconds}
        rows.append(row | {"train_loss": record.train_loss, "held_out_loss": record.eval_loss})
        before = Totals.of(record)
    return rows


def by_the_usual_loop(work: Work) -> list[dict[str, float]]:
    """Losses and seconds of each epoch of the usual loop over the files."""
    data, train, held_out, network, orders = parts(work)
    names = [[data.paths[i] for i in index] for index in (train, held_out)]
    few, other = [names[0][:64], names[1][:2]], network_of(work, len(data.classes))
    for _ in usual_loop(
        work.root, work.size, *few, other, 1e-4, [range(len(few[0]))], work.workers, device=work.device
    ):
        pass  # kernels are chosen when they are first met
    rows: list[dict[str, float]] = []
    started = time.perf_counter()
    peer = usual_loop(work.root, work.size, *names, network, 1e-4, orders, work.workers, device=work.device)
    for train_seconds, train_loss, held_out_loss in peer:
        now = time.perf_counter()
        row = {"seconds": now - started, "train_seconds": train_seconds}
        rows.append(row | {"train_loss": train_loss, "held_out_loss": held_out_loss})
        started = now
    return rows


def bare(work: Work) -> dict[str, float]:
    """Seconds of the bare forward and backward passes over as many images: random, in place, no optimiser, no data."""
    torch.set_num_threads(work.threads)
    keep_memory()
    network = network_of(work, 7).to(work.device, memory_format=torch.channels_last).train()
    x = torch.randn(32, 3, work.size, work.size, device=work.device).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 7, (32,), device=work.device)
    bf16 = work.precision == "bf16" or (work.precision == "auto" and bf16_is_fast(work.device))

    def passes(count: int) -> float:
        finish(work.device)
        started = time.perf_counter()
        for _ in range(count):
            with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
                logits = network(x)
            functional.cross_entropy(logits.float(), y).backward()
            network.zero_grad(set_to_none=True)
        finish(work.device)
        return time.perf_counter() - started

    passes(2)
    return {"train_seconds": passes(work.train // 32)}


def finish(device: str) -> None:
    """Wait for what a GPU has still to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def warm_up(engine: Engine, work: Work) -> None:
    """Two updates and an evaluation that leave the engine as it was: kernels are chosen when they are first met."""
    state = copy.deepcopy(engine.state())
    engine.train(np.arange(min(64, work.train)), np.zeros(-(-min(64, work.train) // 32)))
    engine.evaluate(np.arange(2))
    engine.network.load_state_dict({k[8:]: v for k, v in state.items() if k.startswith("network.")})
    engine.fresh_optimizer()
    finish(work.device)


def make_state(work: Work) -> TrainState:
    """Our loop over the first images of the folder's own order, as a trial of plain fine-tuning would be."""
    data, train, held_out, network, _ = parts(work)
    config = FinetuneConfig(learning_rate=1e-4)
    engine = Engine(network, data.images, data.labels, config, work.device, work.precision)
    return TrainState(engine, Curriculum(data.labels[train]), rate_rule(config), config, train, held_out, "validation",
               "finetune", 0, work.seed, work.epochs)  # fmt: skip


def parts(work: Work) -> tuple[Dataset, np.ndarray, np.ndarray, models.Network, list[list[int]]]:
    """Data, the images of both sides, a network, and the order of each epoch as our loop shuffles."""
    torch.set_num_threads(work.threads)
    data = load(str(work.root), work.size)
    chosen = rng(work.seed, 0, "plan").permutation(data.count)[: work.train + work.held_out]
    train, held_out = np.sort(chosen[: work.train]), np.sort(chosen[work.train :])
    every = np.arange(work.train)
    orders = [shuffled(work.seed, epoch + 1, every, work.train)[0].tolist() for epoch in range(work.epochs)]
    return data, train, held_out, network_of(work, len(data.classes)), orders


def network_of(work: Work, classes: int) -> models.Network:
    """The same random weights for everybody."""
    network = models.build(work.model, classes, "none", work.seed, work.size)
    if work.frozen:
        network.freeze("head", "batch")
    return network


WORKS: dict[str, Callable[[Work], Any]] = {"ours": by_us, "usual": by_the_usual_loop, "bare": bare}


def main() -> None:
    name, asked = sys.argv[1:]
    print(json.dumps(WORKS[name](Work.model_validate_json(asked))))


if __name__ == "__main__":
    main()
