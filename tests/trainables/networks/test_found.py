"""What is found in a network, what is refused in one sentence, and what its weights' metadata say."""

import builtins

import numpy as np
import pytest
import torch
from torch import nn

from console.errors import UsageError
from spaces.trial import TrialConfig
from tests.trainables.networks.test_models import said
from trainables.networks.anatomy import anatomy, find_head, last_block
from trainables.networks.architecture import MEAN, STD, Architecture
from trainables.networks.engine import Engine
from trainables.networks.models import (
    build,
    check_model,
    default_size,
    get_architecture,
    imagenet_state,
    load_backbone,
)


def a_network(*after: nn.Module) -> nn.Module:
    first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return nn.Sequential(
        first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), *after
    )


def test_the_head_is_the_linear_layer_that_the_logits_come_out_of():
    assert find_head("it", a_network(), 8) == ("5", 6)
    assert last_block(a_network(), "5") == ("0", "3")  # the first two layers as one stage, and the layer after it


def test_a_head_without_bias_is_replaced_by_one_without():
    state = build("maxvit_t", 3, "none", 0, 224).torchvision_state()
    assert "classifier.5.weight" in state and "classifier.5.bias" not in state
    assert "fc.bias" in build("small_cnn", 3, "none", 0).torchvision_state()


@pytest.mark.parametrize("after", [nn.ReLU(), nn.Softmax(dim=1)])
def test_a_head_whose_output_is_changed_afterwards_is_none(after):
    assert said(find_head, "it", a_network(after), 8) == (
        "it has no linear layer that its logits come straight out of (its last layer is the linear layer 5), so no head "
        "can be put in its place; take another --model."
    )


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("squeezenet1_0", 64, "(its last layer is the convolution classifier.1)"),
        ("timm:deit_tiny_distilled_patch16_224", 32, "(its last layer is the linear layer head_dist)"),
        ("maxvit_t", 64, "maxvit_t takes no images of 64 pixels a side (Input size (16, 16) of block 0"),
        ("alexnet", 32, "alexnet takes no images of 32 pixels a side"),
        ("vit_b_16", 40, "vit_b_16 wants an --image-size that is a multiple of 16; got 40."),
        ("timm:vit_tiny_patch16_224", 40, "wants an --image-size that is a multiple of 16; got 40."),
        ("timm:resnet10", 32, "Unknown model 'timm:resnet10'. Did you mean 'timm:resnet10t'?"),
        ("timm:resnet10t.best", 32, "timm has no weights 'best' of resnet10t; known: c3_in1k."),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(name, size, words):
    assert words in said(check_model, name, size, "none")


def test_without_timm_its_networks_are_refused_with_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *more, **others):
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'")
        return real(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    assert said(get_architecture, "timm:resnet18d") == (
        "--model timm:resnet18d wants the package timm; install it with pip install -e '.[timm]' (or pip install timm)."
    )
    assert get_architecture("resnet34").name == "resnet34"


def test_images_are_of_the_size_that_was_asked_for_where_the_network_takes_it():
    assert default_size("resnet18", 256) == default_size("vit_b_16", 256) == 256
    assert (default_size("vit_s_14", 256), default_size("inception_v3", 64)) == (224, 299)


def test_mean_and_deviation_are_those_of_the_weights():
    half = (0.5, 0.5, 0.5)
    assert [(get_architecture(name).mean, get_architecture(name).std) for name in ("resnet18", "small_cnn")] == (
        [(MEAN, STD)] * 2
    )
    assert (get_architecture("efficientnet_v2_l").mean, get_architecture("timm:vit_tiny_patch16_224").std) == (
        half,
        half,
    )
    images = np.full((2, 16, 16, 3), 255, dtype=np.uint8)
    for name, white in (("vit_tiny", (1 - MEAN[0]) / STD[0]), ("timm:vit_tiny_patch16_224", 1.0)):
        engine = Engine(build(name, 2, "none", 0, 16), images, np.array([0, 1]), TrialConfig(), "cpu", "fp32")
        assert float(engine._batch(torch.tensor([0]))[0, 0, 0, 0]) == pytest.approx(white, rel=1e-5)


def test_auxiliary_classifiers_in_a_file_are_passed_over_and_others_are_not():
    network = build("googlenet", 3, "none", 0, 32)
    state = network.torchvision_state()
    load_backbone(network, "googlenet", state | {"aux1.fc1.weight": torch.zeros(2)}, "file")
    assert "1 are foreign" in said(
        load_backbone, network, "googlenet", state | {"third.weight": torch.zeros(2)}, "file"
    )
    small = build("small_cnn", 3, "none", 0)
    strange = small.torchvision_state() | {"aux1.fc1.weight": torch.zeros(2)}
    assert "1 are foreign" in said(load_backbone, small, "small_cnn", strange, "file")


@pytest.mark.parametrize(("name", "small", "large"), [("vit_tiny", 16, 32), ("timm:vit_tiny_patch16_224", 32, 64)])
def test_positions_are_interpolated_from_another_image_size_and_from_half_precision(name, small, large):
    state = build(name, 3, "none", 0, large).torchvision_state()
    network = build(name, 3, "none", 1, small)
    load_backbone(network, name, {key: value.half() for key, value in state.items()}, "file")
    assert all(value.dtype == torch.float32 for value in network.state_dict().values())
    (place,) = [key for key in state if key.endswith(("pos_embedding", "pos_embed"))]
    assert network.backbone.state_dict()[place].shape[1] < state[place].shape[1]
    assert network.eval()(torch.zeros(2, 3, small, small)).shape == (2, 3)


def test_weights_that_cannot_be_had_are_said_in_one_sentence(monkeypatch):
    import timm

    def unreachable(*asked, **more):
        raise OSError("no route to host")

    assert get_architecture("timm:resnet10t").pretrained
    monkeypatch.setattr(timm, "create_model", unreachable)
    message = said(imagenet_state, "timm:resnet10t", 32)
    assert "no route to host" in message and "pass --weights FILE or --weights none." in message


def test_a_network_that_needs_numbers_to_be_built_is_looked_at_with_numbers():
    def build_it(size: int) -> nn.Module:
        assert float(torch.ones(1)) == 1  # as RegNet does
        return a_network()

    assert anatomy(Architecture("it", build_it), 8).head == "5"
    with pytest.raises(UsageError, match="it takes no images of 2 pixels a side"):
        anatomy(Architecture("it", build_it), 2)
