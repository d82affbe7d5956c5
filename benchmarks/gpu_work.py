"""What benchmarks.gpu measures, in a process of its own: python -m benchmarks.gpu_work JSON prints a row as JSON per line.

A process of its own, so that a fault of the GPU or a compiler that takes too long ends one part and not the table. No
Ray and no pandas. A pass is once over all images, in batches, with every update; N = images.
"""

import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.table import in_turns
from benchmarks.work import finish
from spaces.finetune import FinetuneConfig
from trainables.networks import models
from trainables.networks.engine import Engine

CLASSES, RATE = 7, 1e-4
LEAST = {"compile": 25.0}  # seconds without which a way is not begun; of every other, 2
FAULTS = (
    RuntimeError,
    ValueError,
)  # of a way that does not work here: out of memory, not captured, not compiled, refused
Row = dict[str, Any]
Pass = Callable[[], float]  # does one pass of all trials and tells its seconds


@dataclass(frozen=True)
class Job:
    """One process's part of the table."""

    kind: str  # "ways", "process" or "accuracy"
    network: str
    size: int  # pixels
    device: str
    precision: str = "auto"
    ends: float = float("inf")  # by time.monotonic, which all processes of a machine share
    images: int = 2048
    batch: int = 32
    rounds: int = 5
    at_once: tuple[int, ...] = (1, 2, 4, 8)
    accelerations: tuple[str, ...] = ("graph",)
    data: str = "rsscn7"  # from here on of the kind "accuracy"
    data_root: str | None = None
    weights: str = "none"
    target: float = 0.95
    epochs: int = 15
    seeds: tuple[int, ...] = (0, 1, 2)

    @property
    def text(self) -> str:
        return json.dumps(asdict(self))

    @property
    def left(self) -> float:
        """Seconds."""
        return self.ends - time.monotonic()

    @property
    def expected(self) -> list[str]:
        """The rows that the process is to give, by the way."""
        if self.kind == "accuracy":
            return [f"to {self.target:.3f}, {word}" for word in ("ours", *self.accelerations)]
        if self.kind == "process":
            return [_processes(count) for count in self.at_once]
        return ["ours", *self.accelerations, *(_threads(count) for count in self.at_once if count > 1)]


def _threads(count: int) -> str:
    return f"{count} at once, threads"


def _processes(count: int) -> str:
    return f"{count} at once, processes"


