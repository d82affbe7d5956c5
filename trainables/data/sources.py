"""From what a person writes after --data to a Dataset: embedded and known sets, torchvision's, arrays, or any folder."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from console.errors import UsageError, unknown
from console.progress import amount
from trainables.data import arrays, dtd, rsscn7, scenes, textures, torchvision_sets
from trainables.data.cache import Recipe, build_or_open, discard_damaged, find_cached
from trainables.data.dataset import Dataset
from trainables.data.decoding import decode, refuse_left_out
from trainables.data.drawing import DRAWING_VERSION
from trainables.data.folder import Listing, is_parted, list_images
from trainables.data.found import is_utf8, shown
from trainables.data.pictures import Resize
from trainables.data.stored import Item

EMBEDDED = ("scenes", "textures")
KNOWN = (*EMBEDDED, "rsscn7", "dtd")
SMALLEST_SIZE, LARGEST_SIZE = 8, 1024  # pixels

_MODULES = {"scenes": scenes, "textures": textures}
_DEFAULTS = {"scenes": {"count": 1400, "seed": 0}, "textures": {"count": 1600, "seed": 0}}
_LARGEST_COUNT = 1_000_000


@dataclass(frozen=True)
class Asked:
    """What images, labels and their order depend on, and nothing else."""

    source: str
    image_size: int
    root: str | None = None
    skip_bad_images: bool = False
    multi_label: bool = False
    resize: Resize = "squash"


@dataclass(frozen=True)
class Survey:
    """What is known of data before anything is downloaded, decoded or written."""

    data: Dataset | None  # without images where these are not in the cache; None where nothing is known yet
    todo: str  # what loading would do first, a phrase; "" where the cache is there


def is_embedded(source: str) -> bool:
    """Whether `source` ("scenes", "scenes:count=700,seed=1", ...) is drawn by this program."""
    return source.partition(":")[0] in EMBEDDED


def is_file_or_folder(source: str) -> bool:
    """Whether `source` is a place on this machine, and not a name."""
    named = is_embedded(source) or source in KNOWN or torchvision_sets.is_torchvision(source)
    return not named and Path(source).expanduser().exists()


def has_parts(source: str) -> bool:
    """Whether the data come as train/, val/ and test/."""
    if torchvision_sets.is_torchvision(source):
        return torchvision_sets.has_parts(source)
    return is_file_or_folder(source) and is_parted(Path(source).expanduser())


def load(
    source: str,
    image_size: int,
    root: str | None = None,
    skip_bad_images: bool = False,
    multi_label: bool = False,
    resize: Resize = "squash",
) -> Dataset:
    """The data set `source` names, every image `image_size` pixels wide and high, from the cache or built into it.

    source: "scenes" or "textures", with options as in "scenes:count=700,seed=1"; "rsscn7" or "dtd", looked for in
    `root`; "torchvision:NAME", likewise; an .npz file; or a folder of class folders. `multi_label` adds every label of
    each image, from DTD's annotations beside the class folders. Raises UsageError for everything a person can mend.
    """
    asked = Asked(source, image_size, root, skip_bad_images, multi_label, resize)
    check(asked)
    _check_annotations(asked)
    data = _cached_set(asked) or build_or_open(_recipe(asked))
    return _with_targets(data, _folder(source, root)) if multi_label else data


def verify(asked: Asked) -> None:
    """Read the whole image cache of these data, if there is one; remove a damaged one, which `load` then builds anew."""
    check(asked)
    if not _is_here(asked.source, asked.root):
        return
    if torchvision_sets.is_torchvision(asked.source):
        key = torchvision_sets.make_key(asked.source, asked.root, asked.image_size, asked.resize)
    else:
        key = _recipe(asked).key
    discard_damaged(key, asked.source)


def check(asked: Asked) -> None:
    """Raises UsageError for everything that is wrong before data are looked at."""
    source, size, root = asked.source, asked.image_size, asked.root
    if isinstance(size, bool) or not isinstance(size, int):
        raise UsageError(f"--image-size must be a whole number of pixels; got {size!r}.")
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise UsageError(f"--image-size must be between {SMALLEST_SIZE} and {LARGEST_SIZE} pixels; got {size}.")
    for place in (source, root or ""):
        if not is_utf8(place):
            raise UsageError(
                f"--data wants a path in UTF-8, since runs record it; got {shown(place)}: rename or link it."
            )
    from_torchvision = torchvision_sets.is_torchvision(source)
    if root is not None and source not in ("rsscn7", "dtd") and not from_torchvision:
        raise UsageError(f"--data-root says where rsscn7 or dtd is; got it with --data {source}: leave it out.")
    if asked.multi_label and (is_embedded(source) or source == "rsscn7"):
        raise UsageError(f"--task multi_label needs images with several labels, and '{source}' has one each; use dtd.")
    if asked.multi_label and (from_torchvision or arrays.is_arrays(source)):
        raise UsageError(f"--task multi_label reads DTD's annotations, which '{source}' has not; use dtd.")
    if is_embedded(source):
        _drawn_recipe(source, size)
        if asked.resize != "squash":
            raise UsageError(
                f"--resize {asked.resize} has nothing to do: '{source}' is drawn as a square; leave it out."
            )
    elif from_torchvision:
        torchvision_sets.check(source, root)
    elif source not in KNOWN and not arrays.is_arrays(source) and not Path(source).expanduser().is_dir():
        raise _neither(source)


def _check_annotations(asked: Asked) -> None:
    """Before images are decoded for minutes: are there labels to train on?"""
    if asked.multi_label:
        dtd.annotations(_folder(asked.source, asked.root))


def survey(asked: Asked) -> Survey:
    """What is known of the data so far; touches nothing. Raises UsageError as `load` would."""
    check(asked)
    if not _is_here(asked.source, asked.root):
        return Survey(None, f"download {asked.source} and build its image cache")
    if torchvision_sets.is_torchvision(asked.source):
        cached = _cached_set(asked)
        return Survey(cached, "" if cached else f"read {asked.source} and build its image cache")
    _check_annotations(asked)
    recipe = _recipe(asked)
    if cached := find_cached(recipe.key, recipe.name):
        return Survey(cached, "")
    assert recipe.labels is not None
    nothing = np.empty((0, recipe.size, recipe.size, 3), np.uint8)
    data = Dataset(recipe.name, nothing, recipe.labels, recipe.classes, recipe.paths, None, digest="")
    return Survey(data, f"build the image cache of {asked.source}: {amount(recipe.count * recipe.size**2 * 3)}")


def _is_here(source: str, root: str | None) -> bool:
    if torchvision_sets.is_torchvision(source):
        return torchvision_sets.is_here(source, root)
    module = {"rsscn7": rsscn7, "dtd": dtd}.get(source)
    return module is None or module.is_here(root)


def _cached_set(asked: Asked) -> Dataset | None:
    """A set of torchvision's from its cache; opening the set itself takes seconds, and memory."""
    if not torchvision_sets.is_torchvision(asked.source) or not torchvision_sets.is_here(asked.source, asked.root):
        return None
    key = torchvision_sets.make_key(asked.source, asked.root, asked.image_size, asked.resize)
    return find_cached(key, asked.source)


