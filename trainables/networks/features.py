"""Features of a frozen network: computed once per weights, data and precision, kept on disk, shared by all trials.

Beside them stands what an image costs on each kind of machine that has used them: a trial is charged for its own machine,
not for that of whoever came first. N = images, F = features before the head.
"""

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from records import files
from spaces.trial import TrialConfig
from trainables.data.cache import cache_folder
from trainables.data.dataset import Dataset, Floats32
from trainables.machine import workplace
from trainables.networks.engine import EVALUATION_BATCH, Engine
from trainables.networks.models import Network
from trainables.networks.precision import numbers_of

SAMPLE = 256  # images that the cost of one is measured on where the features are there already
MEASURES = 3  # of as many processes, of which the least counts


@dataclass(frozen=True)
class Features:
    values: Floats32  # (N, F)
    seconds_per_image: float  # of computing them on this processor, device and number of threads
    backbone: str  # digest of the network before the head
    known: dict[bytes, float] = field(default_factory=dict)  # KNN by the images (as bytes) that it was worked out for


@dataclass(frozen=True)
class Source:
    """What features are of: a network as it is, the images of a data set, and how they are computed where."""

    network: Network
    data: Dataset
    device: str
    precision: str

    def engine(self, images: int | None = None) -> Engine:
        """Over the first so many images, or all of them: nothing is on the device before it is made."""
        data = self.data
        shown, labels = (data.images, data.labels) if images is None else (data.images[:images], data.labels[:images])
        return Engine(self.network, shown, labels, TrialConfig(), self.device, self.precision)


def frozen_features(source: Source) -> Features:
    """The features of every image, from the cache or computed. Only what is computed or measured has an engine."""
    backbone = backbone_digest(source.network)
    numbers = numbers_of(source.device, source.precision)
    path = cache_folder() / "features" / f"{backbone[:24]}-{source.data.digest[:24]}-{numbers}.safetensors"
    if path.exists():
        values = files.read_arrays(path)[0]["features"]
        return Features(values, _cost(path, values, source), backbone)
    engine = source.engine()
    started = time.perf_counter()
    values = engine.features(np.arange(source.data.count))
    cost = (time.perf_counter() - started) / len(values)
    _keep(path, values, {_here(source): [cost]})
    return Features(values, cost, backbone)


def _here(source: Source) -> str:
    return workplace(torch.device(source.device))


def _cost(path: Path, values: Floats32, source: Source) -> float:
    """Seconds per image: the least of the measures of as many processes, since other work can only make it look dearer."""
    here = _here(source)
    known = _costs(path).get(here, [])
    if len(known) < MEASURES:
        measured = _measured(source)
        costs = _costs(path)  # another process may have written meanwhile
        known = [*costs.get(here, []), measured]
        _keep(path, values, costs | {here: known})
    return min(known)


def _measured(source: Source) -> float:
    """Seconds per image on a sample. A batch goes ahead of it: a device's first calls would count for many images."""
    images = np.arange(min(SAMPLE, source.data.count))
    engine = source.engine(len(images))
    engine.features(images[:EVALUATION_BATCH])
    started = time.perf_counter()
    engine.features(images)
    return (time.perf_counter() - started) / len(images)


def _costs(path: Path) -> dict[str, list[float]]:
    """Measured seconds per image by workplace; none in a file that does not say where its seconds are from, as of 0.1.0."""
    costs: dict[str, list[float]] = json.loads(files.read_text(path) or "{}").get("measured", {})
    return costs


def _keep(path: Path, values: Floats32, costs: dict[str, list[float]]) -> None:
    """The whole file anew and renamed into its place: who has the old one open goes on reading it."""
    with suppress(OSError):  # a cache that is full or read-only still serves; the next process measures again
        files.write_arrays(path, {"features": values}, json.dumps({"measured": costs}))


def backbone_digest(network: Network) -> str:
    """sha256 over the names and values of everything before the head, and what else its features depend on.

    Two networks can have the same tensors and go through them otherwise, as those of timm that pad like TensorFlow.
    """
    digest = hashlib.sha256(f"{network.name} {network.read_out} {network.mean} {network.std}".encode())
    for name, tensor in sorted(network.backbone.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
