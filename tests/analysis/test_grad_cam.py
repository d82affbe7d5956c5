"""Grad-CAM: the map lies where a made network looks, and is found in networks of many families."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis.explaining.grad_cam import grad_cam
from trainables.networks.models import build


class Red(nn.Module):
    """Two classes by the mean of red and of green over the image; a map of both, of half the pixels a side."""

    def __init__(self, stretched: int = 0):
        super().__init__()
        self.body = nn.Conv2d(3, 2, 2, stride=2, bias=False)
        self.body.weight.data.zero_()
        self.body.weight.data[0, 0] = self.body.weight.data[1, 1] = 0.25
        self.pool: nn.Module = nn.Upsample(stretched) if stretched else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.pool(self.body(x)).mean(dim=(2, 3))
        return features


class Whole(nn.Module):
    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.backbone(x)
        return logits


def corner() -> torch.Tensor:
    """Red in the upper left quarter of 16 x 16 pixels, green elsewhere."""
    image = torch.zeros(1, 3, 16, 16)
    image[:, 1] = 1
    image[:, :, :8, :8] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    return image


@pytest.mark.parametrize(("stretched", "layer"), [(0, "pool"), (32, "body")])
def test_the_map_lies_in_the_corner_that_decides(stretched, layer):
    found = grad_cam(Whole(Red(stretched)), corner(), 0)
    assert found is not None and (found.layer, found.cells) == (layer, 8) and found.values.shape == (16, 16)
    assert found.values[:9, :9].sum() / found.values.sum() > 0.97 and found.values.max() == 1
    other = grad_cam(Whole(Red(stretched)), corner(), 1)
    assert other is not None and other.values[:7, :7].sum() / other.values.sum() < 0.01


def test_a_class_that_nothing_speaks_for_has_an_empty_map():
    network = Red()
    network.body.weight.data[0] *= -1
    found = grad_cam(Whole(network), corner(), 0)
    assert found is not None and found.values.max() == 0


def test_a_network_without_places_has_no_map():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    assert grad_cam(Whole(flat), corner(), 0) is None


@pytest.mark.parametrize(("name", "size", "layer", "cells"), [
    ("small_cnn", 16, "blocks.2.2", 4),
    ("resnet18", 64, "layer3", 4),
    ("resnet18", 128, "layer4", 4),
    ("mobilenet_v3_small", 64, "features.8", 4),
    ("efficientnet_b0", 64, "features.5", 4),
    ("shufflenet_v2_x0_5", 64, "stage3", 4),
    ("googlenet", 64, "inception4e", 4),
    ("vit_tiny", 32, "encoder.layers.encoder_layer_1", 4),
    pytest.param("swin_t", 128, "permute", 4, marks=pytest.mark.slow),
    pytest.param("convnext_tiny", 128, "features", 4, marks=pytest.mark.slow),
    pytest.param("densenet121", 128, "features", 4, marks=pytest.mark.slow),
    pytest.param("vgg11", 64, "features.19", 4, marks=pytest.mark.slow),
    pytest.param("regnet_y_400mf", 128, "trunk_output", 4, marks=pytest.mark.slow),
])  # fmt: skip
def test_a_map_is_found_in_the_families(name, size, layer, cells):
    network = build(name, 3, "none", 0, size)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32))
    found = grad_cam(network, images, 1)
    assert found is not None and (found.layer, found.cells) == (layer, cells)
    assert found.values.shape == (size, size) and found.values.min() >= 0


def test_one_patch_is_no_place():
    assert grad_cam(build("vit_tiny", 3, "none", 0, 8), torch.zeros(1, 3, 8, 8), 0) is None


def test_a_frozen_network_is_explained_and_left_as_it_was():
    network = build("resnet18", 3, "none", 0, 64)
    network.freeze("head", "frozen")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert grad_cam(network, torch.ones(1, 3, 64, 64), 0) is not None
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
