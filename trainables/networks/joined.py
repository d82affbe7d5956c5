"""Many heads on the same features, trained together: one batched update in place of one for each head.

A head on cached features is so small that an update is mostly overhead. Here the updates of H heads are one: the same
images, rates and optimiser steps for each as alone, to the rounding of fp32. Heads may differ in everything but their
shape, their optimiser and their label smoothing; batches of other sizes are filled up with images that count for nothing.
H = heads of one update, S = their updates, B = images of a batch, F = features, C = classes.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from trainables.curricula.batches import batches
from trainables.data.dataset import Floats, Ints
from trainables.networks.engine import Engine, Manner
from trainables.networks.outcomes import Trained

BETAS, EPSILON, MOMENTUM = (0.9, 0.999), 1e-8, 0.9  # as make_optimizer has them
SLOTS = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}
Slots = dict[str, torch.Tensor]


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

    @cached_property
    def edges(self) -> Ints:
        """(S + 1,) where its batches begin and end."""
        lengths = [len(part) for part in batches(self.order, self.engine.config.batch_size)]
        return np.cumsum([0, *lengths], dtype=np.int64)

    @property
    def updates(self) -> int:
        return len(self.edges) - 1

    @property
    def width(self) -> int:
        """Images that its batches are filled up to: a power of two, so that batches of about one size go together."""
        return 1 << (int(np.diff(self.edges).max()) - 1).bit_length()

    @property
    def kind(self) -> Hashable:
        """What is alike among heads that one update can serve."""
        engine, config = self.engine, self.engine.config
        shapes = tuple(tuple(parameter.shape) for parameter in self.parameters)
        same = (engine.inputs.data_ptr(), type(engine.task), len(engine.task.labels))
        return *shapes, *same, config.optimizer, config.label_smoothing, self.width

    def slot(self, number: int, name: str) -> torch.Tensor:
        """What the optimiser has gathered for a parameter; zeros where it is new."""
        parameter = self.parameters[number]
        known: torch.Tensor | None = self.engine.optimizer.state[parameter].get(name)
        return torch.zeros_like(parameter.detach()) if known is None else known

    @property
    def steps(self) -> float:
        """Of the optimiser so far."""
        return float(self.engine.optimizer.state[self.parameters[0]].get("step", 0))


Joint = Callable[[Request], Trained]  # who trains a head along with others


def can_join(engine: Engine) -> bool:
    """Whether the engine's head is one linear layer on features that lie on its device, which is what is batched here."""
    return engine.head_of is not None and type(engine.network.head) is nn.Linear and not engine.streamed


