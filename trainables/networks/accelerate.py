"""Ways to make the updates of full batches faster (--accelerate), with the same numbers to rounding.

graph: the whole update - gather, normalise, forward, loss, backward, optimiser - is one CUDA graph, captured once and
launched as a whole, where the GPU would wait for a hundred small launches. compile: torch.compile of the network's forward
and backward passes. What they do not fit - a short batch, augmented, weighted or shrunken images, losses that are kept,
networks that draw numbers, scaled losses, images that are sent - is trained op by op as without them.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import nn

from console.errors import UsageError
from console.progress import say
from spaces.trial import TrialConfig
from trainables.networks.models import Network
from trainables.networks.precision import Numbers

WARM_UPS = 3  # updates before a capture, as torch's documentation has it
Shown = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # of an update: loss, loss of each image, hits
Forward = Callable[[torch.Tensor], torch.Tensor]


class Trainer(Protocol):
    """What is made faster: an engine, as far as it is used here."""

    device: torch.device
    precision: Numbers
    streamed: bool
    config: TrialConfig
    network: Network
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler

    def update(self, index: torch.Tensor) -> Shown: ...


def check_accelerate(device: str, accelerate: str) -> None:
    """Raises UsageError for what cannot be done on the device, or without a compiler."""
    if accelerate == "graph" and device == "cpu":
        raise UsageError("--accelerate graph is for GPUs, and trials run on the CPU here; pass none or compile.")
    if accelerate != "compile":
        return
    if device == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise UsageError(
            "--accelerate compile wants a C++ compiler, and there is no g++ here; install one, or pass none."
        )
    if device == "cuda" and not find_spec("triton"):
        raise UsageError("--accelerate compile wants triton on a GPU, and it is not here; install it, or pass none.")


def forward_of(network: nn.Module, accelerate: str) -> Forward:
    """What takes a full batch of training images through the network. "auto" is "none": nothing was measured on a GPU."""
    if accelerate != "compile":
        return network
    torch.compiler.reset()  # it counts by the code of a network, not by networks, and gives up after eight without a word
    compiled: Forward = torch.compile(network, dynamic=False)
    return compiled


def make_graph(engine: Trainer, accelerate: str) -> "Graph | None":
    """The update as a graph, where one was asked for and the engine is one that it fits."""
    config = engine.config
    fits = engine.precision != "fp16" and not engine.streamed and not config.augments and config.class_weight == "none"
    return Graph(engine) if accelerate == "graph" and fits else None


class Graph:
    """The update of a full batch of images as they are, captured at its first use. It is of one optimiser, whose slots and
    rates stay where they are: another optimiser wants another graph.
    """

    def __init__(self, engine: Trainer):
        self.index = torch.zeros(engine.config.batch_size, dtype=torch.int64, device=engine.device)  # what it reads
        self.replay: Callable[[], None] | None = None
        self.fits: bool | None = None  # None: not tried yet
        self.shown: Shown | None = None  # what it writes

    def update(self, engine: Trainer, index: torch.Tensor) -> Shown | None:
        """The update on the images `index` (B,); None where it has to be made op by op."""
        self.index.copy_(index)
        if self.fits is None:
            self.fits = self._captured(engine)
        if not self.fits:
            return None
        assert self.replay and self.shown
        self.replay()
        return self.shown

    def _captured(self, engine: Trainer) -> bool:
        try:
            with unchanged(engine):
                return self._warmed_up(engine) and self._capture(engine)
        except RuntimeError as error:  # torch's word for whatever cannot be captured
            say(f"--accelerate graph does not fit {engine.network.name} ({first_line(error)}): it is trained without.")
            return False

    def _warmed_up(self, engine: Trainer) -> bool:
        """Make a few updates on a stream of their own; whether the network draws no numbers, which would be drawn once."""
        before = _drawn(engine.device)
        stream = torch.cuda.Stream(engine.device)
        stream.wait_stream(torch.cuda.current_stream(engine.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self.make(engine)
        torch.cuda.current_stream(engine.device).wait_stream(stream)
        return torch.equal(before, _drawn(engine.device))

    def _capture(self, engine: Trainer) -> bool:
        graph = torch.cuda.CUDAGraph()
        engine.optimizer.zero_grad(set_to_none=True)  # gradients are to lie in the memory of the graph
        stream = torch.cuda.Stream(engine.device)  # torch's own for captures is shared by all threads
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self.make(engine)
        self.replay = graph.replay
        return True

    def make(self, engine: Trainer) -> None:
        """What is captured: the engine's own update, on the images of `self.index`, with the rates as they are set."""
        self.shown = engine.update(self.index)


@contextmanager
def unchanged(engine: Trainer) -> Iterator[None]:
    """Within: train as you like. Afterwards network, optimiser, scale and generators are as before, each where it lies."""
    network = {name: value.clone() for name, value in engine.network.state_dict().items()}
    slots = {id(value): value.clone() for value in _slots(engine)}
    scale = engine.scaler.state_dict()
    try:
        with torch.random.fork_rng(devices=[engine.device] if engine.device.type == "cuda" else []):
            yield
    finally:
        with torch.no_grad():
            for name, value in engine.network.state_dict().items():
                value.copy_(network[name])
            for value in _slots(engine):  # those that are new begin as zeros
                value.copy_(slots[id(value)] if id(value) in slots else torch.zeros_like(value))
        if scale:
            engine.scaler.load_state_dict(scale)


def _slots(engine: Trainer) -> list[torch.Tensor]:
    """What the optimiser has gathered."""
    states = engine.optimizer.state.values()
    return [value for state in states for value in state.values() if isinstance(value, torch.Tensor)]


def _drawn(device: torch.device) -> torch.Tensor:
    """The state of the generator that networks draw from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:120] or type(error).__name__