def _recipe(asked: Asked) -> Recipe:
    if is_embedded(asked.source):
        return _drawn_recipe(asked.source, asked.image_size)
    if torchvision_sets.is_torchvision(asked.source):
        return torchvision_sets.make_recipe(asked.source, asked.root, asked.image_size, asked.resize)
    if arrays.is_arrays(asked.source):
        return arrays.make_recipe(asked.source, asked.image_size, asked.resize)
    listing = list_images(_folder(asked.source, asked.root), rsscn7.CLASSES if asked.source == "rsscn7" else None)
    if not asked.skip_bad_images:
        refuse_left_out(listing)
    return _decoded_recipe(asked, listing)


def _with_targets(data: Dataset, images: Path) -> Dataset:
    """The same images with every label of each; the labels are part of the digest."""
    targets = dtd.multi_hot(images, data.paths, data.classes)
    return replace(data, targets=targets, digest=hashlib.sha256(data.digest.encode() + targets.tobytes()).hexdigest())


def official_parts(source: str, root: str | None, partition: int) -> dict[str, str]:
    """{path: part} of the partition that the makers of the data set published. Raises UsageError where there is none."""
    check_official(source)
    return dtd.official_parts(dtd.find(root), partition)


def check_official(source: str) -> None:
    """Raises UsageError for data without published partitions."""
    if source != "dtd":
        raise UsageError(f"--split official is for --data dtd, whose makers published partitions; got --data {source}.")


