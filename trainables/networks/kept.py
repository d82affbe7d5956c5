"""What is kept of a vision transformer: how many of its blocks, and what its features are read out of.

The last blocks of pretrained weights may serve what they were trained for, and be of no use for anything else.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from console.errors import UsageError
from spaces.trial import TrialConfig
from trainables.networks.anatomy import anatomy, transformer_of
from trainables.networks.models import Network, get_architecture


class Kept(NamedTuple):
    """The fields of a config that change the network itself; the defaults leave it as it is."""

    blocks: int = 0  # from the first on; 0: all
    read_out: str = "class_token"  # or "mean", of the patch tokens after the last norm

    @classmethod
    def of(cls, config: TrialConfig | None) -> "Kept":
        return cls() if config is None else cls(config.blocks, config.read_out)


def check_kept(name: str, image_size: int, kept: Kept) -> None:
    """Raises UsageError where the network of this name has no such blocks, or no tokens to read out."""
    _check(name, anatomy(get_architecture(name), image_size).blocks, kept)


def keep(network: Network, name: str, kept: Kept) -> None:
    """Take the other blocks out of the network, and read it out as asked. Raises UsageError as `check_kept` does.

    Weights of what was taken out are passed over when a file is loaded; the state that is saved has none.
    """
    if kept == Kept():
        return
    found = transformer_of(network.backbone)
    blocks = network.backbone.get_submodule(found.blocks) if found else nn.Sequential()
    names = [block for block, _ in blocks.named_children()]
    _check(name, len(names), kept)
    assert found
    last = kept.blocks or len(names)
    for block in names[last:]:
        delattr(blocks, block)
    network.left_out += tuple(f"{found.blocks}.{block}." for block in names[last:])
    network.last_block = (f"{found.blocks}.{names[last - 1]}", found.norm)
    network.read_out = kept.read_out
    if kept.read_out == "mean":
        network.backbone.get_submodule(found.norm).register_forward_hook(_mean_after(found.prefix))


def _mean_after(prefix: int) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]:
    """A hook: tokens (B, P + patches, F) -> (B, 1, F), the mean of the patches, where the class token is looked for."""
    return lambda norm, given, tokens: tokens[:, prefix:].mean(dim=1, keepdim=True)


def _check(name: str, blocks: int, kept: Kept) -> None:
    if kept == Kept():
        return
    if not blocks:
        raise UsageError(
            f"blocks={kept.blocks}, read_out={kept.read_out} is for vision transformers with a class token, and {name} is "
            f"none; leave both out, or pass --model vit_b_16."
        )
    if kept.blocks > blocks:
        raise UsageError(f"{name} has {blocks} blocks; blocks={kept.blocks} would keep more.")