def train_together(requests: Sequence[Request]) -> list[Trained]:
    """What `engine.train` would give each of them, and its part of the seconds; heads and optimisers are as after it."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, request in sorted(enumerate(requests), key=lambda pair: -pair[1].updates):
        groups[request.kind].append(place)
    found: dict[int, Trained] = {}
    for places in groups.values():
        found |= zip(places, _Heads([requests[place] for place in places]).train(), strict=True)
    return [found[place] for place in range(len(requests))]


class _Heads:
    """H heads, their optimisers' slots and their work, stacked; those with the most updates first.

    So those that still train at any step are the first few, and what is done to them is done in place.
    """

    def __init__(self, requests: Sequence[Request]):
        self.requests, self.engine = requests, requests[0].engine
        self.optimizer, self.device = self.engine.config.optimizer, self.engine.device
        numbers = range(len(requests[0].parameters))
        self.parameters = [torch.stack([each.parameters[i].detach() for each in requests]) for i in numbers]
        names = SLOTS[self.optimizer]
        self.slots = [{name: torch.stack([each.slot(i, name) for each in requests]) for name in names} for i in numbers]
        self.steps = torch.tensor([each.steps for each in requests], dtype=torch.float64, device=self.device)
        decays = [each.engine.config.weight_decay for each in requests]
        self.decay = torch.tensor(decays, dtype=torch.float32, device=self.device)
        self.decays = any(decays)
        self.work = _Work(requests, self.device)
        self.gathered = torch.empty(len(requests) * requests[0].width, self.engine.inputs.shape[1], device=self.device)

    def train(self) -> list[Trained]:
        """All updates, the heads' epochs side by side; one whose epoch is shorter is left as it is from there on."""
        started, work = time.perf_counter(), self.work
        losses = torch.zeros(*work.images.shape, device=self.device)
        total = torch.zeros(len(self.requests), dtype=torch.float64, device=self.device)
        hits = torch.zeros(len(self.requests), dtype=torch.int64, device=self.device)
        for step in range(work.images.shape[1]):
            heads = work.training(step)
            losses[:heads, step], loss, right = self._update(heads, step)
            total[:heads] += loss.double() * work.sizes[:heads, step]
            hits[:heads] += right
        self._put_back()
        share = (time.perf_counter() - started) / sum(request.updates for request in self.requests)
        return [
            Trained(float(total[i]), int(hits[i]), len(each.order), each.updates,
                    work.told(losses[i], i) if each.manner.keeps_losses else None, share * each.updates)
            for i, each in enumerate(self.requests)
        ]  # fmt: skip

    def _update(self, heads: int, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One step of the first `heads`: loss of each image (h, B), what is minimised (h,), hits before it (h,)."""
        work = self.work
        index, weight, inside = (values[:heads, step] for values in (work.images, work.weights, work.inside))
        x = self._features(index)
        matrix, *bias = (parameter[:heads] for parameter in self.parameters)
        logits = torch.bmm(x, matrix.transpose(1, 2))
        logits = (logits + bias[0][:, None] if bias else logits).requires_grad_()
        flat, images = logits.flatten(0, 1), index.flatten()
        each = self.engine.task.loss(flat, images, self.engine.config.label_smoothing).view(index.shape)
        norm = torch.where(work.absolute[:heads], work.sizes[:heads, step].float(), weight.sum(dim=1))
        loss = (each * weight).sum(dim=1) / norm
        (slope,) = torch.autograd.grad(loss.sum(), logits)
        gradients = [torch.bmm(slope.transpose(1, 2), x), *([slope.sum(dim=1)] if bias else [])]
        self._step(heads, gradients, work.rates[:heads, step])
        hits = (self.engine.task.hits(flat.detach(), images).view(index.shape) & inside).sum(dim=1)
        return each.detach(), loss.detach(), hits

    def _features(self, index: torch.Tensor) -> torch.Tensor:
        """(h, B, F) of images (h, B), until the next step: one buffer takes them, in half of the time."""
        rows = self.gathered[: index.numel()]
        return torch.index_select(self.engine.inputs, 0, index.flatten(), out=rows).view(*index.shape, -1)

    def _step(self, heads: int, gradients: Sequence[torch.Tensor], rates: torch.Tensor) -> None:
        self.steps[:heads] += 1
        move = _sgd if self.optimizer == "sgd" else _adam
        for parameters, slots, gradient in zip(self.parameters, self.slots, gradients, strict=True):
            shape = (-1, *[1] * (gradient.ndim - 1))
            rate, decay, steps = (column.view(shape) for column in (rates, self.decay[:heads], self.steps[:heads]))
            own = parameters[:heads]
            if self.optimizer == "adamw":
                own.mul_(1 - rate * decay)
            elif self.decays:
                gradient = gradient + decay * own
            move(own, {name: slot[:heads] for name, slot in slots.items()}, gradient, rate, steps)

    def _put_back(self) -> None:
        """Each head and its optimiser get what is theirs."""
        for row, request in enumerate(self.requests):
            for number, parameter in enumerate(request.parameters):
                parameter.data.copy_(self.parameters[number][row])
                state = {name: slot[row].clone() for name, slot in self.slots[number].items()}
                if self.optimizer != "sgd":
                    state["step"] = self.steps[row].float()
                request.engine.optimizer.state[parameter] = state


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


class _Work:
    """The epochs of H heads as tensors on the device; what a batch is filled up with has weight 0."""

    def __init__(self, requests: Sequence[Request], device: torch.device):
        shape = (len(requests), max(each.updates for each in requests), requests[0].width)
        images, weights = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        inside, rates = np.zeros(shape, np.bool_), np.zeros(shape[:2], np.float32)
        for row, each in enumerate(requests):
            places = each.edges[:-1, None] + np.arange(shape[2])
            known = places < each.edges[1:, None]  # (S, B)
            own = np.ones(len(each.order)) if each.weights is None else each.weights
            images[row, : each.updates][known], weights[row, : each.updates][known] = each.order, own
            inside[row, : each.updates] = known
            rates[row, : each.updates] = each.rates * each.engine.optimizer.param_groups[-1].get("factor", 1.0)
        made = (torch.from_numpy(values).to(device) for values in (images, weights, inside, rates))
        self.images, self.weights, self.inside, self.rates = made
        self.sizes = self.inside.sum(dim=2)  # (H, S)
        self.absolute = torch.tensor([each.manner.absolute for each in requests], device=device)
        self.updates = np.array([each.updates for each in requests])

    def training(self, step: int) -> int:
        """How many heads make this update."""
        return int((self.updates > step).sum())

    def told(self, losses: torch.Tensor, row: int) -> Floats:
        """(K,) of the losses (S, B) of a head, those of its images."""
        found: Floats = losses[self.inside[row]].double().cpu().numpy()
        return found
