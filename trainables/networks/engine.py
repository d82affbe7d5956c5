"""Runs a network: train on these images, score these, evaluate those. The only place where the hardware matters.

N = images of the data set, K = images of one epoch, B = updates of one epoch, n = images evaluated, C = classes.
Images are uint8 (N, H, W, 3); a batch is taken by index, moved to the device and normalised there. On a GPU the whole
array is on the device; on a CPU it stays the memory map. `index` is always of images in the data set.
"""

import ctypes
import warnings
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
from trainables.networks.alone import bearing_one
from trainables.networks.augment import Mix, View, augmented, cut_views, main_images, mixed
from trainables.networks.knn import knn_metric
from trainables.networks.losses import mixed_each, mixed_loss, weighted
from trainables.networks.models import Network, load_exactly
from trainables.networks.optimizers import make_optimizer
from trainables.networks.outcomes import Evaluation, Trained
from trainables.networks.sides import logits_at, shrunk, side_of
from trainables.networks.tasks import MultiLabel, SingleLabel
from trainables.views import Views

EVALUATION_BATCH = 64
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt


@dataclass(frozen=True)
class Manner:
    """How images are trained on, beside which ones."""

    side: int | None = None  # pixels at which they are shown; None: as they are
    absolute: bool = False  # weights scale each loss as they stand; else by their part of the batch's sum
    keeps_losses: bool = False  # whether the loss of each image is told


PLAIN = Manner()


def bf16_is_fast(device: str) -> bool:
    """Whether the hardware multiplies bfloat16 itself: CUDA from Ampere on, CPUs with AVX512-bf16 or AMX."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability()[0] >= 8
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def in_bf16(device: str, precision: str) -> bool:
    """Whether a network computes in bfloat16 on this device at this precision ("auto": where it is fast)."""
    return precision == "bf16" or (precision == "auto" and bf16_is_fast(device))


def gpus_here() -> int:
    """GPUs that this process may use: in a trial's worker those that Ray assigned to it."""
    return torch.cuda.device_count()


class Engine:
    """A network, its optimiser and what they work on: images here, other inputs where `_batch` says so."""

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
    ):
        """inputs (N, H, W, 3) uint8 images, labels (N,); targets (N, C) make it the multi-label task."""
        self.device = torch.device(device)
        if self.device.type == "cpu":
            keep_memory()
        self.bf16 = in_bf16(device, precision)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self.config = config
        self.inputs = _tensor(inputs) if self.device.type == "cpu" else _tensor(inputs).to(self.device)
        self.task = make_task(labels, targets, self.device)
        scale = 255 * torch.tensor(network.std, device=self.device)
        self.scale = (1 / scale).view(1, 3, 1, 1)
        self.shift = (-torch.tensor(network.mean, device=self.device) * 255 / scale).view(1, 3, 1, 1)
        self.grey = 255 * torch.tensor(network.mean, device=self.device).view(1, 3, 1, 1)  # what becomes zero
        self.optimizer = make_optimizer(network, config)

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
        epoch = self._cut(order, cut), self._cut_if_any(weights, cut), self._cut_views(views, cut)
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
            for index in self._cut(order, batches(order, size)):
                losses.append(self.task.loss(self.network.head(self._features(index)).float(), index))
        return torch.cat(losses).double().cpu().numpy()

    def evaluate(self, images: Ints) -> Evaluation:
        """Loss, accuracy and KNN on these images (n,) of the data set, in eval mode; predictions in the same order."""
        self.network.eval()
        with torch.no_grad():
            cut = self._cut(images, batches(images, EVALUATION_BATCH))
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
        """Of features (n, F) of these images."""
        return knn_metric(features, self.task.labels[torch.from_numpy(images).to(self.device)])

    def state(self) -> dict[str, torch.Tensor]:
        """Network and optimiser as one flat dict of tensors."""
        state = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{number}.{name}": value for name, value in slots.items()}
        return state

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """The inverse of `state`."""
        load_exactly(self.network, {k[8:]: v for k, v in state.items() if k.startswith("network.")})
        slots: dict[int, dict[str, Any]] = {}
        for key, value in state.items():
            if key.startswith("optimizer."):
                _, number, name = key.split(".")
                slots.setdefault(int(number), {})[name] = self._laid_out_like(int(number), value)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})

    def _laid_out_like(self, number: int, value: torch.Tensor) -> torch.Tensor:
        """An optimiser slot in the memory format of its parameter: the fused kernels go through both as they lie."""
        parameter = [parameter for group in self.optimizer.param_groups for parameter in group["params"]][number]
        return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value

    def _update(
        self, index: torch.Tensor, rate: float, weight: torch.Tensor | None, view: View | None, manner: Manner
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One step on the images `index`: the loss, that of each if they are kept, and the number of hits before it.

        Nothing here waits for the device.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        logits, mix = self._logits(index, view, manner.side).float(), view.mix if view else None
        loss, each = self._loss(logits, index, weight, mix, manner)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
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
        self.optimizer = make_optimizer(self.network, self.config)

    def features(self, images: Ints) -> Floats32:
        """(n, F), the features before the head of these images (n,), in eval mode."""
        self.network.eval()
        cut = self._cut(images, batches(images, EVALUATION_BATCH))
        with torch.no_grad():
            return torch.cat([self._features(index) for index in track(cut, "features", unit="batches")]).cpu().numpy()

    def _logits(self, index: torch.Tensor, view: View | None, side: int | None) -> torch.Tensor:
        with self._autocast():
            if side is not None:
                return logits_at(self.network, self._batch(index, view, side))
            logits: torch.Tensor = self.network(self._batch(index, view))
            return logits

    def _features(self, index: torch.Tensor) -> torch.Tensor:
        """What the head is given, (B, F) float32."""
        with self._autocast():
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
        return self.inputs[index].permute(0, 3, 1, 2).float()

    def _cut(self, values: npt.NDArray[Any], cut: list[Ints]) -> list[torch.Tensor]:
        """values (K, ...) in batches of these lengths, moved to the device in one piece."""
        return list(torch.from_numpy(values).to(self.device).split([len(batch) for batch in cut]))

    def _cut_if_any(self, values: npt.NDArray[Any] | None, cut: list[Ints]) -> Sequence[torch.Tensor | None]:
        """As `_cut`; of nothing, nothing for each batch."""
        return [None] * len(cut) if values is None else self._cut(values, cut)

    def _cut_views(self, views: Views | None, cut: list[Ints]) -> Sequence[View | None]:
        return [None] * len(cut) if views is None else cut_views(views, [len(batch) for batch in cut], self.device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def make_task(labels: Ints, targets: Bools | None, device: torch.device) -> SingleLabel:
    """The task of labels (N,), or of targets (N, C) beside them, on the device."""
    main = torch.from_numpy(labels).to(device)
    return SingleLabel(main) if targets is None else MultiLabel(main, torch.from_numpy(targets).to(device))


def _tensor(inputs: npt.NDArray[Any]) -> torch.Tensor:
    with warnings.catch_warnings():  # the map is read-only and nothing here writes to it
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(inputs)


def keep_memory() -> None:
    """Tell glibc to keep what a step frees for the next one, on a CPU.

    Otherwise every large activation is mapped, cleared by the kernel page by page, and unmapped again, at each step:
    about a ninth of the time of training (benchmarks/NOTES.md). Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
