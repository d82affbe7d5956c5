"""Convolutions with small outputs: the same output and gradients as torch's own, taken where they are meant to be."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spaces.trial import TrialConfig
from trainables.networks.engine import Engine
from trainables.networks.models import build
from trainables.networks.small_maps import SmallMaps, convolved, weight_gradient

OURS = "_ConvolutionBackward"


def gradients(convolve, x, weight, bias, stride, padding):
    """Output, and what x, weight and bias get of a sum that weighs each pixel of it differently."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, weight, *([] if bias is None else [bias]))]
    out = convolve(*leaves[:2], leaves[2] if len(leaves) == 3 else None, stride, padding)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    return [out.detach(), *(leaf.grad for leaf in leaves)]


def test_a_gradient_by_hand():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])  # one image, one channel, 2 x 2
    change = torch.tensor([[[[1.0, 10.0]]]])  # of an output of one row and two pixels: kernel 2 x 1
    by_hand = torch.tensor([[[[1 * 1 + 2 * 10.0], [3 * 1 + 4 * 10.0]]]])
    assert torch.equal(weight_gradient(x, change, torch.Size((2, 1)), (1, 1), (0, 0)), by_hand)


@given(
    images=st.integers(1, 3), channels=st.integers(1, 4), out=st.integers(1, 4), side=st.tuples(*[st.integers(3, 9)] * 2),
    kernel=st.tuples(*[st.integers(1, 3)] * 2), stride=st.tuples(*[st.integers(1, 3)] * 2),
    padding=st.tuples(*[st.integers(0, 2)] * 2), biased=st.booleans(), last=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_output_and_gradients_are_those_of_torch(
    images, channels, out, side, kernel, stride, padding, biased, last, seed
):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(images, channels, *side, dtype=torch.float64, generator=draw)
    weight = torch.randn(out, channels, *kernel, dtype=torch.float64, generator=draw)
    bias = torch.randn(out, dtype=torch.float64, generator=draw) if biased else None
    if last:
        x, weight = x.to(memory_format=torch.channels_last), weight.to(memory_format=torch.channels_last)
    ours = gradients(convolved, x, weight, bias, stride, padding)
    theirs = gradients(torch.conv2d, x, weight, bias, stride, padding)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("changes", "taken"), [
    ({}, True),
    ({"side": 8}, True),
    ({"side": 9}, False),
    ({"side": 17, "stride": 2}, False),
    ({"side": 16, "stride": (2, 2)}, True),
    ({"kernel": 1, "padding": 0}, False),
    ({"groups": 2}, False),
    ({"dilation": 2, "padding": 2}, False),
    ({"padding": "same"}, False),
])  # fmt: skip
def test_it_is_taken_where_the_output_is_small_and_the_convolution_plain(changes, taken):
    asked = {"side": 8, "kernel": 3, "padding": 1} | changes
    side, kernel = asked.pop("side"), asked.pop("kernel")
    layer = nn.Conv2d(4, 4, kernel, **asked)
    with SmallMaps():
        out = layer(torch.randn(2, 4, side, side))
    assert (type(out.grad_fn).__name__ == OURS) is taken


def test_it_is_not_taken_where_no_gradient_is_asked_for():
    layer, x = nn.Conv2d(4, 4, 3), torch.randn(2, 4, 5, 5, requires_grad=True)
    with SmallMaps(), torch.no_grad():
        assert layer(x).grad_fn is None
    layer.requires_grad_(False)
    with SmallMaps():
        assert type(layer(x).grad_fn).__name__ != OURS  # a frozen layer lets gradients through and has none


def test_in_bf16_it_rounds_as_the_library_does():
    torch.manual_seed(0)
    exact, x = nn.Conv2d(16, 16, 3, padding=1, bias=False).double(), torch.randn(32, 16, 4, 4)
    exact(x.double()).square().sum().backward()
    off = {}
    for name, manner in (("ours", SmallMaps()), ("theirs", nullcontext())):
        layer = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        layer.load_state_dict(exact.state_dict())
        with torch.autocast("cpu", torch.bfloat16), manner:
            out = layer(x)
        out.float().square().sum().backward()
        assert out.dtype == torch.bfloat16 and layer.weight.grad.dtype == torch.float32
        off[name] = float((layer.weight.grad - exact.weight.grad).norm() / exact.weight.grad.norm())
    assert off["ours"] < 1.5 * off["theirs"] + 1e-3 and off["ours"] < 0.01


def test_float64_stays_what_it_is_under_autocast():
    layer = nn.Conv2d(4, 4, 3).double()
    with torch.autocast("cpu", torch.bfloat16), SmallMaps():
        assert layer(torch.randn(2, 4, 5, 5, dtype=torch.float64)).dtype == torch.float64


def test_a_network_trains_to_the_same_numbers_with_it():
    images = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    config = TrialConfig(batch_size=8, optimizer="sgd")
    losses, states = [], []
    for manner in (SmallMaps(), nullcontext()):
        engine = Engine(build("resnet18", 2, "none", 0, 64), images, np.arange(16) % 2, config, "cpu", "fp32")
        engine.workarounds = manner
        losses.append(engine.train(np.arange(16), np.full(2, 1e-2)).summed_loss)
        states.append(engine.state())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    start = Engine(build("resnet18", 2, "none", 0, 64), images, np.arange(16) % 2, config, "cpu", "fp32").state()
    for name in ("network.backbone.layer4.1.conv2.weight", "network.backbone.layer1.0.conv1.weight"):
        moved, expected = states[0][name] - start[name], states[1][name] - start[name]
        assert float((moved - expected).norm()) < 1e-2 * float(expected.norm())
