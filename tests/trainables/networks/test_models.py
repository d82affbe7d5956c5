"""Networks: seeded, exchangeable with torchvision, and strict about what weights they take."""

import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from console.errors import UsageError
from trainables.networks.models import (
    build,
    check_model,
    get_architecture,
    imagenet_state,
    load_backbone,
    read_state,
)
from trainables.networks.ours import SmallCnn


def said(call, *arguments) -> str:
    """The message of the UsageError, which is one line that ends like a sentence."""
    with pytest.raises(UsageError) as raised:
        call(*arguments)
    message = str(raised.value)
    assert "\n" not in message and message.endswith(".")
    return message


class Code:
    """Unpickling this makes a file: what a malicious weights file could do."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def states_equal(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


ENCODER = "encoder.layers.encoder_layer_"
LAST_BLOCKS = {
    "resnet18": ("layer4",),
    "vit_b_16": (f"{ENCODER}11", "encoder.ln"),
    "vit_tiny": (f"{ENCODER}1", "encoder.ln"),
    "small_cnn": ("blocks.2",),
}


@pytest.mark.parametrize("name", LAST_BLOCKS)
def test_the_first_networks_give_features_freeze_and_come_back_from_their_state(name):
    """What is found is what was declared before it was looked for, and torchvision's names are kept."""
    images = torch.randn(2, 3, 32, 32)
    network = build(name, 5, "none", 0, 32).eval()
    features = network.backbone(images)
    assert features.ndim == 2 and network(images).shape == (2, 5)
    assert torch.equal(network(images), network.head(features))
    for unfreeze in ("head", "last_block"):
        frozen = build(name, 5, "none", 0, 32)
        frozen.freeze(unfreeze, "frozen")
        alive = [key for key, parameter in frozen.named_parameters() if parameter.requires_grad]
        blocks = tuple(f"backbone.{block}." for block in LAST_BLOCKS[name])
        assert alive and all(key.startswith(("head.", *(blocks if unfreeze == "last_block" else ()))) for key in alive)
        assert any(key.startswith(blocks) for key in alive) == (unfreeze == "last_block")
    other = build(name, 5, "none", 1, 32).eval()
    other.load_torchvision_state(network.torchvision_state())
    assert torch.equal(other(images), network(images))


def test_one_seed_makes_one_network_and_another_seed_another():
    first, same, other = (build("small_cnn", 7, "none", seed) for seed in (3, 3, 4))
    assert states_equal(first.state_dict(), same.state_dict())
    assert not torch.equal(first.head.weight, other.head.weight)
    assert not torch.equal(first.backbone.blocks[0][0].weight, other.backbone.blocks[0][0].weight)


def test_building_a_network_leaves_torchs_own_random_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build("small_cnn", 7, "none", 99)
    assert torch.equal(torch.rand(3), expected)


def test_with_weights_the_head_is_new_and_comes_from_the_seed(tmp_path):
    file = tmp_path / "given.pth"
    torch.save(build("small_cnn", 5, "none", 0).torchvision_state(), file)
    given = read_state(file)
    first, same, other = (build("small_cnn", 7, str(file), seed) for seed in (3, 3, 4))
    assert torch.equal(first.backbone.blocks[0][0].weight, given["blocks.0.0.weight"])
    assert torch.equal(other.backbone.blocks[0][0].weight, given["blocks.0.0.weight"])
    assert first.head.weight.shape == (7, 128)
    assert torch.equal(first.head.weight, same.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_a_resnet18_file_loads_in_plain_torchvision_and_says_the_same(tmp_path):
    network = build("resnet18", 5, "none", 0).eval()
    file = tmp_path / "ours.pth"
    torch.save(network.torchvision_state(), file)
    theirs = torchvision.models.resnet18(num_classes=5).eval()
    theirs.load_state_dict(torch.load(file, weights_only=True), strict=True)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network(x), theirs(x))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_weights_gives_the_same_backbone_back(tmp_path, suffix):
    network = build("small_cnn", 7, "none", 0)
    state, file = network.torchvision_state(), tmp_path / f"weights{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    loaded = build("small_cnn", 7, str(file), seed=1)
    assert states_equal(loaded.backbone.state_dict(), network.backbone.state_dict())


def test_load_torchvision_state_is_the_inverse_of_torchvision_state():
    first, second = build("small_cnn", 7, "none", 0), build("small_cnn", 7, "none", 1)
    second.load_torchvision_state(first.torchvision_state())
    assert states_equal(first.state_dict(), second.state_dict())


def test_files_without_batch_counters_are_taken():
    state = build("small_cnn", 7, "none", 0).torchvision_state()
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    network = build("small_cnn", 7, "none", 1)
    load_backbone(network, "small_cnn", old, "old.pth")
    assert torch.equal(network.backbone.blocks[0][0].weight, state["blocks.0.0.weight"])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 10, 1000])
def test_a_truncated_file_is_refused(tmp_path, suffix, kept):
    state, file = build("small_cnn", 7, "none", 0).torchvision_state(), tmp_path / f"weights{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    file.write_bytes(file.read_bytes()[:kept])
    assert str(file) in said(read_state, file)


