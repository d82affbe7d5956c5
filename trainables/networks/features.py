"""Features of a frozen network: computed once per weights, data and precision, kept on disk, shared by all trials.

N = images, F = features before the head.
"""

import hashlib
import json
import time
from dataclasses import dataclass

from records import files
from trainables.data.cache import cache_folder
from trainables.data.dataset import Floats32
from trainables.networks.engine import Engine
from trainables.networks.models import Network


@dataclass(frozen=True)
class Features:
    values: Floats32  # (N, F)
    seconds: float  # that computing them took, when they were computed: what each trial that uses them is charged


def frozen_features(engine: Engine, data_digest: str) -> Features:
    """The features of every image of the engine's data by its network as it is, from the cache or computed."""
    name = f"{backbone_digest(engine.network)[:24]}-{data_digest[:24]}-{'bf16' if engine.bf16 else 'fp32'}.safetensors"
    path = cache_folder() / "features" / name
    if path.exists():
        arrays, text = files.read_arrays(path)
        return Features(arrays["features"], json.loads(text)["seconds"])
    started = time.perf_counter()
    values = engine.all_features()
    seconds = time.perf_counter() - started
    files.write_arrays(path, {"features": values}, json.dumps({"seconds": seconds}))
    return Features(values, seconds)


def backbone_digest(network: Network) -> str:
    """sha256 over the names and values of everything before the head."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.backbone.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
