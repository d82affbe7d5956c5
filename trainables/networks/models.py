"""The networks: torchvision's and timm's own, split before the head so that features and logits come from one pass.

F = features before the head.
"""

import warnings
from collections import OrderedDict
from copy import copy, deepcopy
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from console.errors import UsageError, unknown
from trainables.networks import from_timm, from_torchvision
from trainables.networks.anatomy import anatomy, patch_of
from trainables.networks.architecture import Architecture, State
from trainables.networks.ours import OURS, torchvision_models

DROPS = ("Drop", "StochasticDepth")  # how dropout of every kind is called, torch's, torchvision's and timm's


def get_architecture(name: str) -> Architecture:
    """The network of this name: one of ours, torchvision's, or timm's as timm:NAME; UsageError with the nearest name."""
    return OURS[name] if name in OURS else _architecture(name)


@lru_cache(maxsize=32)
def _architecture(name: str) -> Architecture:
    if name.startswith(from_timm.PREFIX):
        return from_timm.architecture(name)
    theirs = from_torchvision.names()
    if name not in theirs:
        listed = f"{', '.join(OURS)}, every classifier of torchvision.models ({len(theirs)}), and timm:NAME"
        raise unknown("model", name, [*OURS, *theirs], listed)
    return from_torchvision.architecture(name)


def check_model(name: str, image_size: int, weights: str) -> None:
    """Raises UsageError where the network of this name takes no such images, or has no weights that are called that."""
    architecture = get_architecture(name)
    anatomy(architecture, image_size)
    if weights == "imagenet" and architecture.pretrained is None:
        raise _no_weights(name)


def default_size(name: str, wanted: int) -> int:
    """`wanted` pixels a side where the network takes such images, else those it was made for."""
    try:
        anatomy(get_architecture(name), wanted)
    except UsageError:
        return get_architecture(name).own_size
    return wanted


class Network(nn.Module):
    """A backbone (images -> (B, F) features) and a head (features -> (B, C) logits)."""

    def __init__(self, architecture: str, classes: int, image_size: int = 224):
        super().__init__()
        self.still: list[nn.Module] = []  # frozen modules that do not train along: BatchNorm as pretrained, no dropout
        self.name, self.read_out = architecture, "class_token"
        made_of = get_architecture(architecture)
        found = anatomy(made_of, image_size)
        self.mean, self.std = made_of.mean, made_of.std
        self.head_name = found.head
        self.last_block = found.last_block
        self.backbone = made_of.build(image_size)
        self.left_out = _auxiliary(self.backbone)
        self.head = nn.Linear(found.features, classes, bias=found.bias)
        self.backbone.set_submodule(self.head_name, nn.Identity())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.backbone(x))
        return logits

    def freeze(self, unfreeze: str, batchnorm: str) -> None:
        """Train only the head ("head") or also what comes just before it ("last_block").

        batchnorm "frozen" keeps frozen BatchNorm layers as pretrained: in train mode they would drift though nothing of
        them is trained. "batch" lets them normalise by the batch and drift, as the report's did. Dropout and stochastic
        depth of frozen parts are off either way.
        """
        trained = self.last_block if unfreeze == "last_block" else ()
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad = name.startswith(tuple(f"{block}." for block in trained))
        alive = {module for block in trained for module in self.backbone.get_submodule(block).modules()}
        frozen = [module for module in self.backbone.modules() if module not in alive]
        norms = [module for module in frozen if isinstance(module, _BatchNorm)] if batchnorm == "frozen" else []
        self.still = norms + [module for module in frozen if type(module).__name__.startswith(DROPS)]

    def with_head(self, state: State) -> "Network":
        """The same network with a head of its own that begins with these tensors; the backbone is shared, not copied."""
        twin = copy(self)
        twin._modules = dict(self._modules)  # else the head below would be everybody's
        twin.head = deepcopy(self.head)
        twin.head.load_state_dict(state)
        return twin

    def train(self, mode: bool = True) -> "Network":
        super().train(mode)
        for module in self.still:
            module.eval()
        return self

    def torchvision_state(self) -> State:
        """The state dict under torchvision's (timm's) own names, so that a checkpoint loads without this project."""
        state = self.backbone.state_dict()
        return state | {f"{self.head_name}.{k}": v for k, v in self.head.state_dict().items()}

    def load_torchvision_state(self, state: State) -> None:
        """The inverse. A state of nothing but the head, as frozen transfer keeps it, leaves the backbone as it is."""
        head = {k.removeprefix(f"{self.head_name}."): v for k, v in state.items() if k.startswith(f"{self.head_name}.")}
        backbone = {k: v for k, v in state.items() if not k.startswith(f"{self.head_name}.")}
        if backbone:
            load_exactly(self.backbone, backbone)
        self.head.load_state_dict(head)


def _auxiliary(backbone: nn.Module) -> tuple[str, ...]:
    """How names begin in a weights file that this network does without: those of auxiliary classifiers."""
    return tuple(f"{name}." for name, value in vars(backbone).items() if value is None and name[:3].lower() == "aux")


