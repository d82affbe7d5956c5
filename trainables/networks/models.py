"""The networks: torchvision's own, split before the head so that features and logits come from one pass.

F = features before the head.
"""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from console.errors import UsageError, unknown
from trainables import pairing

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Architecture:
    """One network: everything that is known of it before it is built."""

    name: str
    build: Callable[[int], nn.Module]  # image size in pixels -> the network with random weights
    head: str  # the name of its last linear layer, "." between levels
    last_block: tuple[str, ...]  # the names of what comes just before it
    imagenet: str | None = None  # torchvision's name of its weights
    patch: int | None = None  # of a vision transformer: image sizes are multiples of it

    def check_image_size(self, pixels: int) -> None:
        """Raises UsageError where the network takes no images of so many pixels a side."""
        if self.patch and pixels % self.patch:
            raise UsageError(f"{self.name} wants an --image-size that is a multiple of {self.patch}; got {pixels}.")


class SmallCnn(nn.Module):
    """Three convolutions: learns the embedded sets on a laptop in seconds. Not meant for photographs."""

    def __init__(self, width: int = 32):
        super().__init__()
        # halving the image first is 1.8 times as fast as pooling it, at the same accuracy on scenes
        stem = nn.Conv2d(3, width, 5, stride=2, padding=2, bias=False)
        first = nn.Sequential(stem, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(first, _block(width, 2 * width), _block(2 * width, 4 * width))
        self.fc = nn.Linear(4 * width, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.blocks(x).mean(dim=(2, 3)))
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), nn.MaxPool2d(2))


def _theirs() -> Any:
    """torchvision.models, loaded for its own networks only: that takes as long as loading torch, and small_cnn has no need.

    Raises UsageError where it does not belong to this torch.
    """
    pairing.check()
    from torchvision import models

    return models


def _vit_tiny(image_size: int) -> nn.Module:
    """Two blocks of width 48: the same code as ViT-B/16, for tests and for two cores."""
    widths = {"hidden_dim": 48, "mlp_dim": 96}
    network: nn.Module = _theirs().VisionTransformer(image_size, patch_size=8, num_layers=2, num_heads=3, **widths)
    return network


RESNET18 = Architecture(
    "resnet18",
    build=lambda size: _theirs().resnet18(),
    head="fc",
    last_block=("layer4",),
    imagenet="ResNet18_Weights.IMAGENET1K_V1",
)
VIT_B_16 = Architecture(
    "vit_b_16",
    build=lambda size: _theirs().vit_b_16(image_size=size),
    head="heads.head",
    last_block=("encoder.layers.encoder_layer_11", "encoder.ln"),
    imagenet="ViT_B_16_Weights.IMAGENET1K_V1",
    patch=16,
)
VIT_TINY = Architecture(
    "vit_tiny",
    build=_vit_tiny,
    head="heads.head",
    last_block=("encoder.layers.encoder_layer_1", "encoder.ln"),
    patch=8,
)
SMALL_CNN = Architecture("small_cnn", build=lambda size: SmallCnn(), head="fc", last_block=("blocks.2",))
ARCHITECTURES = {architecture.name: architecture for architecture in (RESNET18, VIT_B_16, VIT_TINY, SMALL_CNN)}


def get_architecture(name: str) -> Architecture:
    """The network of this name, or UsageError with the nearest name."""
    if name not in ARCHITECTURES:
        raise unknown("model", name, ARCHITECTURES)
    return ARCHITECTURES[name]


class Network(nn.Module):
    """A backbone (images -> (B, F) features) and a head (features -> (B, C) logits)."""

    def __init__(self, architecture: str, classes: int, image_size: int = 224):
        super().__init__()
        self.still: list[nn.Module] = []  # frozen modules whose BatchNorm stays as pretrained
        made_of = get_architecture(architecture)
        self.head_name = made_of.head
        self.backbone = made_of.build(image_size)
        self.head = nn.Linear(_features_of(self.backbone, self.head_name), classes)
        self.backbone.set_submodule(self.head_name, nn.Identity())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.backbone(x))
        return logits

    def freeze(self, architecture: str, unfreeze: str, batchnorm: str) -> None:
        """Train only the head ("head") or also what comes just before it ("last_block").

        batchnorm "frozen" keeps frozen BatchNorm layers as pretrained: in train mode they would drift though nothing of
        them is trained. "batch" lets them normalise by the batch and drift, as the report's did.
        """
        trained = get_architecture(architecture).last_block if unfreeze == "last_block" else ()
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad = name.startswith(tuple(f"{block}." for block in trained))
        if batchnorm == "frozen":
            alive = [module for block in trained for module in self.backbone.get_submodule(block).modules()]
            norms = [m for m in self.backbone.modules() if isinstance(m, nn.BatchNorm2d | nn.Dropout)]
            self.still = [module for module in norms if not any(module is other for other in alive)]

    def train(self, mode: bool = True) -> "Network":
        super().train(mode)
        for module in self.still:
            module.eval()
        return self

    def torchvision_state(self) -> State:
        """The state dict under torchvision's own names, so that a checkpoint loads without this project."""
        state = self.backbone.state_dict()
        return state | {f"{self.head_name}.{k}": v for k, v in self.head.state_dict().items()}

    def load_torchvision_state(self, state: State) -> None:
        """The inverse. A state of nothing but the head, as frozen transfer keeps it, leaves the backbone as it is."""
        head = {k.removeprefix(f"{self.head_name}."): v for k, v in state.items() if k.startswith(f"{self.head_name}.")}
        backbone = {k: v for k, v in state.items() if not k.startswith(f"{self.head_name}.")}
        if backbone:
            self.backbone.load_state_dict(backbone)
        self.head.load_state_dict(head)


