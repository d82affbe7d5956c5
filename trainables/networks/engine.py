"""Runs a network: train on these images, score these, evaluate those. The only place where the hardware matters.

N = images of the data set, K = images of one epoch, B = updates of one epoch, n = images evaluated, C = classes.
Images are uint8 (N, H, W, 3); a batch is taken by index from where they lie (images.py), and normalised on the device.
`index` is always of images in the data set, and lies where they do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import trainables.metrics as metrics
from console.progress import track
from spaces.trial import TrialConfig
from trainables.curricula.batches import batches
from trainables.data.dataset import Bools, Floats, Floats32, Ints, Pixels
from trainables.machine import keep_memory
from trainables.networks.accelerate import Graph, Shown, forward_of, make_graph
from trainables.networks.alone import bearing_one
from trainables.networks.augment import Mix, View, augmented, cut_views, main_images, mixed
from trainables.networks.images import placed, sent
from trainables.networks.knn import knn_metric
from trainables.networks.losses import mixed_each, mixed_loss, weighted
from trainables.networks.models import Network, load_exactly
from trainables.networks.optimizers import make_optimizer, optimizer_state, restore_optimizer, set_rates
from trainables.networks.outcomes import Evaluation, Trained
from trainables.networks.precision import autocast, make_scaler, multiply_in, numbers_of, restore_scaler, scaler_state
from trainables.networks.sides import logits_at, shrunk, side_of
from trainables.networks.tasks import make_task
from trainables.networks.workarounds import workarounds
from trainables.views import Views

EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Manner:
    """How images are trained on, beside which ones."""

    side: int | None = None  # pixels at which they are shown; None: as they are
    absolute: bool = False  # weights scale each loss as they stand; else by their part of the batch's sum
    keeps_losses: bool = False  # whether the loss of each image is told


PLAIN = Manner()


def gpus_here() -> int:
    """GPUs that this process may use: in a trial's worker those that Ray assigned to it."""
    return torch.cuda.device_count()


