"""How images are trained on beside which: the loss of each, weights as they stand, smaller sides."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from console.errors import UsageError
from tests.toy import TRAIN, make_engine
from trainables.networks.engine import Manner
from trainables.networks.losses import weighted
from trainables.networks.models import build
from trainables.networks.sides import check_sides, logits_at, resized, side_of

RATES = np.full(5, 1e-3)


def test_each_loss_is_told_in_the_order_of_training_and_training_does_not_change():
    plain, telling = make_engine(), make_engine()
    first = plain.train(TRAIN, RATES)
    second = telling.train(TRAIN, RATES, None, None, Manner(keeps_losses=True))
    assert first.losses is None and second.losses.shape == TRAIN.shape
    assert second.losses.mean() == pytest.approx(first.loss, rel=1e-6) and first.hits == second.hits
    for name, tensor in plain.state().items():
        torch.testing.assert_close(tensor, telling.state()[name], rtol=1e-4, atol=1e-6)
    fresh = make_engine()
    logits = fresh.network.train()(fresh._batch(torch.from_numpy(TRAIN[:8])))
    by_hand = functional.cross_entropy(logits, fresh.task.labels[TRAIN[:8]], reduction="none")
    assert second.losses[:8] == pytest.approx(by_hand.detach().numpy(), rel=1e-5)
    both = second + second
    assert both.losses.tolist() == [*second.losses, *second.losses] and (second + first).losses is None


def test_absolute_weights_are_divided_by_the_images_and_relative_ones_by_their_sum():
    each, weight = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([2.0, 2.0, 1.0])
    assert float(weighted(each, weight, absolute=True)) == pytest.approx((2 + 4 + 6) / 3)
    assert float(weighted(each, weight)) == pytest.approx((2 + 4 + 6) / 5)
    assert float(weighted(each, None)) == pytest.approx(3)


def test_absolute_weights_of_one_change_nothing():
    losses = [
        make_engine().train(TRAIN, RATES, np.ones(40), None, Manner(absolute=absolute)).loss
        for absolute in (False, True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "side"), [(1.0, None), (0.375, 96), (0.5, 128), (0.51, 128), (0.999, None), (0.001, 8)]
)
def test_sides_are_whole_steps(scale, side):
    assert side_of(build("small_cnn", 4, "none", 0), 256, scale) == side


def test_a_batch_at_half_the_side_is_the_mean_of_four_pixels_nearly():
    engine = make_engine()
    whole, half = engine._batch(torch.arange(2)), engine._batch(torch.arange(2), None, 4)
    assert half.shape == (2, 3, 4, 4) and half.is_contiguous(memory_format=torch.channels_last)
    assert float(half.mean()) == pytest.approx(float(whole.mean()), abs=0.05)


def test_a_vision_transformer_takes_a_smaller_side_and_its_positions_learn():
    network = build("vit_tiny", 4, "none", 0, 32)
    logits = logits_at(network, torch.randn(2, 3, 16, 16))
    logits.sum().backward()
    assert logits.shape == (2, 4) and network.backbone.encoder.pos_embedding.grad.abs().sum() > 0
    assert network.backbone.image_size == 32
    x = torch.randn(2, 3, 32, 32)
    network.eval()
    torch.testing.assert_close(logits_at(network, x), network(x), rtol=1e-4, atol=1e-5)
    positions = torch.randn(1, 17, 6)
    torch.testing.assert_close(resized(positions, 4), positions, rtol=1e-4, atol=1e-5)


def test_a_network_of_one_size_alone_is_refused_in_a_sentence():
    pytest.importorskip("timm")
    with pytest.raises(
        UsageError, match=r"timm:vit_tiny_patch16_224 takes no images of 112 px where it was built for 224"
    ):
        check_sides("timm:vit_tiny_patch16_224", 224, 0.5)
    check_sides("timm:vit_tiny_patch16_224", 224, 1.0)
    check_sides("small_cnn", 64, 0.1)
