"""From what a person writes after --data to a Dataset: the embedded sets, the two known ones, or any folder."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import ModuleType

from console.errors import UsageError, unknown
from trainables.data import dtd, rsscn7, scenes, textures
from trainables.data.cache import Item, Recipe, build_or_open
from trainables.data.dataset import Dataset
from trainables.data.drawing import DRAWING_VERSION
from trainables.data.folder import Listing, decode, list_images

EMBEDDED = ("scenes", "textures")
KNOWN = (*EMBEDDED, "rsscn7", "dtd")
SMALLEST_SIZE, LARGEST_SIZE = 8, 1024  # pixels

_MODULES = {"scenes": scenes, "textures": textures}
_DEFAULTS = {"scenes": {"count": 1400, "seed": 0}, "textures": {"count": 1600, "seed": 0}}
_LARGEST_COUNT = 1_000_000


def is_embedded(source: str) -> bool:
    """Whether `source` ("scenes", "scenes:count=700,seed=1", ...) is drawn by this program."""
    return source.partition(":")[0] in EMBEDDED


def load(
    source: str, image_size: int, root: str | None = None, skip_bad_images: bool = False, multi_label: bool = False
) -> Dataset:
    """The data set `source` names, every image `image_size` pixels wide and high, from the cache or built into it.

    source: "scenes" or "textures", with options as in "scenes:count=700,seed=1"; "rsscn7" or "dtd", looked for in
    `root`; or a folder of class folders. `multi_label` adds every label of each image, from DTD's annotations beside
    the class folders. Raises UsageError for everything a person can mend.
    """
    if isinstance(image_size, bool) or not isinstance(image_size, int):
        raise UsageError(f"--image-size must be a whole number of pixels; got {image_size!r}.")
    if not SMALLEST_SIZE <= image_size <= LARGEST_SIZE:
        raise UsageError(f"--image-size must be between {SMALLEST_SIZE} and {LARGEST_SIZE} pixels; got {image_size}.")
    if root is not None and source not in ("rsscn7", "dtd"):
        raise UsageError(f"--data-root says where rsscn7 or dtd is; got it with --data {source}: leave it out.")
    if multi_label and source in (*EMBEDDED, "rsscn7"):
        raise UsageError(f"--task multi_label needs images with several labels, and '{source}' has one each; use dtd.")
    if is_embedded(source):
        return build_or_open(_drawn_recipe(source, image_size))
    listing = _listing(source, root)
    data = build_or_open(_decoded_recipe(source, listing, image_size, skip_bad_images))
    return _with_targets(data, listing.root) if multi_label else data


def _with_targets(data: Dataset, images: Path) -> Dataset:
    """The same images with every label of each; the labels are part of the digest."""
    targets = dtd.multi_hot(images, data.paths, data.classes)
    return replace(data, targets=targets, digest=hashlib.sha256(data.digest.encode() + targets.tobytes()).hexdigest())


def official_parts(source: str, root: str | None, partition: int) -> dict[str, str]:
    """{path: part} of the partition that the makers of the data set published. Raises UsageError where there is none."""
    if source != "dtd":
        raise UsageError(f"--split official is for --data dtd, whose makers published partitions; got --data {source}.")
    return dtd.official_parts(dtd.find(root), partition)


def _drawn_recipe(source: str, size: int) -> Recipe:
    name, _, text = source.partition(":")
    options = _options(source, name, text)
    count, seed, module = options["count"], options["seed"], _MODULES[name]
    if not len(module.CLASSES) <= count <= _LARGEST_COUNT:
        raise UsageError(f"{source}: count must be between {len(module.CLASSES)} and {_LARGEST_COUNT:,}; got {count}.")
    key = f"{name}-{size}-count{count}-seed{seed}-drawing{DRAWING_VERSION}"
    return Recipe(key, source, size, count, module.CLASSES, partial(_drawn_items, module, count, size, seed))


def _options(source: str, name: str, text: str) -> dict[str, int]:
    """The options in `text` ("count=700,seed=1") over the set's defaults."""
    options = dict(_DEFAULTS[name])
    for part in text.split(",") if text else []:
        option, _, value = part.partition("=")
        if option not in options:
            raise unknown(f"option of {name}", option, options)
        if not re.fullmatch(r"[0-9]{1,18}", value):
            raise UsageError(f"{source}: {option} must be a whole number from 0; got '{value}'.")
        options[option] = int(value)
    return options


def _drawn_items(module: ModuleType, count: int, size: int, seed: int) -> Iterator[Item]:
    images, labels, difficulty = module.draw(count, size, seed)
    for index, (image, label, hardness) in enumerate(zip(images, labels, difficulty, strict=True)):
        yield Item(image, int(label), f"{module.CLASSES[label]}/{index:06d}", float(hardness))


def _decoded_recipe(source: str, listing: Listing, size: int, skip_bad_images: bool) -> Recipe:
    label = source if source in KNOWN else listing.root.resolve().name.lower()
    label = re.sub(r"[^a-z0-9]+", "-", label)[:40].strip("-") or "folder"  # a safe file name on every system
    key = f"{label}-{size}-{listing.fingerprint()[:32]}{'-skip' if skip_bad_images else ''}"
    items = partial(decode, listing, size, skip_bad_images)
    return Recipe(key, source, size, len(listing.paths), listing.classes, items)


def _listing(source: str, root: str | None) -> Listing:
    if source == "rsscn7":
        return list_images(rsscn7.find(root), rsscn7.CLASSES)
    if source == "dtd":
        return list_images(dtd.find(root))
    if not Path(source).expanduser().is_dir():
        raise _neither(source)
    return list_images(Path(source).expanduser())


def _neither(source: str) -> UsageError:
    """What to say of a source that is nothing we know: a misspelt name, or a folder that is not there."""
    if get_close_matches(source, KNOWN, n=1):
        return unknown("data set", source, KNOWN)
    return UsageError(f"'{source}' is neither a known data set ({', '.join(KNOWN)}) nor a folder; check the spelling.")
