"""Grad-CAM (Selvaraju et al. 2017): where the last map of features that still has places speaks for a class.

One pass forward and one back, against hundreds for LIME: a cheap second opinion. H = W = pixels, K = channels,
c = cells a side.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from analysis.statistics import Floats
from trainables.networks.anatomy import transformer_of
from trainables.networks.models import Network

CELLS = (
    4  # a side: the last map that has as many is taken where there is one, since the last of all may have one or two
)


@dataclass(frozen=True)
class Cam:
    """The map of one image."""

    values: Floats  # (H, W) in [0, 1], 1 where it speaks most for the class; all 0 where nothing does
    layer: str  # whose output it is read from
    cells: int  # c, before it was stretched to the pixels of the image


@dataclass
class _Seen:
    """The last maps that came by in a forward pass: of any size, and of CELLS cells a side or more."""

    found: dict[bool, tuple[str, torch.Tensor]] = field(default_factory=dict)
    cells: float = math.inf  # the fewest so far: what is stretched again afterwards has no new places

    def note(self, name: str, maps: Any) -> None:
        """Square maps are maps of places."""
        side = _side(maps) if isinstance(maps, torch.Tensor) else 0
        if 1 < side <= self.cells:
            self.cells, self.found[False] = side, (name, maps)
            if side >= CELLS:
                self.found[True] = name, maps

    @property
    def last(self) -> tuple[str, torch.Tensor] | None:
        return self.found.get(True, self.found.get(False))


def grad_cam(network: Network, images: torch.Tensor, label: int) -> Cam | None:
    """Of one normalised image (1, 3, H, W) for a class; None where the network has no map with places in it.

    Departs from the paper in which layer it reads: the last map with CELLS cells a side or more. Of a vision transformer
    it is the tokens that go into the last block, without the class token, as what comes out of it is not read.
    """
    network.eval()
    with _watched(network.backbone) as seen:
        logits = network(images.detach().clone().requires_grad_())
    if seen.last is None:
        return None
    layer, kept = seen.last
    slope = torch.autograd.grad(logits[0, label], kept, allow_unused=True)[0]
    if slope is None:
        return None
    maps, slopes = (_as_maps(network.backbone, tensor.detach().float()) for tensor in (kept, slope))
    if maps.shape[2] < 2:
        return None
    summed = (slopes.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True).relu()
    whole = functional.interpolate(summed, size=images.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    peak = whole.max()
    return Cam((whole / peak if peak > 0 else whole).double().cpu().numpy(), layer, int(maps.shape[2]))


@contextmanager
def _watched(backbone: nn.Module) -> Iterator[_Seen]:
    """What comes by while the block runs."""
    seen, transformer = _Seen(), transformer_of(backbone)
    if transformer is not None:
        name, block = list(backbone.get_submodule(transformer.blocks).named_children())[-1]
        where = f"{transformer.blocks}.{name}"
        hooks = [block.register_forward_pre_hook(lambda _, given: seen.found.update({True: (where, given[0])}))]
    else:
        hooks = [module.register_forward_hook(lambda _, given, out, name=name: seen.note(name, out))
                 for name, module in _chain(backbone)]  # fmt: skip
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _chain(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The parts that follow each other, by name; what is inside a block may be one of its branches and is passed over."""
    for name, child in module.named_children():
        yield f"{prefix}{name}", child
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _chain(child, f"{prefix}{name}.")


def _side(maps: torch.Tensor) -> int:
    """c of maps (1, K, c, c) or (1, c, c, K); 0 of everything else."""
    if maps.ndim != 4 or (maps.shape[2] != maps.shape[3] and maps.shape[1] != maps.shape[2]):
        return 0
    return maps.shape[2]


def _as_maps(backbone: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """(1, K, c, c), of maps in either order; of tokens (1, P + c * c, K) the square they were cut from, without the P."""
    if values.ndim == 4:
        return values if values.shape[2] == values.shape[3] else values.permute(0, 3, 1, 2)
    transformer = transformer_of(backbone)
    assert transformer is not None
    tokens = values[:, transformer.prefix :]
    side = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).reshape(1, tokens.shape[2], side, side)