class Engine:
    """A network, its optimiser and what they work on: images here, other inputs where `_batch` says so."""

    optimizer: torch.optim.Optimizer
    graph: Graph | None
    head_of: str | None = None  # digest of the backbone, where the head alone is kept of the network

    def __init__(
        self,
        network: Network,
        inputs: Pixels | Floats32,
        labels: Ints,
        config: TrialConfig,
        device: str,
        precision: str,
        targets: Bools | None = None,
        accelerate: str = "none",
    ):
        """inputs (N, H, W, 3) uint8 images, labels (N,); targets (N, C) make it the multi-label task. device, precision and
        accelerate as a Setting has them.
        """
        self.device = torch.device(device)
        if self.device.type == "cpu":
            keep_memory()
        self.precision = numbers_of(device, precision)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self.config = config
        self.inputs = placed(inputs, self.device)
        self.streamed = self.inputs.device.type != self.device.type  # whether each batch is sent from main memory
        self.task = make_task(labels, targets, self.device)
        scale = 255 * torch.tensor(network.std, device=self.device)
        self.scale = (1 / scale).view(1, 3, 1, 1)
        self.shift = (-torch.tensor(network.mean, device=self.device) * 255 / scale).view(1, 3, 1, 1)
        self.grey = 255 * torch.tensor(network.mean, device=self.device).view(1, 3, 1, 1)  # what becomes zero
        self.scaler = make_scaler(self.device, self.precision)
        self.accelerate, self.forward = accelerate, forward_of(self.network, accelerate)
        self.workarounds = workarounds(self.device, self.precision, accelerate)
        self.fresh_optimizer()

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the images, in pixels."""
        return int(self.inputs.shape[1]), int(self.inputs.shape[2])

    def train(
        self,
        order: Ints,
        rates: Floats,
        weights: Floats | None = None,
        views: Views | None = None,
        manner: Manner = PLAIN,
    ) -> Trained:
        """Once over the images of `order` (K,): an epoch or a segment of one. rates (B,) one per update; views of K images
        with partners in the data set; weights (K,), or (K, 2) of an image's own label and of its partner's.
        """
        self.network.train()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        cut = batches(np.arange(len(order)), self.config.batch_size)
        # all of it on the device before the first update
        epoch = self._cut_index(order, cut), self._cut_if_any(weights, cut), self._cut_views(views, cut)
        kept: list[torch.Tensor] = []
        with bearing_one(self.network, len(order)):
            for index, weight, view, rate in zip(*epoch, rates.tolist(), strict=True):
                loss, each, hits = self._update(index, rate, weight, view, manner)
                total += loss.double() * len(index)
                correct += hits
                kept += [each] if manner.keeps_losses else []
        losses = torch.cat(kept).double().cpu().numpy() if kept else None
        return Trained(float(total), int(correct), len(order), len(cut), losses)

    def side_of(self, scale: float) -> int | None:
        """Pixels at which images are shown at this part of their side; None: as they are."""
        return side_of(self.network, self.size[0], scale)

    def score(self, order: Ints, mode: str) -> Floats:
        """The loss (K,) of each image of `order`, without label smoothing. Mode "train" moves BatchNorm."""
        self.network.train(mode == "train")
        size = self.config.batch_size if mode == "train" else EVALUATION_BATCH
        losses = []
        with torch.no_grad(), bearing_one(self.network, len(order)):
            for index in self._cut_index(order, batches(order, size)):
                logits = self.network.head(self._features(index)).float()
                losses.append(self.task.loss(logits, self._here(index)))
        return torch.cat(losses).double().cpu().numpy()

    def evaluate(self, images: Ints) -> Evaluation:
        """Loss, accuracy and KNN on these images (n,) of the data set, in eval mode; predictions in the same order."""
        self.network.eval()
        with torch.no_grad():
            cut = self._cut_index(images, batches(images, EVALUATION_BATCH))
            features = torch.cat([self._features(part) for part in cut])
            logits = self.network.head(features).float()
        index = torch.from_numpy(images).to(self.device)
        correct, judged = self.task.hits(logits, index), self.task.judged(logits, index)
        return Evaluation(
            loss=float(self.task.loss(logits.double(), index, reduction="mean")),
            accuracy=float(correct.double().mean()),
            knn=self._knn(features, images),
            true=self.task.labels[index].cpu().numpy(),
            predicted=logits.argmax(dim=1).cpu().numpy(),
            probabilities=self.task.probabilities(logits).cpu().numpy(),
            losses=self.task.loss(logits.double(), index).cpu().numpy(),
            correct=correct.cpu().numpy(),
            metrics=metrics.compute(judged),
            targets=judged.targets,
        )

    def _knn(self, features: torch.Tensor, images: Ints) -> float:
        """Of features (n, F) of these images; differences of squares want all the digits of fp32."""
        multiply_in(self.device, "fp32")
        return knn_metric(features, self.task.labels[torch.from_numpy(images).to(self.device)])

    def state(self) -> dict[str, torch.Tensor]:
        """Network and optimiser as one flat dict of tensors."""
        state = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        return state | optimizer_state(self.optimizer) | scaler_state(self.scaler)

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """The inverse of `state`."""
        load_exactly(self.network, {k[8:]: v for k, v in state.items() if k.startswith("network.")})
        restore_optimizer(self.optimizer, state)
        self.graph = make_graph(self, self.accelerate)  # slots and rates lie elsewhere now
        restore_scaler(self.scaler, state)

    def _update(
        self, index: torch.Tensor, rate: float, weight: torch.Tensor | None, view: View | None, manner: Manner
    ) -> Shown:
        """One step on the images `index`, as a graph where it is a plain one of a full batch; as `update`."""
        set_rates(self.optimizer, rate)
        plain = weight is None and view is None and manner.side is None and not manner.keeps_losses
        shown = self.graph.update(self, index) if self.graph and plain and self._is_full(index) else None
        return shown or self.update(index, weight, view, manner)

    def update(
        self, index: torch.Tensor, weight: torch.Tensor | None = None, view: View | None = None, manner: Manner = PLAIN
    ) -> Shown:
        """One step op by op, at the rates that are set: the loss, that of each image if they are kept, and the number of
        hits before it. Nothing here waits for the device.
        """
        logits, mix = self._logits(index, view, manner.side).float(), view.mix if view else None
        index = self._here(index)
        loss, each = self._loss(logits, index, weight, mix, manner)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach(), each.detach(), self.task.hits(logits, main_images(index, mix)).sum()

    def _loss(
        self, logits: torch.Tensor, index: torch.Tensor, weight: torch.Tensor | None, mix: Mix | None, manner: Manner
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is minimised, and the loss of each image (B,); where nobody needs these, the mean in their place."""
        smoothing = self.config.label_smoothing
        if weight is None and mix is None and not manner.keeps_losses:
            mean = self.task.loss(logits, index, smoothing, "mean")
            return mean, mean
        each = self.task.loss(logits, index, smoothing)
        if mix is None:
            return weighted(each, weight, manner.absolute), each
        other = self.task.loss(logits, mix.images, smoothing)
        return mixed_loss(each, other, weight, mix, manner.absolute), mixed_each(each, other, mix)

    def weights(self) -> dict[str, torch.Tensor]:
        """What is kept of the best epoch: a state dict under torchvision's names."""
        return self.network.torchvision_state()

    def fresh_optimizer(self) -> None:
        """Forget what the optimiser has gathered."""
        self.graph = make_graph(self, self.accelerate)
        self.optimizer = make_optimizer(self.network, self.config, captured=self.graph is not None)

    def features(self, images: Ints) -> Floats32:
        """(n, F), the features before the head of these images (n,), in eval mode."""
        self.network.eval()
        cut = self._cut_index(images, batches(images, EVALUATION_BATCH))
        with torch.no_grad():
            return torch.cat([self._features(index) for index in track(cut, "features", unit="batches")]).cpu().numpy()

    def _logits(self, index: torch.Tensor, view: View | None, side: int | None) -> torch.Tensor:
        with self._autocast(len(index)), self.workarounds:
            if side is not None:
                return logits_at(self.network, self._batch(index, view, side))
            forward = self.forward if self._is_full(index) else self.network
            logits: torch.Tensor = forward(self._batch(index, view))
            return logits

    def _is_full(self, index: torch.Tensor) -> bool:
        return len(index) == self.config.batch_size

    def _features(self, index: torch.Tensor) -> torch.Tensor:
        """What the head is given, (B, F) float32."""
        with self._autocast(len(index)):
            features: torch.Tensor = self.network.backbone(self._batch(index))
            return features.float()

    def _batch(self, index: torch.Tensor, view: View | None = None, side: int | None = None) -> torch.Tensor:
        """(B, 3, H, W) float32, as the view shows them at this side, normalised; a permuted NHWC array is channels_last."""
        x = self._pixels(index)
        if view is not None:
            x = augmented(x, view, self.grey)
            if view.mix is not None:
                x = mixed(x, augmented(self._pixels(view.mix.images), view.mix.view, self.grey), view.mix)
            x = x.contiguous(memory_format=torch.channels_last)
        if side is not None:
            x = shrunk(x, side).contiguous(memory_format=torch.channels_last)
        return x.mul_(self.scale).add_(self.shift)

    def _pixels(self, index: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) float32 in [0, 255]."""
        return self._rows(index).permute(0, 3, 1, 2).float()

    def _rows(self, index: torch.Tensor) -> torch.Tensor:
        """These inputs, on the device."""
        return sent(self.inputs, index, self.device) if self.streamed else self.inputs[index]

    def _here(self, index: torch.Tensor) -> torch.Tensor:
        """The index on the device, for labels."""
        return index.to(self.device, non_blocking=True) if self.streamed else index

    def _cut_index(self, order: Ints, cut: list[Ints]) -> list[torch.Tensor]:
        """order (K,) in batches of these lengths, where the inputs are; page-locked where they are sent."""
        if not self.streamed:
            return self._cut(order, cut)
        whole = torch.from_numpy(order)
        whole = whole.pin_memory() if self.device.type == "cuda" else whole
        return list(whole.split([len(batch) for batch in cut]))

    def _cut(self, values: npt.NDArray[Any], cut: list[Ints]) -> list[torch.Tensor]:
        """values (K, ...) in batches of these lengths, moved to the device in one piece."""
        return list(torch.from_numpy(values).to(self.device).split([len(batch) for batch in cut]))

    def _cut_if_any(self, values: npt.NDArray[Any] | None, cut: list[Ints]) -> Sequence[torch.Tensor | None]:
        """As `_cut`; of nothing, nothing for each batch."""
        return [None] * len(cut) if values is None else self._cut(values, cut)

    def _cut_views(self, views: Views | None, cut: list[Ints]) -> Sequence[View | None]:
        return [None] * len(cut) if views is None else cut_views(views, [len(batch) for batch in cut], self.device)

    def _autocast(self, images: int = 0) -> torch.autocast:
        """Of a pass over so many images: those of a full batch come again and again."""
        return autocast(self.device, self.precision, images in (self.config.batch_size, EVALUATION_BATCH))
