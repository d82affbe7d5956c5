"""The classifiers of timm as `timm:NAME`. Only this file knows timm, an extra that is loaded where it is asked for."""

import sys
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

import trainables.pairing as pairing
from console.errors import UsageError
from trainables.networks.architecture import Architecture, State

PREFIX = "timm:"
CLASSES = 1000  # of a head that is replaced anyway; some are declared without any


def architecture(name: str) -> Architecture:
    """The classifier of this name, with the prefix. Raises UsageError where timm or the name is not there."""
    timm, own = _timm(name), name.removeprefix(PREFIX)
    about = _about(timm, own)
    return Architecture(
        name,
        build=lambda size: _build(own, about, size, pretrained=False),
        pretrained=(lambda size: _pretrained(own, about, size)) if timm.is_model_pretrained(own) else None,
        weights_url=about.url or f"hf-hub:{about.hf_hub_id}",
        own_size=about.input_size[-1],
        mean=tuple(about.mean),
        std=tuple(about.std),
    )


def fit_positions(network: nn.Module, state: State) -> State:
    """The state with what depends on the image size resampled for `network`, by its own module's rule where it has one."""
    rule = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    return state if rule is None else dict(rule(dict(state), network))


def _timm(name: str) -> Any:
    pairing.check()  # timm loads torchvision
    try:
        import timm
    except ModuleNotFoundError:
        raise UsageError(
            f"--model {name} wants the package timm; install it with pip install -e '.[timm]' (or pip install timm)."
        ) from None
    return timm


def _about(timm: Any, own: str) -> Any:
    """timm's own metadata of the network's weights. Raises UsageError for an unknown name or tag (NAME.TAG)."""
    if not timm.is_model(own):
        near = get_close_matches(own.replace("-", "_"), timm.list_models(), n=1)
        hint = f" Did you mean '{PREFIX}{near[0]}'?" if near else ""
        raise UsageError(
            f"Unknown model '{PREFIX}{own}'.{hint} timm.list_models() has the {len(timm.list_models())} names."
        )
    try:
        return timm.get_pretrained_cfg(own)
    except RuntimeError:
        base, _, tag = own.partition(".")
        known = ", ".join(kept.partition(".")[2] for kept in timm.list_pretrained(base)) or "none"
        raise UsageError(f"timm has no weights '{tag}' of {base}; known: {known}.") from None


def _build(own: str, about: Any, image_size: int, pretrained: bool) -> nn.Module:
    """A network that is made for one image size is made for this one."""
    sized = {"img_size": image_size} if about.fixed_input_size else {}
    network: nn.Module = _timm(own).create_model(own, pretrained=pretrained, num_classes=CLASSES, **sized)
    return network


def _pretrained(own: str, about: Any, image_size: int) -> State:
    """The state of its weights, from the cache of huggingface_hub or downloaded. Raises what downloading raises."""
    with torch.random.fork_rng(devices=[]):
        return _build(own, about, image_size, pretrained=True).state_dict()
