"""Blocks, read-out and the head's own rate: fields of a config that change the network and its optimiser."""

import numpy as np
import pytest
import torch
import torchvision

from search.options import SearchOptions
from search.planning.plan import make_plan
from spaces.self_paced import SelfPacedConfig
from spaces.transfer import TransferConfig
from spaces.trial import TrialConfig
from tests.toy import make_engine, make_trial, same_tensors, without_seconds
from tests.trainables.networks.test_engine import parameters, train
from tests.trainables.networks.test_models import said
from trainables.networks.features import backbone_digest
from trainables.networks.kept import Kept, check_kept, keep
from trainables.networks.models import build, load_backbone
from trainables.networks.optimizers import make_optimizer

IMAGES = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))


def kept(name: str, what: Kept, seed: int = 0, size: int = 28):
    network = build(name, 5, "none", seed, size)
    keep(network, name, what)
    return network.eval()


def plain(layers: int) -> torch.nn.Module:
    return torchvision.models.VisionTransformer(28, 14, layers, 6, 384, 1536, num_classes=5).eval()


def test_the_first_blocks_are_those_of_the_whole_network_and_load_in_a_shorter_one():
    network, theirs = kept("vit_s_14", Kept(blocks=2)), plain(2)
    theirs.load_state_dict(network.torchvision_state(), strict=True)
    assert torch.equal(network(IMAGES), theirs(IMAGES))
    state, whole = network.torchvision_state(), build("vit_s_14", 5, "none", 0, 28).torchvision_state()
    assert same_tensors(state, {name: whole[name] for name in state}) and len(state) < len(whole)
    assert network.last_block == ("encoder.layers.encoder_layer_1", "encoder.ln")


def test_the_mean_is_that_of_the_patch_tokens_after_the_norm():
    network, theirs = kept("vit_s_14", Kept(2, "mean")), plain(2)
    theirs.load_state_dict(network.torchvision_state(), strict=True)
    tokens = torch.cat([theirs.class_token.expand(2, -1, -1), theirs._process_input(IMAGES)], dim=1)
    tokens = theirs.encoder(tokens)
    torch.testing.assert_close(network.backbone(IMAGES), tokens[:, 1:].mean(dim=1))
    assert not torch.allclose(network(IMAGES), theirs(IMAGES))


def test_a_transformer_of_timm_is_cut_and_read_out_alike():
    name = "timm:vit_tiny_patch16_224"
    network, whole = kept(name, Kept(1, "mean"), size=32), build(name, 5, "none", 0, 32).eval()
    images, tokens = torch.randn(2, 3, 32, 32), []
    whole.backbone.blocks[0].register_forward_hook(lambda block, given, out: tokens.append(out))
    whole.backbone(images)
    torch.testing.assert_close(network.backbone(images), whole.backbone.norm(tokens[0])[:, 1:].mean(dim=1))


def test_weights_of_the_blocks_that_are_not_kept_are_passed_over_and_may_be_missing():
    whole, network = build("vit_tiny", 5, "none", 0, 16), kept("vit_tiny", Kept(1), 1, 16)
    state = whole.torchvision_state()
    load_backbone(network, "vit_tiny", state, "file")
    assert torch.equal(network.backbone.class_token, whole.backbone.class_token)
    load_backbone(network, "vit_tiny", network.torchvision_state(), "its own")
    other = build("vit_tiny", 5, "none", 1, 16)
    assert "tensors are missing" in said(load_backbone, other, "vit_tiny", network.torchvision_state(), "a shorter one")


@pytest.mark.parametrize("name", ["resnet18", "swin_t"])
@pytest.mark.parametrize("what", [Kept(blocks=3), Kept(read_out="mean")])
def test_a_network_without_class_token_is_refused(name, what):
    assert f"is for vision transformers with a class token, and {name} is none" in said(check_kept, name, 32, what)
    check_kept(name, 32, Kept())


def test_more_blocks_than_there_are_are_refused_also_where_they_are_searched():
    assert said(check_kept, "vit_tiny", 16, Kept(3)) == "vit_tiny has 2 blocks; blocks=3 would keep more."
    base = {"data": "scenes:count=70", "image_size": 16, "model": "vit_tiny", "out": "/tmp", "name": "never-made"}
    for more in ({"set": ("blocks=3",)}, {"search": ("blocks=1:3",)}):
        assert "vit_tiny has 2 blocks" in said(make_plan, SearchOptions(**base, **more))
    assert "small_cnn is none" in said(
        make_plan, SearchOptions(**base | {"model": "small_cnn"}, set=("read_out=mean",))
    )


def test_features_of_two_read_outs_are_kept_apart():
    token, mean = kept("vit_tiny", Kept(), size=16), kept("vit_tiny", Kept(0, "mean"), size=16)
    assert same_tensors(token.torchvision_state(), mean.torchvision_state())
    assert backbone_digest(token) != backbone_digest(mean)
    mean.read_out = token.read_out
    assert backbone_digest(token) == backbone_digest(mean)
    mean.name = "timm:one that pads otherwise"
    assert backbone_digest(token) != backbone_digest(mean)


@pytest.mark.parametrize("config", [SelfPacedConfig, TransferConfig])
def test_a_trial_that_keeps_one_block_is_resumed_and_its_best_network_judged(config, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    strategy = "self_paced" if config is SelfPacedConfig else "transfer"
    fields = config(batch_size=8, blocks=1, read_out="mean", head_rate=5.0)
    more = {"strategy": strategy, "model": "vit_tiny", "epochs": 2}
    first, second = make_trial(fields, **more), make_trial(fields, **more)
    records = [without_seconds(record) for record in first.records()]
    next(second.records())
    second.save(tmp_path / "one.safetensors")
    third = make_trial(fields, **more)
    third.restore(tmp_path / "one.safetensors")
    assert [without_seconds(record) for record in third.records()] == records[1:]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_the_head_learns_at_its_own_rate_and_the_body_as_before(optimizer):
    plainly, faster = (
        make_engine(TrialConfig(batch_size=8, optimizer=optimizer, head_rate=rate)) for rate in (1.0, 10.0)
    )
    before = parameters(plainly)
    order = np.arange(8)
    train(plainly, order, 1e-4), train(faster, order, 1e-4)
    one, ten = parameters(plainly), parameters(faster)
    for name, start in before.items():
        times = 10 if name.startswith("head.") else 1
        torch.testing.assert_close(ten[name] - start, times * (one[name] - start), rtol=2e-2, atol=1e-6)


def test_there_are_two_groups_only_where_the_rates_differ_and_their_state_comes_back():
    engine, other = (make_engine(TrialConfig(batch_size=8, head_rate=3.0), seed=seed) for seed in (0, 9))
    assert len(make_engine().optimizer.param_groups) == 1 and len(engine.optimizer.param_groups) == 2
    train(engine)
    other.restore({name: value.clone() for name, value in engine.state().items()})
    assert train(engine) == train(other) and same_tensors(engine.state(), other.state())
    engine.network.freeze("head", "frozen")
    assert [len(group["params"]) for group in make_optimizer(engine.network, engine.config).param_groups] == [0, 2]