def test_a_text_named_like_weights_is_refused(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_text("this is no weights file")
    assert str(file) in said(read_state, file)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, torch.zeros(3)], ids=["list", "numbers", "empty", "tensor"])
def test_a_file_that_holds_no_state_dict_is_refused(tmp_path, content):
    file = tmp_path / "weights.pth"
    torch.save(content, file)
    assert said(read_state, file) == (
        f"The weights file {file} holds no state dict (names and tensors); save model.state_dict()."
    )


def plain_pickle(value, file: Path) -> None:
    file.write_bytes(pickle.dumps(value))


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("save", [torch.save, plain_pickle])
def test_a_pickle_with_code_is_refused_and_not_executed(tmp_path, name, save):
    mark, file = tmp_path / "executed", tmp_path / name
    save({"blocks.0.0.weight": Code(mark)}, file)
    assert str(file) in said(read_state, file)
    assert not mark.exists()


def test_the_planted_code_does_run_where_a_pickle_is_trusted(tmp_path):
    """Else the test above could not fail."""
    mark = tmp_path / "executed"
    pickle.loads(pickle.dumps(Code(mark)))
    assert mark.exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    file = tmp_path / "network.pth"
    torch.save(SmallCnn(width=2), file)
    assert said(read_state, file).startswith(f"The weights file {file} is no plain state dict, so it is not loaded (")


def test_weights_of_another_network_are_refused(tmp_path):
    file = tmp_path / "small.pth"
    torch.save(build("small_cnn", 7, "none", 0).torchvision_state(), file)
    message = said(build, "resnet18", 7, str(file), 0)
    assert message.startswith(f"The weights in {file} are not those of resnet18: ")
    assert message.endswith("Pass the file of a resnet18, or another --model.")


def test_weights_of_resnet34_are_refused_though_they_hold_every_tensor_of_a_resnet18():
    with torch.device("meta"):
        state = torchvision.models.resnet34().state_dict()
        network = build("resnet18", 7, "none", 0)
    assert set(network.backbone.state_dict()) < set(state)
    assert "0 of its 120 tensors are missing or of another shape" in said(
        load_backbone, network, "resnet18", state, "resnet34.pth"
    )


def test_weights_of_another_width_are_refused():
    network = build("small_cnn", 7, "none", 0)
    assert "15 of its 18 tensors" in said(
        load_backbone, network, "small_cnn", SmallCnn(width=2).state_dict(), "narrow.pth"
    )


def test_a_missing_file_is_named(tmp_path):
    file = tmp_path / "nowhere.pth"
    assert said(build, "small_cnn", 7, str(file), 0) == (
        f"No weights file at {file}. Pass --weights imagenet, none, or the path of a state dict."
    )


def test_an_unknown_model_is_named_with_its_nearest():
    assert said(build, "resnet-18", 7, "none", 0).startswith("Unknown model 'resnet-18'. Did you mean 'resnet18'?")


def test_an_architecture_is_found_by_name_and_checks_image_sizes():
    assert get_architecture("vit_tiny").name == "vit_tiny"
    assert said(get_architecture, "vit").startswith("Unknown model 'vit'.")
    check_model("vit_tiny", 24, "none")
    check_model("resnet18", 25, "none")
    assert said(check_model, "vit_tiny", 20, "none") == (
        "vit_tiny wants an --image-size that is a multiple of 8; got 20."
    )


def test_there_are_no_imagenet_weights_of_small_cnn():
    assert said(check_model, "small_cnn", 16, "imagenet") == said(build, "small_cnn", 7, "imagenet", 0)
    assert said(build, "small_cnn", 7, "imagenet", 0) == (
        "There are no ImageNet weights for small_cnn. Pass --weights none or a file."
    )


def test_without_a_network_the_imagenet_weights_are_refused_with_what_to_do(tmp_path, monkeypatch):
    def unreachable(*arguments, **options):
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    message = said(imagenet_state, "resnet18")
    assert "no route to host" in message and str(tmp_path / "hub" / "checkpoints") in message


def test_a_resnet18_has_512_features_before_its_head():
    network = build("resnet18", 7, "none", 0).eval()
    with torch.no_grad():
        assert network.backbone(torch.zeros(2, 3, 32, 32)).shape == (2, 512)
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def whole(state: dict) -> dict:
    return {"backbone": torch.zeros(3), **state}


@pytest.mark.parametrize(("content", "reason"), [
    (whole({"a": torch.eye(3).to_sparse()}), "has a sparse tensor under a"),
    (whole({"a": torch.zeros(3, device="meta")}), "has a tensor without values under a"),
    (whole({"a": torch.zeros(3, dtype=torch.complex64)}), "has complex numbers under a"),
    (whole({"a": torch.tensor([0.0, float("nan")])}), "has numbers that are not finite under a"),
    (whole({"a": torch.tensor([1e300], dtype=torch.float64)}), "has numbers that are not finite under a"),
    (whole({3: torch.zeros(3)}), "holds no state dict (names and tensors)"),
    ({0: torch.zeros(3)}, "holds no state dict (names and tensors)"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_can_be_no_weights_are_refused(tmp_path, content, reason):
    torch.save(content, tmp_path / "a.pt")
    assert f"The weights file {tmp_path / 'a.pt'} {reason}" in said(read_state, tmp_path / "a.pt")
