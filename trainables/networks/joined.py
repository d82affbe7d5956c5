"""Many heads on the same features, trained together: one batched update in place of one for each head.

A head on cached features is so small that an update is mostly overhead. Here the updates of H heads are one: the same
images, rates and optimiser steps for each as alone, to the rounding of fp32. Heads may differ in everything but their
shape, their optimiser and their label smoothing: in images and their order, in the length of the epoch, in rates, weights
and weight decay. H = heads of one update, B = images of its batch, F = features, C = classes.
"""

import time
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from trainables.curricula.batches import batches
from trainables.data.dataset import Floats, Ints
from trainables.networks.engine import Engine, Manner
from trainables.networks.outcomes import Trained

BETAS, EPSILON, MOMENTUM = (0.9, 0.999), 1e-8, 0.9  # as make_optimizer has them
SLOTS = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}


@dataclass(frozen=True)
class Request:
    """What an engine over features is asked to train, as `Engine.train` has it."""

    engine: Engine
    order: Ints
    rates: Floats
    weights: Floats | None
    manner: Manner

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Of the head: (C, F), and (C,) where it has a bias."""
        return list(self.engine.network.head.parameters())

    def slot(self, number: int, name: str) -> torch.Tensor:
        """What the optimiser has gathered for a parameter; zeros where it is new."""
        parameter = self.parameters[number]
        known: torch.Tensor | None = self.engine.optimizer.state[parameter].get(name)
        return torch.zeros_like(parameter.detach()) if known is None else known

    @property
    def steps(self) -> float:
        """Of the optimiser so far."""
        return float(self.engine.optimizer.state[self.parameters[0]].get("step", 0))


def can_join(engine: Engine) -> bool:
    """Whether the engine's head is one linear layer on features, which is what is batched here."""
    return engine.head_of is not None and type(engine.network.head) is nn.Linear


