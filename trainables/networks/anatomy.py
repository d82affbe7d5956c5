"""What is inside a network, found by looking: its head, the features before it, its last block, its transformer blocks.

It is built and run once on torch's meta device, where tensors have shapes and no numbers, so that this costs neither time
nor memory. F = features before the head, B = images of a batch, P = tokens before those of the patches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from console.errors import UsageError
from trainables.networks.architecture import Architecture

NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Anatomy:
    head: str  # the name of the linear layer that makes the logits, "." between levels
    features: int  # F
    bias: bool  # of the head; MaxViT's has none
    last_block: tuple[str, ...]  # the names of what comes just before the head
    blocks: int = 0  # of a vision transformer with a class token; 0: it is none


@dataclass(frozen=True)
class Transformer:
    """Where a vision transformer keeps its blocks, and what its logits are read out of."""

    blocks: str  # the name of their Sequential
    norm: str  # of the layer whose output (B, P + patches, F) is read out
    prefix: int  # P: class token and registers


@lru_cache(maxsize=32)
def anatomy(architecture: Architecture, image_size: int) -> Anatomy:
    """Of the network as it is built for images of so many pixels a side.

    Raises UsageError where it takes none of that size, or has no linear layer that its logits come out of.
    """
    try:
        with torch.device("meta"):
            return _look(architecture, architecture.build(image_size), image_size, "meta")
    except UsageError:
        raise
    except Exception as error:  # what a size makes someone else's network raise, or that it needs numbers (RegNet)
        if "meta" not in str(error):
            raise _refused_size(architecture, image_size, error) from None
    try:
        with torch.random.fork_rng(devices=[]):
            return _look(architecture, architecture.build(image_size), image_size, "cpu")
    except UsageError:
        raise
    except Exception as error:
        raise _refused_size(architecture, image_size, error) from None


def _look(architecture: Architecture, network: nn.Module, image_size: int, device: str) -> Anatomy:
    patch = patch_of(network)
    if patch and image_size % patch:
        raise _not_multiple(architecture, patch, image_size)
    head, features = find_head(architecture.name, network, image_size, device)
    found = transformer_of(network)
    blocks = len(list(network.get_submodule(found.blocks).children())) if found else 0
    bias = network.get_submodule(head).bias is not None
    return Anatomy(head, features, bias, last_block(network, head), blocks)


def find_head(name: str, network: nn.Module, image_size: int, device: str = "cpu") -> tuple[str, int]:
    """The name of the linear layer whose output is the network's, and F. Raises UsageError where none is."""
    gave: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def watch(layer: str) -> Any:
        return lambda _, given, out: gave.update({layer: (given[0], out)})

    linear = [layer for layer, module in network.named_modules() if isinstance(module, nn.Linear)]
    hooks = [network.get_submodule(layer).register_forward_hook(watch(layer)) for layer in linear]
    try:
        logits = _run(network.eval(), image_size, device)
    finally:
        for hook in hooks:
            hook.remove()
    for layer, (features, out) in gave.items():
        if out is logits and features.ndim == 2:
            return layer, features.shape[1]
    raise UsageError(
        f"{name} has no linear layer that its logits come straight out of ({_instead(network)}), so no head can be put in "
        f"its place; take another --model."
    )


def _run(network: nn.Module, image_size: int, device: str) -> Any:
    """What it says of two black images."""
    tensors = dict(network.named_parameters()) | dict(network.named_buffers())
    moved = {name: tensor.to(device) for name, tensor in tensors.items()}
    with torch.no_grad():
        return functional_call(network, moved, (torch.zeros(2, 3, image_size, image_size, device=device),))


def _instead(network: nn.Module) -> str:
    """What the last layers are, for a message."""
    layers = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    name, last = layers[-1]
    return f"its last layer is the {'convolution' if isinstance(last, nn.Conv2d) else 'linear layer'} {name}"


def last_block(network: nn.Module, head: str) -> tuple[str, ...]:
    """The names of the last stage that holds parameters before the head, and of norms and linear layers after it.

    A stage is a convolution, or a module of several layers that is not most of the network: layer4 of a ResNet, one block
    of a vision transformer, whose encoder is most of it.
    """
    parts = list(_stages(network, head, _layers(network)))
    chosen: list[str] = []
    for name, module in reversed(parts):
        chosen.insert(0, name)
        if not isinstance(module, (nn.Linear, *NORMS)):
            break
    return tuple(chosen)


def _stages(module: nn.Module, head: str, total: int, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Everything with parameters before the head, in order, by name; what holds most of the network is opened."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if path == head:
            return
        around_head = head.startswith(f"{path}.")
        if around_head or 2 * _layers(child) > total:
            yield from _stages(child, head, total, f"{path}.")
        elif _layers(child):
            yield path, child
        if around_head:
            return


def _layers(module: nn.Module) -> int:
    """Modules with parameters of their own."""
    return sum(any(True for _ in part.parameters(recurse=False)) for part in module.modules())


def patch_of(network: nn.Module) -> int | None:
    """Pixels a side of a patch, of a network that cuts images into patches and says so."""
    said = getattr(network, "patch_size", None) or getattr(getattr(network, "patch_embed", None), "patch_size", None)
    side = said[0] if isinstance(said, tuple | list) else said
    return side if isinstance(side, int) else None


def transformer_of(network: nn.Module) -> Transformer | None:
    """Where the blocks of a vision transformer are that is read out of its class token: torchvision's, or one of timm's."""
    encoder = getattr(network, "encoder", None)
    if isinstance(getattr(network, "class_token", None), nn.Parameter) and isinstance(encoder, nn.Module):
        return Transformer("encoder.layers", "encoder.ln", 1)
    reads_token = getattr(network, "global_pool", None) == "token" and not isinstance(
        getattr(network, "norm", nn.Identity()), nn.Identity
    )
    if reads_token and isinstance(getattr(network, "blocks", None), nn.Sequential):
        return Transformer("blocks", "norm", int(getattr(network, "num_prefix_tokens", 1)))
    return None


def _refused_size(architecture: Architecture, image_size: int, error: Exception) -> UsageError:
    """As one sentence; a network that is built for one size may refuse it before it has said its patches."""
    try:
        with torch.device("meta"):
            patch = patch_of(architecture.build(architecture.own_size))
    except Exception:  # then its first complaint has to do
        patch = None
    if patch and image_size % patch:
        return _not_multiple(architecture, patch, image_size)
    said = (str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__)[:160]
    return UsageError(
        f"{architecture.name} takes no images of {image_size} pixels a side ({said}); pass another --image-size, such as "
        f"{architecture.own_size}, for which it was made."
    )


def _not_multiple(architecture: Architecture, patch: int, image_size: int) -> UsageError:
    return UsageError(f"{architecture.name} wants an --image-size that is a multiple of {patch}; got {image_size}.")