def _features_of(backbone: nn.Module, head: str) -> int:
    """F, of a network whose head is the linear layer of this name."""
    layer = backbone.get_submodule(head)
    assert isinstance(layer, nn.Linear)
    return layer.in_features


def build(architecture: str, classes: int, weights: str, seed: int, image_size: int = 224) -> Network:
    """A network with these weights ("imagenet", "none" or a file) and a new, seeded head. Raises UsageError."""
    get_architecture(architecture).check_image_size(image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(architecture, classes, image_size)
    if weights != "none":
        state = imagenet_state(architecture) if weights == "imagenet" else read_state(Path(weights))
        load_backbone(network, architecture, state, weights)
    return network


def load_backbone(network: Network, architecture: str, state: State, source: str) -> None:
    """Everything but the head from `state`; UsageError where that is another network's.

    A vision transformer's position embeddings are interpolated where they were learnt at another image size.
    """
    wanted = network.backbone.state_dict()
    place = "encoder.pos_embedding"
    if place in wanted and place in state and state[place].shape[1] != wanted[place].shape[1]:
        patch = get_architecture(architecture).patch
        assert patch
        side = patch * round((wanted[place].shape[1] - 1) ** 0.5)
        state = dict(_theirs().vision_transformer.interpolate_embeddings(side, patch, OrderedDict(state)))
    # files from before torch 0.4.1 lack the batch counters, which no forward pass reads
    state = {k: v for k, v in wanted.items() if k.endswith("num_batches_tracked")} | state
    wrong = [k for k, v in wanted.items() if k not in state or state[k].shape != v.shape]
    extra = [k for k in state if k not in wanted and not k.startswith(f"{network.head_name}.")]
    if wrong or extra:
        raise UsageError(
            f"The weights in {source} are not those of {architecture}: {len(wrong)} of its {len(wanted)} tensors are "
            f"missing or of another shape and {len(extra)} are foreign, first {(wrong + extra)[0]}. "
            f"Pass the file of a {architecture}, or another --model."
        )
    network.backbone.load_state_dict({k: state[k] for k in wanted})


def read_state(path: Path) -> State:
    """A state dict from a .safetensors file, or from torch.save; no other pickle is read. Raises UsageError."""
    if not path.is_file():
        raise UsageError(f"No weights file at {path}. Pass --weights imagenet, none, or the path of a state dict.")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _torch_load(path)
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"The weights file {path} cannot be read: it is cut off or damaged ({_first(error)})."
        ) from None
    except Exception as error:  # pickle.UnpicklingError and what weights_only refuses
        raise UsageError(
            f"The weights file {path} is no plain state dict, so it is not loaded ({_first(error)})."
        ) from None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()) or not state:
        raise UsageError(f"The weights file {path} holds no state dict (names and tensors); save model.state_dict().")
    return state


def _torch_load(path: Path) -> State:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _first(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0][:120] or type(error).__name__


def check_imagenet(architecture: str) -> str:
    """torchvision's name of a network's ImageNet weights; nothing is downloaded. Raises UsageError where it has none."""
    name = get_architecture(architecture).imagenet
    if name is None:
        raise UsageError(f"There are no ImageNet weights for {architecture}. Pass --weights none or a file.")
    return name


def imagenet_state(architecture: str) -> State:
    """torchvision's own ImageNet weights, from its cache (TORCH_HOME) or downloaded and checked. Raises UsageError."""
    name = check_imagenet(architecture)
    weights = _theirs().get_weight(name)
    try:
        state: State = weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UsageError(
            f"The ImageNet weights of {architecture} could not be had from {weights.url} ({_first(error)}). "
            f"Put that file into {folder}, or pass --weights FILE or --weights none."
        ) from None
    return state