def train_together(requests: Sequence[Request]) -> list[Trained]:
    """What `engine.train` would give each of them, and a part of the seconds; heads and optimisers are as after it."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, request in enumerate(requests):
        groups[_kind(request)].append(place)
    found: dict[int, Trained] = {}
    for places in groups.values():
        found |= zip(places, _Heads([requests[place] for place in places]).train(), strict=True)
    return [found[place] for place in range(len(requests))]


def _kind(request: Request) -> Hashable:
    """What is alike among heads that one update can serve."""
    engine, config = request.engine, request.engine.config
    shapes = tuple(tuple(parameter.shape) for parameter in request.parameters)
    same = (engine.inputs.data_ptr(), type(engine.task), len(engine.task.labels))
    return *shapes, *same, config.optimizer, config.label_smoothing


class _Heads:
    """H heads, their optimisers' slots and their work, stacked."""

    def __init__(self, requests: Sequence[Request]):
        self.requests, self.engine = requests, requests[0].engine
        self.optimizer, self.device = self.engine.config.optimizer, self.engine.device
        numbers = range(len(requests[0].parameters))
        self.parameters = [torch.stack([each.parameters[i].detach() for each in requests]) for i in numbers]
        self.slots = [
            {name: torch.stack([each.slot(i, name) for each in requests]) for name in SLOTS[self.optimizer]} for i in numbers
        ]
        self.steps = torch.tensor([each.steps for each in requests], dtype=torch.float64, device=self.device)
        self.decay = self._column([each.engine.config.weight_decay for each in requests])
        self.decays = bool(self.decay.any())
        self.batches = [_Batches(each, self.device) for each in requests]

    def _column(self, values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    def train(self) -> list[Trained]:
        """All updates, the heads' epochs side by side; one whose epoch is shorter is left as it is from there on."""
        started = time.perf_counter()
        count = len(self.requests)
        total = torch.zeros(count, dtype=torch.float64, device=self.device)
        hits = torch.zeros(count, dtype=torch.int64, device=self.device)
        kept: list[list[torch.Tensor]] = [[] for _ in self.requests]
        for step in range(max(each.updates for each in self.batches)):
            for heads in self._alike(step):
                each, loss, right = self._update(heads, step)
                here = self._rows(heads)
                total[here] += loss.double() * each.shape[1]
                hits[here] += right
                for head, losses in zip(heads, each, strict=True):
                    kept[head] += [losses] if self.requests[head].manner.keeps_losses else []
        self._put_back()
        share = (time.perf_counter() - started) / sum(each.updates for each in self.batches)
        return [
            Trained(float(total[i]), int(hits[i]), len(each.images), each.updates, _told(kept[i]), share * each.updates)
            for i, each in enumerate(self.batches)
        ]

    def _alike(self, step: int) -> Iterator[list[int]]:
        """The heads that make this update, by the size of its batch."""
        sizes: dict[int, list[int]] = defaultdict(list)
        for head, each in enumerate(self.batches):
            if step < each.updates:
                sizes[each.size(step)].append(head)
        yield from sizes.values()

    def _update(self, rows: list[int], step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One step of the heads `rows` (h,): loss of each image (h, B), what is minimised (h,), hits before it (h,)."""
        own = [self.batches[row] for row in rows]
        index = torch.stack([each.part(each.images, step) for each in own])
        weight = torch.stack([each.part(each.weights, step) for each in own])
        absolute = torch.tensor([each.absolute for each in own], device=self.device)
        here = self._rows(rows)
        matrix, *bias = (parameter[here] for parameter in self.parameters)
        x = self.engine.inputs[index.flatten()].view(*index.shape, -1)  # (h, B, F)
        logits = torch.bmm(x, matrix.transpose(1, 2))
        logits = (logits + bias[0][:, None] if bias else logits).requires_grad_()
        flat, images = logits.flatten(0, 1), index.flatten()
        each = self.engine.task.loss(flat, images, self.engine.config.label_smoothing).view(index.shape)
        norm = torch.where(absolute, torch.full_like(weight[:, 0], index.shape[1]), weight.sum(dim=1))
        loss = (each * weight).sum(dim=1) / norm
        (slope,) = torch.autograd.grad(loss.sum(), logits)
        gradients = [torch.bmm(slope.transpose(1, 2), x), *([slope.sum(dim=1)] if bias else [])]
        self._step(here, gradients, self._column([one.rates[step] for one in own]))
        hits = self.engine.task.hits(flat.detach(), images).view(index.shape).sum(dim=1)
        return each.detach(), loss.detach(), hits

    def _rows(self, rows: list[int]) -> slice | torch.Tensor:
        """All heads as they lie, or a copy of some."""
        return slice(None) if len(rows) == len(self.requests) else torch.tensor(rows, device=self.device)

    def _step(self, here: slice | torch.Tensor, gradients: Sequence[torch.Tensor], rates: torch.Tensor) -> None:
        """The optimisers' step; what `here` copies is written back."""
        self.steps[here] += 1
        move = _sgd if self.optimizer == "sgd" else _adam
        for parameters, slots, gradient in zip(self.parameters, self.slots, gradients, strict=True):
            shape = (-1, *[1] * (gradient.ndim - 1))
            rate, decay, steps = (column.view(shape) for column in (rates, self.decay[here], self.steps[here]))
            own, kept = parameters[here], {name: slot[here] for name, slot in slots.items()}
            if self.optimizer == "adamw":
                own.mul_(1 - rate * decay)
            elif self.decays:
                gradient = gradient + decay * own
            move(own, kept, gradient, rate, steps)
            if isinstance(here, torch.Tensor):
                parameters[here] = own
                for name, slot in kept.items():
                    slots[name][here] = slot

    def _put_back(self) -> None:
        """Each head and its optimiser get what is theirs."""
        for row, request in enumerate(self.requests):
            for number, parameter in enumerate(request.parameters):
                parameter.data.copy_(self.parameters[number][row])
                state = {name: slot[row].clone() for name, slot in self.slots[number].items()}
                if self.optimizer != "sgd":
                    state["step"] = self.steps[row].float()
                request.engine.optimizer.state[parameter] = state


Slots = dict[str, torch.Tensor]


def _adam(own: torch.Tensor, slots: Slots, gradient: torch.Tensor, rate: torch.Tensor, steps: torch.Tensor) -> None:
    """A step of Adam (Kingma and Ba 2015) in place, each head by its own rate and step."""
    first, second = slots["exp_avg"], slots["exp_avg_sq"]
    first.lerp_(gradient, 1 - BETAS[0])
    second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    below = second.sqrt().div_((1 - BETAS[1] ** steps).sqrt().float()).add_(EPSILON)
    own.addcdiv_(first * (-rate / (1 - BETAS[0] ** steps).float()), below)


def _sgd(own: torch.Tensor, slots: Slots, gradient: torch.Tensor, rate: torch.Tensor, steps: torch.Tensor) -> None:
    """A step of SGD with Nesterov momentum in place."""
    moving = slots["momentum_buffer"].mul_(MOMENTUM).add_(gradient)
    own.sub_(rate * (gradient + MOMENTUM * moving))


class _Batches:
    """One head's work, cut as its engine would cut it, on the device."""

    def __init__(self, request: Request, device: torch.device):
        lengths = [len(part) for part in batches(request.order, request.engine.config.batch_size)]
        self.edges = [0, *np.cumsum(lengths).tolist()]
        self.images = torch.from_numpy(request.order).to(device)
        weights = np.ones(len(request.order)) if request.weights is None else request.weights
        self.weights = torch.from_numpy(np.asarray(weights, np.float32)).to(device)
        self.absolute = request.manner.absolute
        factor = request.engine.optimizer.param_groups[-1].get("factor", 1.0)
        self.rates: list[float] = (factor * request.rates).tolist()

    @property
    def updates(self) -> int:
        return len(self.edges) - 1

    def size(self, step: int) -> int:
        return int(self.edges[step + 1] - self.edges[step])

    def part(self, values: torch.Tensor, step: int) -> torch.Tensor:
        return values[self.edges[step] : self.edges[step + 1]]


def _told(kept: list[torch.Tensor]) -> Floats | None:
    losses: Floats | None = torch.cat(kept).double().cpu().numpy() if kept else None
    return losses
