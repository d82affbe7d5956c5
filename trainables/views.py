"""How each training image is shown in an epoch: the parameters of augmentation, drawn by address (seed, epoch).

They are drawn for all N images of the training split, whichever of them are trained on, and then looked up by the order:
arms that share a seed show a common image alike, in whatever batch it falls. An image that comes several times in an
epoch is shown otherwise each time, and the first time as where it comes once. What it is mixed with is drawn from the
whole training split too, in or out of what a curriculum has chosen, and is shown as in this epoch where it comes first.
N = images of the training split, K = images of one epoch, (H, W) = pixels of a side. A box is top, left, bottom, right.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spaces.trial import TrialConfig
from trainables.data.dataset import Floats, Floats32, Ints
from trainables.policies import draw_operations
from trainables.seeds import Purpose, rng

Size = tuple[int, int]
Parameters = dict[str, npt.NDArray[Any]]  # by name, (K, ...) each
CROP_RATIOS = (3 / 4, 4 / 3)  # width to height
ERASED_AREAS, ERASED_RATIOS = (0.02, 0.33), (0.3, 3.3)  # Zhong et al. 2020, as torchvision has them


@dataclass(frozen=True)
class Views:
    """How each of K images is shown, and what it is mixed with."""

    parameters: Parameters
    partners: "Partners | None" = None

    def __getitem__(self, at: slice) -> "Views":
        """Of these of the K images."""
        return Views(
            {name: values[at] for name, values in self.parameters.items()}, self.partners and self.partners[at]
        )

    def numbered(self, index: Ints) -> "Views":
        """With partners numbered as in the data set, where `index` (N,) says how the training split lies in it."""
        partners = self.partners and replace(self.partners, images=index[self.partners.images])
        return replace(self, partners=partners)


@dataclass(frozen=True)
class Partners:
    """What each of K images is mixed with: blended outside a box (mixup), or covered inside it (cutmix)."""

    images: Ints  # (K,) in the training split
    shares: Floats32  # (K,) of the image itself, in its pixels and in its label, in [0, 1]
    blends: Floats32  # (K,) of the image itself outside the box
    boxes: Ints  # (K, 4) where the partner alone is seen; empty under mixup
    views: Views  # how the partners are shown

    def __getitem__(self, at: slice) -> "Partners":
        """Of these of the K images."""
        return Partners(self.images[at], self.shares[at], self.blends[at], self.boxes[at], self.views[at])


class Drawing(NamedTuple):
    """A step of augmentation: where it is on, and what it draws for `count` images."""

    purpose: Purpose
    on: Callable[[TrialConfig], bool]
    draw: Callable[[TrialConfig, np.random.Generator, int, Size], Parameters]


def draw_views(config: TrialConfig, seed: int, epoch: int, order: Ints, count: int, size: Size) -> Views:
    """The views of the images `order` (K,) of a training split of `count`."""
    times = showings(order)
    rounds = int(times.max(initial=0)) + 1
    drawn: Parameters = {}
    for step in DRAWINGS:
        if step.on(config):
            drawn |= _in_rounds(step, config, rng(seed, epoch, step.purpose), rounds, count, size)
    own = Views({name: values[times, order] for name, values in drawn.items()})
    if not (config.mixup or config.cutmix):
        return own
    mix = _in_rounds(MIXING, config, rng(seed, epoch, "mix"), rounds, count, size)
    mix = {name: values[times, order] for name, values in mix.items()}
    return replace(own, partners=Partners(**mix, views=_first(drawn, mix["images"])))


def showings(order: Ints) -> Ints:
    """(K,) how many times each image of `order` came before."""
    places = np.argsort(order, kind="stable")
    _, first, counts = np.unique(order[places], return_index=True, return_counts=True)
    times = np.empty(len(order), dtype=np.int64)
    times[places] = np.arange(len(order)) - np.repeat(first, counts)
    return times


def _first(drawn: Parameters, images: Ints) -> Views:
    return Views({name: values[0, images] for name, values in drawn.items()})


def _in_rounds(
    step: Drawing, config: TrialConfig, generator: np.random.Generator, rounds: int, count: int, size: Size
) -> Parameters:
    """(rounds, count, ...) of each parameter: for images that come so often, a round after the other."""
    each = [step.draw(config, generator, count, size) for _ in range(rounds)]
    return {name: np.stack([one[name] for one in each]) for name in each[0]}


def _flips(config: TrialConfig, generator: np.random.Generator, count: int, size: Size) -> Parameters:
    """(count, 2) whether mirrored, whether upturned."""
    return {"flips": generator.integers(0, 2, (count, 2)).astype(np.bool_)}


def _crops(config: TrialConfig, generator: np.random.Generator, count: int, size: Size) -> Parameters:
    """(count, 4) the box that is kept, and scaled up to the whole (Szegedy et al. 2015)."""
    areas = generator.uniform(config.crop, 1.0, count)
    return {"crop": _boxes(areas, _ratios(CROP_RATIOS, generator, count), generator.random((count, 2)), size)}


def _colours(config: TrialConfig, generator: np.random.Generator, count: int, size: Size) -> Parameters:
    """(count, 3) factors of brightness, contrast and saturation. The hue stays: it often tells classes apart."""
    away = config.colour_jitter
    return {"colour": generator.uniform(1 - away, 1 + away, (count, 3)).astype(np.float32)}


def _policies(config: TrialConfig, generator: np.random.Generator, count: int, size: Size) -> Parameters:
    operations, strengths = draw_operations(config, generator, count)
    return {"operations": operations, "strengths": strengths}


def _erased(config: TrialConfig, generator: np.random.Generator, count: int, size: Size) -> Parameters:
    """(count, 4) the box that is made grey; empty where none is."""
    chosen = generator.random((count, 1)) < config.random_erasing
    areas, ratios = generator.uniform(*ERASED_AREAS, count), _ratios(ERASED_RATIOS, generator, count)
    return {"erase": _boxes(areas, ratios, generator.random((count, 2)), size) * chosen}


def _mixes(config: TrialConfig, generator: np.random.Generator, count: int, size: Size) -> Parameters:
    """Partner, share, blend and box of each image: by mixup, by cutmix, or where both are on by a coin's toss.

    Mixup: Zhang et al. 2018; cutmix: Yun et al. 2019, a box of any centre, cut off at the borders. Departure: both draw
    for each image, where theirs draw once for a batch and pair the images within it, so that no image depends on others.
    """
    images = generator.integers(0, count, count)
    covers = generator.random(count) < (0.5 if config.mixup and config.cutmix else float(config.cutmix > 0))
    alphas = np.where(covers, config.cutmix, config.mixup)
    shares = generator.beta(alphas, alphas)
    boxes = _covered(1 - shares, generator.random((count, 2)), size) * covers[:, None]
    left = 1 - (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / (size[0] * size[1])
    shares, blends = np.where(covers, left, shares), np.where(covers, 1.0, shares)
    single = {"shares": shares.astype(np.float32), "blends": blends.astype(np.float32)}
    return {"images": images, **single, "boxes": boxes}


def _covered(areas: Floats, at: Floats, size: Size) -> Ints:
    """Boxes (n, 4) of the image's shape and of these parts of its area, around `at` (n, 2), cut off at the borders."""
    sides = np.sqrt(areas)[:, None] * size
    middle = at * size
    corners = np.round(np.concatenate([middle - sides / 2, middle + sides / 2], axis=1))
    return np.clip(corners, 0, [*size, *size]).astype(np.int64)


