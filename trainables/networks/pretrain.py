"""A small checkpoint trained on the embedded textures: what transfer starts from where there are no weights."""

import json
from dataclasses import asdict, dataclass

import numpy as np

import trainables.loop as loop
from console.progress import track
from records import files
from spaces.finetune import ScratchConfig
from spaces.setting import Setting
from trainables.budget import Totals
from trainables.curricula.base import Curriculum
from trainables.data.cache import cache_folder
from trainables.data.dataset import Dataset
from trainables.data.sources import load
from trainables.data.splits import split
from trainables.loop import TrainState
from trainables.networks import models
from trainables.networks.architecture import State
from trainables.networks.engine import Engine
from trainables.rates import rate_rule
from trainables.seeds import integer

EPOCHS = 10
CONFIG = ScratchConfig(learning_rate=1e-3, rate="cosine", augment="flips")


@dataclass(frozen=True)
class WeightsKey:
    """What the weights that a network starts from depend on, and nothing else: neither seed nor strategy nor data."""

    weights: str  # imagenet, textures, or the path of a state dict
    model: str
    image_size: int  # of the textures, as are device and precision
    device: str
    precision: str

    @classmethod
    def of(cls, setting: Setting) -> "WeightsKey":
        return cls(setting.weights, setting.model, setting.image_size, setting.device, setting.precision)


def pretrained(key: WeightsKey) -> tuple[State, Totals]:
    """The state dict of the key's model after the textures, from the cache or trained, and what training it cost.

    Its images and seconds are charged; its updates are not the trial's, whose schedules and budget begin at none. The
    textures are others than those of `--data textures`, so no test image is among them.
    """
    data = load("textures:seed=1000", key.image_size)
    name = f"textures-{key.model}-{data.digest[:16]}-{key.precision}-{key.device}.safetensors"
    path = cache_folder() / "weights" / name
    if not path.exists():
        state = _make_state(key, data)
        for _ in track(loop.train(state), "pretraining on textures", total=EPOCHS, unit="epochs"):
            pass
        arrays = {k: v.detach().cpu().contiguous().numpy() for k, v in state.engine.weights().items()}
        files.write_arrays(path, arrays, json.dumps(asdict(state.totals)))
    _, text = files.read_arrays(path)
    return models.read_state(path), Totals(**json.loads(text) | {"eval_seconds": 0.0, "updates": 0})


def _make_state(key: WeightsKey, data: Dataset) -> TrainState:
    parts = split(data.labels, "report", 0)
    network = models.build(key.model, len(data.classes), "none", integer(0, 0, "initialise"), key.image_size)
    return TrainState(
        engine=Engine(network, data.images, data.labels, CONFIG, key.device, key.precision),
        curriculum=Curriculum(np.asarray(data.labels[parts.train])),
        rule=rate_rule(CONFIG),
        config=CONFIG,
        train_index=parts.train,
        eval_index=parts.test,
        eval_split="test",
        strategy="scratch",
        trial=0,
        seed=0,
        epochs=EPOCHS,
    )