def _drawn_recipe(source: str, size: int) -> Recipe:
    name, _, text = source.partition(":")
    options = _options(source, name, text)
    count, seed, module = options["count"], options["seed"], _MODULES[name]
    if not len(module.CLASSES) <= count <= _LARGEST_COUNT:
        raise UsageError(f"{source}: count must be between {len(module.CLASSES)} and {_LARGEST_COUNT:,}; got {count}.")
    key = f"{name}-{size}-count{count}-seed{seed}-drawing{DRAWING_VERSION}"
    labels = np.arange(count, dtype=np.int64) % len(module.CLASSES)
    paths = tuple(f"{module.CLASSES[label]}/{index:06d}" for index, label in enumerate(labels))
    items = partial(_drawn_items, module, paths, count, size, seed)
    return Recipe(key, source, size, count, module.CLASSES, items, labels, paths)


def _options(source: str, name: str, text: str) -> dict[str, int]:
    """The options in `text` ("count=700,seed=1") over the set's defaults."""
    options = dict(_DEFAULTS[name])
    for part in text.split(",") if text else []:
        option, _, value = part.partition("=")
        if option not in options:
            raise unknown(f"option of {name}", option, options)
        if [each.partition("=")[0] for each in text.split(",")].count(option) > 1:
            raise UsageError(f"{source} names {option} twice; leave out one of the two.")
        if not re.fullmatch(r"[0-9]{1,18}", value):
            raise UsageError(f"{source}: {option} must be a whole number from 0; got '{value}'.")
        options[option] = int(value)
    return options


def _drawn_items(module: ModuleType, paths: tuple[str, ...], count: int, size: int, seed: int) -> Iterator[Item]:
    images, labels, difficulty = module.draw(count, size, seed)
    for path, image, label, hardness in zip(paths, images, labels, difficulty, strict=True):
        yield Item(image, int(label), path, float(hardness))


def _decoded_recipe(asked: Asked, listing: Listing) -> Recipe:
    label = asked.source if asked.source in KNOWN else listing.root.resolve().name.lower()
    label = re.sub(r"[^a-z0-9]+", "-", label)[:40].strip("-") or "folder"  # a safe file name on every system
    how = ("-skip" * asked.skip_bad_images) + (f"-{asked.resize}" * (asked.resize != "squash"))
    key = f"{label}-{asked.image_size}-{listing.fingerprint()[:32]}{how}"
    items = partial(decode, listing, asked.image_size, asked.skip_bad_images, asked.resize)
    count = len(listing.paths)
    return Recipe(key, asked.source, asked.image_size, count, listing.classes, items, listing.labels, listing.paths)


def _folder(source: str, root: str | None) -> Path:
    """The folder of class folders; rsscn7 and dtd are downloaded if need be."""
    module = {"rsscn7": rsscn7, "dtd": dtd}.get(source)
    return module.find(root) if module else Path(source).expanduser()


def _neither(source: str) -> UsageError:
    """What to say of a source that is nothing we know: a misspelt name, or a folder that is not there."""
    if get_close_matches(source, KNOWN, n=1):
        return unknown("data set", source, KNOWN)
    return UsageError(
        f"'{source}' is neither a known data set ({', '.join(KNOWN)}) nor a folder, an .npz file or torchvision:NAME; "
        f"check the spelling."
    )
