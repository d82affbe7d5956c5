"""Images smaller than those that a network was built for: which sides it can take, and how it takes them.

Convolutions take any side. A vision transformer of torchvision has a position for each patch of one side; they are
interpolated, and learn through that.
"""

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from console.errors import UsageError
from trainables.networks.anatomy import patch_of
from trainables.networks.models import Network, build

STEP = 8  # pixels that sides are multiples of, where there are no patches
POSITIONS = "encoder.pos_embedding"  # of torchvision's VisionTransformer: (1, 1 + patches, F)


def side_of(network: Network, whole: int, scale: float) -> int | None:
    """Pixels of a side at this part of `whole`, in whole patches; None where it is all of it."""
    if scale == 1:
        return None
    step = patch_of(network.backbone) or STEP
    side = max(step, round(scale * whole / step) * step)
    return side if side < whole else None


def logits_at(network: Network, x: torch.Tensor) -> torch.Tensor:
    """Logits (B, C) of images (B, 3, S, S), of whatever side the network was built for."""
    positions = dict(network.backbone.named_parameters()).get(POSITIONS)
    if positions is None:
        logits: torch.Tensor = network(x)
        return logits
    backbone, whole = network.backbone, network.backbone.image_size
    patches = x.shape[2] // (patch_of(backbone) or 1)
    backbone.image_size = x.shape[2]  # type: ignore[assignment]
    try:
        features = functional_call(backbone, {POSITIONS: resized(positions, patches)}, (x,))
    finally:
        backbone.image_size = whole
    return network.head(features)  # type: ignore[no-any-return]


def resized(positions: torch.Tensor, patches: int) -> torch.Tensor:
    """Positions (1, 1 + n * n, F) for `patches` a side instead of n, as torchvision interpolates them; the first stays."""
    token, grid = positions[:, :1], positions[:, 1:]
    n = round(grid.shape[1] ** 0.5)
    grid = grid.permute(0, 2, 1).reshape(1, -1, n, n)
    grid = functional.interpolate(grid, size=(patches, patches), mode="bicubic", align_corners=True)
    return torch.cat([token, grid.flatten(2).permute(0, 2, 1)], dim=1)


def shrunk(x: torch.Tensor, side: int) -> torch.Tensor:
    """Images (B, 3, H, W) at this side, without aliasing."""
    return functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def check_sides(model: str, whole: int, start: float) -> None:
    """Raises UsageError where the network of this name does not take images of `start` times `whole` pixels a side."""
    if start < 1:
        network = build(model, 2, "none", 0, whole)
        side = side_of(network, whole, start)
        if side is not None and not _takes(network, side):
            raise UsageError(
                f"{model} takes no images of {side} px where it was built for {whole}; leave resolution_start at 1, or "
                f"make it larger."
            )


def _takes(network: nn.Module, side: int) -> bool:
    try:
        with torch.no_grad():
            logits_at(network.eval(), torch.zeros(1, 3, side, side))  # type: ignore[arg-type]
    except Exception:  # each library has its own: assertions, shapes that do not fit, layers without a pixel left
        return False
    return True