def images_of(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """Noise (N, H, W, 3) uint8 and labels (N,): how fast an update is does not depend on what it shows."""
    generator = np.random.default_rng(0)
    return (
        generator.integers(0, 256, (job.images, job.size, job.size, 3), dtype=np.uint8),
        generator.integers(0, CLASSES, job.images),
    )


def order_of(job: Job) -> np.ndarray:
    """Of the images in each pass."""
    return np.random.default_rng(1).permutation(job.images)


def network_of(job: Job) -> models.Network:
    return models.build(job.network, CLASSES, "none", 0, job.size)


def bare_loop(job: Job, images: torch.Tensor, labels: torch.Tensor, half: torch.dtype | None) -> Pass:
    """The floor: forward, backward and step in plain PyTorch, on images (N, H, W, 3) that lie on the device.

    half: what is computed in under autocast; None: nothing but fp32 (or TF32, as the process is set).
    """
    network = network_of(job).to(job.device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    scaler = torch.amp.GradScaler(job.device, enabled=half == torch.float16)
    scale = 1 / (255 * torch.tensor(network.std, device=job.device)).view(1, 3, 1, 1)
    shift = -(torch.tensor(network.mean, device=job.device) / torch.tensor(network.std, device=job.device)).view(
        1, 3, 1, 1
    )

    def one() -> float:
        finish(job.device)
        started = time.perf_counter()
        for index in torch.from_numpy(order_of(job)).to(job.device).split(job.batch):
            x = images[index].permute(0, 3, 1, 2).float().mul_(scale).add_(shift)
            with torch.autocast(job.device, dtype=half or torch.bfloat16, enabled=half is not None):
                logits = network(x)
            loss = functional.cross_entropy(logits.float(), labels[index])
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        finish(job.device)
        return time.perf_counter() - started

    return one


def engine_of(job: Job, images: np.ndarray, labels: np.ndarray, accelerate: str = "none") -> Engine:
    """Ours. Raises UsageError or ValueError where it cannot be accelerated so."""
    config = FinetuneConfig(learning_rate=RATE, batch_size=job.batch)
    given: Row = {}
    if accelerate != "none":
        if "accelerate" not in inspect.signature(Engine.__init__).parameters:
            raise ValueError("this Engine has no accelerate")
        given = {"accelerate": accelerate}
    return Engine(network_of(job), images, labels, config, job.device, job.precision, **given)


def half_of(engine: Engine, job: Job) -> torch.dtype | None:
    """What ours computes in, so that the floor does the same: asked of the autocast that it would enter."""
    with engine._autocast():
        on = torch.is_autocast_enabled(engine.device.type)
        return torch.get_autocast_dtype(engine.device.type) if on else None


class Together:
    """Trials in threads of this process, each on a stream of its own, with one copy of the images."""

    def __init__(self, job: Job, engines: list[Engine]):
        self.job, self.engines = job, engines
        for engine in engines[1:]:
            engine.inputs = engines[0].inputs
        own = len(engines) > 1 and job.device == "cuda"
        self.streams = [torch.cuda.Stream() if own else None for _ in engines]
        self.order = order_of(job)
        self.rates = np.full(-(-job.images // job.batch), RATE)

    def __call__(self) -> float:
        """A pass of every trial; seconds until the last is through."""
        finish(self.job.device)
        started = time.perf_counter()
        if len(self.engines) == 1:
            self._train(0)
        else:
            with ThreadPoolExecutor(len(self.engines)) as pool:
                list(pool.map(self._train, range(len(self.engines))))
        finish(self.job.device)
        return time.perf_counter() - started

    def _train(self, number: int) -> None:
        stream = self.streams[number]
        with nullcontext() if stream is None else torch.cuda.stream(stream):
            self.engines[number].train(self.order, self.rates)


def ways(job: Job) -> Iterator[Row]:
    """A row for each way to train, its passes in turns with the floor's; images/s of all trials together."""
    images, labels = images_of(job)
    first = engine_of(job, images, labels)
    resident, known = torch.from_numpy(images).to(job.device), torch.from_numpy(labels).to(job.device)
    floor = bare_loop(job, resident, known, half_of(first, job))
    _warm(floor)
    make = {"ours": lambda: Together(job, [first])}
    make |= {word: partial(_accelerated, job, images, labels, word) for word in job.accelerations}
    make |= {_threads(count): partial(_several, job, images, labels, count) for count in job.at_once}
    for place, name in enumerate(job.expected):
        yield {"way": name} | _row(job, floor, name, make[name], len(job.expected) - place)


def _accelerated(job: Job, images: np.ndarray, labels: np.ndarray, word: str) -> Together:
    return Together(job, [engine_of(job, images, labels, word)])


def _several(job: Job, images: np.ndarray, labels: np.ndarray, count: int) -> Together:
    return Together(job, [engine_of(job, images, labels) for _ in range(count)])


def _row(job: Job, floor: Pass, name: str, make: Callable[[], Together], ways_left: int) -> Row:
    """The figures of one way within its share of the time, or why it is skipped."""
    least = LEAST.get(name, 2.0)
    if job.left < least:
        return {"skipped": f"{max(0.0, job.left):.0f} s were left of its part, and it wants {least:.0f}"}
    share = job.left / ways_left
    try:
        ours = make()
        _reset_peak(job.device)
        _warm(ours)
        if why := _not_done(ours.engines[0], name):
            return {"skipped": why}
        estimate = floor() + ours()
        rounds = int(min(job.rounds, max(1, min(share, job.left - 1) / estimate)))
        seconds = in_turns(rounds, floor, ours)
    except FAULTS as error:
        return {"skipped": first_line(error)}
    floors = [job.images / each for each in seconds[0]]
    figures = [len(ours.engines) * job.images / each for each in seconds[1]]
    return {"ours": figures, "floor": floors, "peak_mb": _peak(job.device)}


def _not_done(engine: Engine, name: str) -> str:
    """Why the figures are not of what was asked for, though there are some; nothing where they are."""
    captured = getattr(getattr(engine, "graph", None), "fits", False)
    return "no graph could be captured, and it trained op by op" if name == "graph" and not captured else ""


def _warm(ways_pass: Pass) -> None:
    """Kernels are chosen, graphs captured and code compiled when they are first met."""
    for _ in range(2):
        ways_pass()


def _reset_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> float | None:
    """MB of tensors, the floor's among them; None on a CPU."""
    return torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else None


def process(job: Job) -> Iterator[Row]:
    """One of several processes that share a GPU: says that it is ready, then trains a pass for every line it is given."""
    one = Together(job, [engine_of(job, *images_of(job))])
    _warm(one)
    yield {"ready": True}
    for _ in sys.stdin:
        started = time.monotonic()
        one()
        yield {"started": started, "ended": time.monotonic(), "peak_mb": _peak(job.device)}


def first_line(error: BaseException) -> str:
    """A fault in one line."""
    return f"{type(error).__name__}: {error}".split("\n")[0][:200]


def main() -> None:
    given = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(sys.argv[1]).items()
    }
    job = Job(**given)
    from benchmarks.gpu_accuracy import accuracy

    kinds: dict[str, Callable[[Job], Iterator[Row]]] = {"ways": ways, "process": process, "accuracy": accuracy}
    for row in kinds[job.kind](job):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
