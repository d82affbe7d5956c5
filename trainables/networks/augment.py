"""Augmentation on the device: a batch shown as its views say. What is drawn, and why by address, is in trainables/views.py.

Images are float (B, 3, H, W) in [0, 255], before they are normalised. The steps come in the order usual in training:
crop, flips, colour, policy, erasing, mixing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainables.data.dataset import Ints
from trainables.networks.operations import PIXELS, brighter, contrasted, each, saturated, transformed
from trainables.policies import OPERATIONS
from trainables.views import Partners, Views

Groups = list[tuple[str, torch.Tensor]]  # an operation, and the places in the batch of the images that it is done to


@dataclass(frozen=True)
class View:
    """How the images of one batch are shown: Views, on the device."""

    parameters: dict[str, torch.Tensor]
    layers: list[Groups] = field(default_factory=list)  # of the policy, one after the other
    mix: "Mix | None" = None


@dataclass(frozen=True)
class Mix:
    """What the images of one batch are mixed with; fields as of Partners."""

    images: torch.Tensor
    shares: torch.Tensor
    blends: torch.Tensor
    boxes: torch.Tensor
    view: View


def cut_views(views: Views, lengths: list[int], device: torch.device) -> list[View]:
    """The views of batches of these lengths.

    Everything is on the device before the first update. Which images share an operation is found here, where the numbers
    are: on a GPU it would have to be waited for.
    """
    tensors = {name: _split(values, lengths, device) for name, values in views.parameters.items()}
    operations, starts = views.parameters.get("operations"), np.cumsum([0, *lengths])
    layers = _on_device([_layers(operations, slice(*at)) for at in pairwise(starts.tolist())], device)
    mixes = _cut_partners(views.partners, lengths, device)
    each_view = zip(range(len(lengths)), layers, mixes, strict=True)
    return [View({name: parts[i] for name, parts in tensors.items()}, groups, mix) for i, groups, mix in each_view]


def _cut_partners(partners: Partners | None, lengths: list[int], device: torch.device) -> Sequence[Mix | None]:
    if partners is None:
        return [None] * len(lengths)
    arrays = (partners.images, partners.shares, partners.blends, partners.boxes)
    parts = [_split(values, lengths, device) for values in arrays]
    return [Mix(*fields) for fields in zip(*parts, cut_views(partners.views, lengths, device), strict=True)]


def _split(values: npt.NDArray[Any], lengths: list[int], device: torch.device) -> list[torch.Tensor]:
    return list(torch.from_numpy(values).to(device).split(lengths))


def _layers(operations: Ints | None, at: slice) -> list[list[tuple[str, Ints]]]:
    """The groups of each layer of a policy, for these images."""
    return [] if operations is None else [_groups(layer) for layer in operations[at].T]


def _groups(chosen: Ints) -> list[tuple[str, Ints]]:
    return [(OPERATIONS[number], np.flatnonzero(chosen == number)) for number in np.unique(chosen).tolist()]


def _on_device(batches: list[list[list[tuple[str, Ints]]]], device: torch.device) -> list[list[Groups]]:
    """The layers of all batches with their places on the device, in one copy: there are dozens a batch."""
    places = [where for layers in batches for groups in layers for _, where in groups]
    whole = torch.from_numpy(np.concatenate([np.empty(0, np.int64), *places])).to(device)
    there = iter(whole.split([len(where) for where in places]))
    return [[[(name, next(there)) for name, _ in groups] for groups in layers] for layers in batches]


def augmented(x: torch.Tensor, view: View, grey: torch.Tensor) -> torch.Tensor:
    """The images as the view shows them, not yet mixed; `grey` (1, 3, 1, 1) is what erasing leaves."""
    for name, step in STEPS.items():
        if name in view.parameters:
            x = step(x, view.parameters[name])
    for number, groups in enumerate(view.layers):
        x = _by_policy(x, groups, view.parameters["strengths"][:, number])
    return torch.where(_inside(view.parameters["erase"], x), grey, x) if "erase" in view.parameters else x


def mixed(x: torch.Tensor, other: torch.Tensor, mix: Mix) -> torch.Tensor:
    """The images, each blended with its partner or covered by it in a box."""
    return other + (x - other) * (each(mix.blends) * ~_inside(mix.boxes, x))


def main_images(index: torch.Tensor, mix: Mix | None) -> torch.Tensor:
    """(B,) of each image and its partner the one that more is seen of: whose label is to be hit."""
    return index if mix is None else torch.where(mix.shares >= 0.5, index, mix.images)


def _cropped(x: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """The box of each image, scaled up to the whole."""
    top, left, bottom, right = boxes.float().unbind(dim=1)
    height, width = x.shape[2:]
    across = ((right - left) / width, 0.0, (left + right - width) / 2)
    down = (0.0, (bottom - top) / height, (top + bottom - height) / 2)
    return transformed(x, (across, down), padding="border")


def _flipped(x: torch.Tensor, flips: torch.Tensor) -> torch.Tensor:
    """Each image mirrored left-right where flips[:, 0], upside down where flips[:, 1]."""
    x = torch.where(each(flips[:, 0]), x.flip(3), x)
    return torch.where(each(flips[:, 1]), x.flip(2), x)


def _coloured(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    bright, contrast, saturation = factors.unbind(dim=1)
    return saturated(contrasted(brighter(x, bright), contrast), saturation)


def _by_policy(x: torch.Tensor, groups: Groups, strengths: torch.Tensor) -> torch.Tensor:
    shown = torch.empty_like(x)
    for name, places in groups:
        shown[places] = PIXELS[name](x[places], strengths[places])
    return shown


def _inside(boxes: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) which pixels lie in the box of each image."""
    top, left, bottom, right = (each(edge) for edge in boxes.unbind(dim=1))
    down = torch.arange(x.shape[2], device=x.device).view(1, 1, -1, 1)
    across = torch.arange(x.shape[3], device=x.device).view(1, 1, 1, -1)
    return (down >= top) & (down < bottom) & (across >= left) & (across < right)


STEPS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "crop": _cropped,
    "flips": _flipped,
    "colour": _coloured,
}
