"""The networks that are declared here: a small one, and vision transformers that torchvision has no name for."""

from typing import Any

import torch
from torch import nn

import trainables.pairing as pairing
from trainables.networks.architecture import Architecture


class SmallCnn(nn.Module):
    """Three convolutions: learns the embedded sets on a laptop in seconds. Not meant for photographs."""

    def __init__(self, width: int = 32):
        super().__init__()
        # halving the image first is 1.8 times as fast as pooling it, at the same accuracy on scenes
        stem = nn.Conv2d(3, width, 5, stride=2, padding=2, bias=False)
        first = nn.Sequential(stem, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(first, _block(width, 2 * width), _block(2 * width, 4 * width))
        self.fc = nn.Linear(4 * width, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.blocks(x).mean(dim=(2, 3)))
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), nn.MaxPool2d(2))


def torchvision_models() -> Any:
    """torchvision.models, loaded for its own networks only: that takes as long as loading torch, and small_cnn has no need.

    Raises UsageError where it does not belong to this torch.
    """
    pairing.check()
    from torchvision import models

    return models


def _transformer(image_size: int, patch: int, layers: int, heads: int, width: int, inner: int) -> nn.Module:
    """torchvision's VisionTransformer of `layers` blocks, `width` features a token, `inner` between the two of an MLP."""
    made: nn.Module = torchvision_models().VisionTransformer(
        image_size, patch_size=patch, num_layers=layers, num_heads=heads, hidden_dim=width, mlp_dim=inner
    )
    return made


# two blocks of width 48: the same code as ViT-B/16, for tests and for two cores
VIT_TINY = Architecture("vit_tiny", lambda size: _transformer(size, 8, layers=2, heads=3, width=48, inner=96))
# the widths of ViT-S/14 in DINOv2 (Oquab et al. 2023), whose weights fit once LayerScale is folded into the projections
VIT_S_14 = Architecture("vit_s_14", lambda size: _transformer(size, 14, layers=12, heads=6, width=384, inner=1536))
SMALL_CNN = Architecture("small_cnn", lambda size: SmallCnn())
OURS = {architecture.name: architecture for architecture in (SMALL_CNN, VIT_TINY, VIT_S_14)}
