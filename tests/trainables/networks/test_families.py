"""What is promised of any network of torchvision or timm, over many families at the smallest sizes.

Its head, last block and features are found; it trains, is saved, restored and replayed to the digit; and what is kept of
it loads into the plain network, whose logits are the same.
"""

import numpy as np
import pytest
import torch
import torchvision

from spaces.trial import TrialConfig
from tests.toy import same_tensors
from trainables.networks.anatomy import anatomy
from trainables.networks.engine import Engine
from trainables.networks.models import Network, build, get_architecture

CLASSES = 3
LABELS = np.array([0, 1, 2, 0, 1, 2])
slow = pytest.mark.slow
# name, pixels a side, what the plain network is asked for beside its classes, head, first of the last block
FAMILIES = [
    ("resnet18", 32, {}, "fc", "layer4"),
    ("regnet_x_400mf", 32, {}, "fc", "trunk_output.block4.block4-11"),
    ("densenet121", 32, {}, "classifier", "features.denseblock4"),
    ("mobilenet_v3_small", 32, {}, "classifier.3", "features.12"),
    ("efficientnet_b0", 32, {}, "classifier.1", "features.8"),
    ("shufflenet_v2_x0_5", 32, {}, "fc", "conv5"),
    ("mnasnet0_5", 32, {}, "classifier.1", "layers.14"),
    ("googlenet", 32, {"aux_logits": False, "transform_input": True, "init_weights": False}, "fc", "inception5b"),
    ("timm:resnet10t", 32, {}, "fc", "layer4"),
    ("timm:vit_tiny_patch16_224", 32, {"img_size": 32}, "head", "blocks.11"),
    ("timm:convnext_atto", 32, {}, "head.fc", "stages.3"),
    pytest.param("convnext_tiny", 32, {}, "classifier.2", "features.7", marks=slow),
    pytest.param("swin_t", 32, {}, "head", "features.7", marks=slow),
    pytest.param("vgg11_bn", 32, {}, "classifier.6", "features.25", marks=slow),
    pytest.param("vit_b_16", 32, {"image_size": 32}, "heads.head", "encoder.layers.encoder_layer_11", marks=slow),
    pytest.param("maxvit_t", 224, {"input_size": (224, 224)}, "classifier.5", "blocks.3", marks=slow),
]
each = pytest.mark.parametrize


def pictures(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (len(LABELS), size, size, 3)).astype(np.uint8)


def make_engine(name: str, size: int, seed: int = 0) -> Engine:
    network = build(name, CLASSES, "none", seed, size)
    network.freeze("last_block", "frozen")
    return Engine(network, pictures(size), LABELS, TrialConfig(batch_size=3), "cpu", "fp32")


def epoch(engine: Engine, number: int):
    torch.manual_seed(number)  # of dropout
    return engine.train(np.random.default_rng(number).permutation(len(LABELS)), np.full(2, 1e-3))


def copied(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As a file gives it back: in plain memory order, and without versions of modules."""
    return {name: value.clone(memory_format=torch.contiguous_format) for name, value in state.items()}


def plain(name: str, more: dict) -> torch.nn.Module:
    if not name.startswith("timm:"):
        return torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **more)
    import timm

    return timm.create_model(name.removeprefix("timm:"), num_classes=CLASSES, **more)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@each(("name", "size", "more", "head", "block"), FAMILIES)
def test_a_family_is_trained_saved_restored_replayed_and_loads_in_the_plain_network(name, size, more, head, block):
    engine, again = make_engine(name, size), make_engine(name, size)
    network = engine.network
    assert (network.head_name, network.last_block[0]) == (head, block)
    before = copied(network.state_dict())
    first = epoch(engine, 1)
    assert epoch(again, 1) == first and same_tensors(engine.state(), again.state())  # replayed
    saved = copied(engine.state())
    only_the_last_block_has_moved(network, before)

    second = epoch(engine, 2)
    other = make_engine(name, size, seed=1)
    other.restore(saved)
    assert epoch(other, 2) == second and same_tensors(engine.state(), other.state())  # resumed
    features = engine.features(np.arange(len(LABELS)))
    assert features.shape == (len(LABELS), anatomy(get_architecture(name), size).features)
    loads_in_the_plain_network(network, plain(name, more), size)


def only_the_last_block_has_moved(network: Network, before: dict[str, torch.Tensor]) -> None:
    """Statistics of frozen normalisation layers count."""
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    blocks = tuple(f"backbone.{block}." for block in network.last_block)
    assert all(name.startswith(("head.", *blocks)) for name in moved)
    assert {f"head.{name}" for name, _ in network.head.named_parameters()} < moved


def loads_in_the_plain_network(network: Network, theirs: torch.nn.Module, size: int) -> None:
    state = theirs.state_dict()  # whose versions of modules MNASNet asks for, and a file has none
    assert state.keys() == network.torchvision_state().keys()
    state.update(copied(network.torchvision_state()))
    theirs.load_state_dict(state, strict=True)
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    network, theirs = network.to(memory_format=torch.contiguous_format).eval(), theirs.eval()
    with torch.no_grad():
        assert torch.equal(network(x), theirs(x))
        assert torch.equal(network(x), network.head(network.backbone(x)))


@each("name", ["mobilenet_v3_small", "efficientnet_b0", "timm:resnet10t"])
def test_frozen_parts_are_quiet_in_train_mode(name):
    """BatchNorm of every kind, dropout and stochastic depth; with "batch" BatchNorm goes by the batch."""
    network, x = build(name, CLASSES, "none", 0, 32), torch.randn(4, 3, 32, 32)
    network.freeze("head", "frozen")
    before = copied(network.state_dict())
    quiet = network.eval().backbone(x)
    assert torch.equal(network.train().backbone(x), quiet)
    assert same_tensors(before, network.state_dict())
    network.freeze("head", "batch")
    drifting = network.train().backbone(x)
    assert not torch.equal(drifting, quiet)
    assert torch.equal(network.train().backbone(x), drifting)  # no dropout all the same


def test_a_frozen_batchnorm_of_another_kind_keeps_its_statistics():
    network = build("small_cnn", CLASSES, "none", 0)
    network.backbone.blocks[0][1] = torch.nn.SyncBatchNorm(32)
    network.freeze("last_block", "frozen")
    network.train()
    assert not network.backbone.blocks[0][1].training and network.backbone.blocks[2][1].training
