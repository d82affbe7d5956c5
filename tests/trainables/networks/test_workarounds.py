"""Where networks are trained round what torch is slow at, and that a training is as reproducible there."""

import numpy as np
import torch
import torch.nn.functional as F

from spaces.trial import TrialConfig
from tests.toy import make_engine, same_tensors
from trainables.networks.attention import LIBRARY, attended
from trainables.networks.workarounds import OnTiles, workarounds


def test_they_are_for_bf16_on_processors_with_tiles(monkeypatch):
    cpu = torch.device("cpu")
    for tiles in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda tiles=tiles: tiles, raising=False)
        assert isinstance(workarounds(cpu, "bf16", "none"), OnTiles) is tiles
        assert not isinstance(workarounds(cpu, "fp32", "none"), OnTiles)
        assert not isinstance(workarounds(cpu, "bf16", "compile"), OnTiles)
        assert not isinstance(workarounds(torch.device("cuda"), "bf16", "none"), OnTiles)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert isinstance(make_engine(config=TrialConfig(batch_size=8), precision="bf16").workarounds, OnTiles)


def test_outside_of_them_torch_is_as_it_was():
    ways = OnTiles()
    for _ in range(2):  # they are entered again and again
        with ways:
            assert F.scaled_dot_product_attention is attended
        assert F.scaled_dot_product_attention is LIBRARY
    try:
        with ways:
            raise KeyError
    except KeyError:
        assert F.scaled_dot_product_attention is LIBRARY


def test_two_trainings_of_one_seed_are_the_same_with_them(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    for model in ("small_cnn", "vit_tiny"):
        states = []
        for _ in range(2):
            engine = make_engine(model=model, config=TrialConfig(batch_size=8), precision="bf16")
            engine.train(np.arange(40), np.full(5, 1e-3))
            states.append(engine.state())
        assert same_tensors(*states)
