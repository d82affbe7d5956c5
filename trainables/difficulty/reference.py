"""Difficulty by a reference network: the loss of each image after a short, plain fine-tuning (Hacohen and Weinshall 2019,
"self-taught" scoring, with one network for all images).

N = images of the data set.
"""

import hashlib
import json
import time

import numpy as np

import trainables.loop as loop
from console.progress import track
from records import files
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting
from trainables.curricula.base import Curriculum
from trainables.data.cache import cache_folder
from trainables.data.dataset import Dataset, Ints
from trainables.difficulty.scorers import Scores
from trainables.loop import TrainState
from trainables.networks.engine import Engine
from trainables.networks.features import backbone_digest
from trainables.networks.models import Network
from trainables.rates import rate_rule

EPOCHS = 5


def reference_scores(network: Network, setting: Setting, data: Dataset, train: Ints) -> Scores:
    """The loss (N,) of every image under `network`, fine-tuned on the training split; from the cache, or computed.

    Images that it was fine-tuned on have lower losses than others, so the two are to be ranked apart, as
    division.levels_of does. Whoever uses the scores is charged for the training, and for scoring the training split.
    """
    path = cache_folder() / "difficulty" / f"{_key(network, setting, data, train)}.safetensors"
    if not path.exists():
        started = time.perf_counter()
        state = _make_state(network, setting, data, train)
        for _ in track(loop.train(state), "fine-tuning a reference network", total=EPOCHS, unit="epochs"):
            pass
        spent, started = time.perf_counter() - started - state.totals.eval_seconds, time.perf_counter()
        values = state.engine.score(np.arange(data.count), "eval")
        spent += (time.perf_counter() - started) * len(train) / data.count
        files.write_arrays(
            path, {"losses": values}, json.dumps({"seconds": spent, "trained": state.totals.images_trained})
        )
    arrays, text = files.read_arrays(path)
    cost = json.loads(text)
    return Scores(arrays["losses"], cost["seconds"], len(train), cost["trained"])


def _make_state(network: Network, setting: Setting, data: Dataset, train: Ints) -> TrainState:
    config = _config(setting)
    return TrainState(
        engine=Engine(network, data.images, data.labels, config, setting.device, setting.precision, data.targets),
        curriculum=Curriculum(np.asarray(data.labels[train])),
        rule=rate_rule(config),
        config=config,
        train_index=train,
        eval_index=train[:2],  # nothing is selected; the loop wants something to look at
        eval_split="train",
        strategy="finetune",
        trial=0,
        seed=setting.seed,
        epochs=EPOCHS,
    )


def _config(setting: Setting) -> FinetuneConfig:
    """Random weights want a higher rate than pretrained ones."""
    rate = 1e-3 if setting.weights == "none" else 1e-4
    return FinetuneConfig(learning_rate=rate, rate="cosine", augment="flips")


def _key(network: Network, setting: Setting, data: Dataset, train: Ints) -> str:
    """Everything that the losses depend on."""
    about = {
        "config": _config(setting).model_dump(),
        "epochs": EPOCHS,
        "weights": backbone_digest(network),
        "data": data.digest,
        "train": hashlib.sha256(train.tobytes()).hexdigest(),
        "seed": setting.seed,
        "precision": setting.precision,
        "device": setting.device,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:48]