def build(architecture: str, classes: int, weights: str, seed: int, image_size: int = 224) -> Network:
    """A network with these weights ("imagenet", "none" or a file) and a new, seeded head. Raises UsageError."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(architecture, classes, image_size)
    if weights != "none":
        state = imagenet_state(architecture, image_size) if weights == "imagenet" else read_state(Path(weights))
        load_backbone(network, architecture, state, weights)
    return network


def load_exactly(module: nn.Module, state: State) -> None:
    """Every tensor of `state`, which has exactly the module's names. Raises RuntimeError where it has not.

    A file keeps no version numbers of modules, and MNASNet loads nothing without: they are those of the module itself.
    """
    versioned = OrderedDict(state)
    versioned._metadata = getattr(module.state_dict(), "_metadata", {})  # type: ignore[attr-defined]
    module.load_state_dict(versioned)


def load_backbone(network: Network, architecture: str, state: State, source: str) -> None:
    """Everything but the head from `state`, in float32; UsageError where that is another network's.

    Position embeddings that were learnt at another image size are interpolated.
    """
    wanted = network.backbone.state_dict()
    state = {k: v.to(wanted[k].dtype) if k in wanted else v for k, v in state.items()}
    if any(k in wanted and wanted[k].shape != v.shape for k, v in state.items()):
        state = _fit_positions(network.backbone, state)
    # files from before torch 0.4.1 lack the batch counters, which no forward pass reads
    state = {k: v for k, v in wanted.items() if k.endswith("num_batches_tracked")} | state
    wrong = [k for k, v in wanted.items() if k not in state or state[k].shape != v.shape]
    known = (f"{network.head_name}.", *network.left_out)
    extra = [k for k in state if k not in wanted and not k.startswith(known)]
    if wrong or extra:
        raise UsageError(
            f"The weights in {source} are not those of {architecture}: {len(wrong)} of its {len(wanted)} tensors are "
            f"missing or of another shape and {len(extra)} are foreign, first {(wrong + extra)[0]}. "
            f"Pass the file of a {architecture}, or another --model."
        )
    load_exactly(network.backbone, {k: state[k] for k in wanted})


def _fit_positions(backbone: nn.Module, state: State) -> State:
    """The state with position embeddings interpolated for the backbone's image size, where they are a square of another."""
    place = "encoder.pos_embedding"  # of torchvision's VisionTransformer
    patch = patch_of(backbone)
    if place not in state or patch is None:
        return from_timm.fit_positions(backbone, state)
    side = patch * round((backbone.state_dict()[place].shape[1] - 1) ** 0.5)
    try:
        interpolate = torchvision_models().vision_transformer.interpolate_embeddings
        return dict(interpolate(side, patch, OrderedDict(state)))
    except ValueError:  # no square of patches: what is wrong with the file is said by who called
        return state


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
    named = isinstance(state, dict) and all(isinstance(k, str) for k in state)
    if not named or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise UsageError(f"The weights file {path} holds no state dict (names and tensors); save model.state_dict().")
    for name, tensor in state.items():
        if why := _unusable(tensor):
            raise UsageError(
                f"The weights file {path} has {why} under {name}; pass one with finite numbers in plain tensors."
            )
    return state


def _unusable(tensor: torch.Tensor) -> str:
    """Why a tensor cannot be a weight, in a few words; nothing where it can."""
    kinds = {
        "a quantized tensor": tensor.is_quantized,
        "a sparse tensor": tensor.layout != torch.strided,
        "a tensor without values": tensor.device.type != "cpu",
        "complex numbers": tensor.is_complex(),
    }
    if found := next((kind for kind, so in kinds.items() if so), ""):
        return found
    # in the float32 of every network: what is too large for it is infinite there
    finite = not tensor.is_floating_point() or bool(torch.isfinite(tensor.float()).all())
    return "" if finite else "numbers that are not finite"


def _torch_load(path: Path) -> State:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _first(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0][:120] or type(error).__name__


def imagenet_state(architecture: str, image_size: int = 224) -> State:
    """The network's own default weights, from torchvision's or timm's cache or downloaded. Raises UsageError."""
    made_of = get_architecture(architecture)
    if made_of.pretrained is None:
        raise _no_weights(architecture)
    try:
        return made_of.pretrained(image_size)
    except Exception as error:  # of the network, the disk or a library of timm's, each with classes of its own
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        place = (
            f"Put that file into {folder}" if made_of.weights_url.startswith("https:") else "Have it in timm's cache"
        )
        raise UsageError(
            f"The ImageNet weights of {architecture} could not be had from {made_of.weights_url} ({_first(error)}). "
            f"{place}, or pass --weights FILE or --weights none."
        ) from None


def _no_weights(architecture: str) -> UsageError:
    return UsageError(f"There are no ImageNet weights for {architecture}. Pass --weights none or a file.")
