"""Attention in fp32: torch's own, in more digits, and only where a network trains under autocast."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from spaces.trial import TrialConfig
from trainables.networks.attention import LIBRARY, AttentionInFp32, attended
from trainables.networks.engine import Engine
from trainables.networks.models import build


def heads(seed=0, tokens=5, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, tokens, 8, generator=draw).to(dtype).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize("mask", [None, torch.ones(5, 5).tril().bool(), torch.linspace(-1, 1, 25).view(5, 5)])
def test_the_result_is_that_of_fp32_in_the_numbers_of_autocast(mask):
    inputs = heads(dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        out = attended(*inputs, mask if mask is None or mask.dtype == torch.bool else mask.bfloat16())
    exact = LIBRARY(
        *(tensor.float() for tensor in inputs),
        mask if mask is None or mask.dtype == torch.bool else mask.bfloat16().float(),
    )
    assert out.dtype == torch.bfloat16 and torch.equal(out, exact.bfloat16())


def test_gradients_are_nearer_to_the_exact_ones_than_those_of_bf16():
    exact = heads(dtype=torch.float64)
    LIBRARY(*exact).square().sum().backward()
    off = {}
    for name, way in (("ours", attended), ("theirs", LIBRARY)):
        inputs = heads()
        with torch.autocast("cpu", torch.bfloat16):
            way(*inputs).float().square().sum().backward()
        off[name] = sum(float((a.grad - b.grad).norm()) for a, b in zip(inputs, exact, strict=True))
    assert off["ours"] < off["theirs"]


@pytest.mark.parametrize(("autocast", "gradients", "dtype"), [
    (False, True, torch.float32),
    (True, False, torch.bfloat16),
    (True, True, torch.float64),
])  # fmt: skip
def test_elsewhere_it_is_torchs_own(autocast, gradients, dtype, monkeypatch):
    seen = []
    monkeypatch.setattr("trainables.networks.attention.LIBRARY", lambda q, *rest, **named: seen.append(q.dtype))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast), torch.set_grad_enabled(gradients):
        attended(*heads(dtype=dtype))
    assert seen == [dtype]


@pytest.mark.parametrize("layer", ["torch", "by_name"])
def test_networks_are_given_it_whichever_way_they_ask(layer, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "trainables.networks.attention.LIBRARY",
        lambda q, *rest, **named: seen.append(q.dtype) or LIBRARY(q, *rest, **named),
    )
    x = torch.randn(2, 5, 24)
    with torch.autocast("cpu", torch.bfloat16), AttentionInFp32():
        if layer == "torch":
            nn.MultiheadAttention(24, 3, batch_first=True)(x, x, x, need_weights=False)
        else:
            F.scaled_dot_product_attention(*heads())
    assert seen == [torch.float32]


def test_a_network_trains_to_almost_the_same_numbers_with_it():
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    config, losses = TrialConfig(batch_size=8, optimizer="sgd"), []
    for ways in (AttentionInFp32(), nullcontext()):
        engine = Engine(build("vit_tiny", 2, "none", 0, 32), images, np.arange(16) % 2, config, "cpu", "bf16")
        engine.workarounds = ways
        losses.append(engine.train(np.arange(16), np.full(2, 1e-2)).summed_loss)
    assert losses[0] == pytest.approx(losses[1], rel=2e-2) and losses[0] != losses[1]
