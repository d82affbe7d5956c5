"""An epoch of one image, through networks whose last BatchNorm sees one value per channel of it."""

import numpy as np
import pytest
import torch
from torch import nn

from spaces.trial import TrialConfig
from trainables.networks.alone import bearing_one
from trainables.networks.engine import Engine
from trainables.networks.models import build

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
LABELS = np.arange(6) % 2


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v2"])
def test_one_image_is_trained_on_and_scored(model):
    engine = Engine(build(model, 2, "none", 0, 16), IMAGES, LABELS, TrialConfig(), "cpu", "fp32")
    before = {name: value.clone() for name, value in engine.network.named_parameters()}
    trained = engine.train(np.array([3]), np.array([1e-3]))
    assert trained.images == 1 and np.isfinite(trained.loss)
    assert any(not torch.equal(before[name], value) for name, value in engine.network.named_parameters())
    assert np.isfinite(engine.score(np.array([2]), "train")).all()
    engine.train(np.arange(6), np.array([1e-3]))
    assert all(layer.training for layer in engine.network.modules())


def test_layers_that_see_more_than_one_value_normalise_as_ever():
    wide, narrow = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    images = torch.randn(1, 3, 4, 4)
    with bearing_one(nn.ModuleList([wide, narrow]), 1):
        assert torch.equal(wide(images), nn.BatchNorm2d(3)(images)) and wide.training
        narrow(images[:, :, :1, :1])
        assert not narrow.training and narrow.running_mean.abs().max() == 0
    with pytest.raises(ValueError, match="more than 1 value"), bearing_one(wide, 2):
        wide(images[:, :, :1, :1])
