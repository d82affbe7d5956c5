"""An epoch of one image, which deep BatchNorm cannot normalise: of one value per channel there is no variance."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def bearing_one(network: nn.Module, images: int) -> Iterator[None]:
    """Where there is one image, layers that would see one value per channel go by what they have seen before.

    All others normalise as ever, and so do these from the next call of `train` on.
    """
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)] if images == 1 else []
    handles = [norm.register_forward_pre_hook(_still) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _still(norm: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
    if given[0].numel() == given[0].shape[1]:
        norm.eval()