def _ratios(limits: tuple[float, float], generator: np.random.Generator, count: int) -> Floats:
    low, high = (math.log(limit) for limit in limits)
    ratios: Floats = np.exp(generator.uniform(low, high, count))
    return ratios


def _boxes(areas: Floats, ratios: Floats, at: Floats, size: Size) -> Ints:
    """Boxes (n, 4) of these parts of the area and ratios of width to height, within the image; `at` (n, 2) in [0, 1).

    A ratio that such an area leaves no room for is drawn in as far as it must be: torchvision would draw again.
    """
    height, width = size
    ratios = np.clip(ratios, areas * width / height, width / height / areas)
    pixels = np.stack([np.sqrt(areas * height * width / ratios), np.sqrt(areas * height * width * ratios)], axis=1)
    sides = np.clip(np.round(pixels), 1, size).astype(np.int64)
    corners = np.floor(at * (np.array(size) - sides + 1)).astype(np.int64)
    return np.concatenate([corners, corners + sides], axis=1)


DRAWINGS = (
    Drawing("crop", lambda config: config.crop < 1, _crops),
    Drawing("augment", lambda config: config.augment == "flips", _flips),
    Drawing("colour", lambda config: config.colour_jitter > 0, _colours),
    Drawing("policy", lambda config: config.policy != "none", _policies),
    Drawing("erase", lambda config: config.random_erasing > 0, _erased),
)
MIXING = Drawing("mix", lambda config: config.mixup + config.cutmix > 0, _mixes)
