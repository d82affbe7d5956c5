"""Every classifier of torchvision by its own name, with what its weights' metadata say of images."""

import inspect
from typing import Any, get_type_hints

import torch
from torch import nn

from trainables.networks.architecture import Architecture, State
from trainables.networks.ours import torchvision_models


def names() -> list[str]:
    """All classifiers; detection, segmentation and quantised networks are none of them."""
    models = torchvision_models()
    return list(models.list_models(module=models))


def architecture(name: str) -> Architecture:
    """The classifier of this name, one of `names`."""
    weights = torchvision_models().get_model_weights(name).DEFAULT
    images = weights.transforms()
    return Architecture(
        name,
        build=lambda size: _build(name, size),
        pretrained=lambda size: _pretrained(name),
        weights_url=weights.url,
        own_size=images.crop_size[0],
        mean=tuple(images.mean),
        std=tuple(images.std),
    )


def _build(name: str, image_size: int) -> nn.Module:
    """Random weights; a network that is made for one image size is made for this one."""
    models = torchvision_models()
    accepted = inspect.signature(get_type_hints(models.get_model_builder(name))["return"]).parameters
    offered: dict[str, Any] = {
        "image_size": image_size,  # of vision transformers
        "input_size": (image_size, image_size),  # of MaxViT
        "aux_logits": False,  # one loss is trained here, that of the logits at the end
        "transform_input": True,  # what GoogLeNet and Inception do to images with torchvision's weights, and only then
        "init_weights": True,  # their default; both warn where it is not said
    }
    network: nn.Module = models.get_model(name, weights=None, **{k: v for k, v in offered.items() if k in accepted})
    return network


def _pretrained(name: str) -> State:
    """The state of the default weights, from torchvision's cache (TORCH_HOME) or downloaded and checked.

    Through the network itself, which knows how to read files that are older than its names (DenseNet) or hold auxiliary
    classifiers. Raises what downloading raises.
    """
    with torch.random.fork_rng(devices=[]):
        state: State = torchvision_models().get_model(name, weights="DEFAULT").state_dict()
    return state
