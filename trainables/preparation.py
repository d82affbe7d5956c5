"""What stands ready before the first epoch: data, network, features, difficulty - and what each has cost.

A process that runs several trials prepares each thing once; every trial is charged for what it uses all the same.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from console.errors import UsageError
from spaces.setting import Setting
from spaces.transfer import TransferConfig
from spaces.trial import TrialConfig
from trainables.data.dataset import Dataset
from trainables.data.sources import load, official_parts
from trainables.data.splits import Split, official_partition, split, split_by_parts, split_from_csv
from trainables.difficulty.division import levels_of
from trainables.difficulty.reference import reference_scores
from trainables.difficulty.scorers import Scores, head_scores, read_scores, true_scores
from trainables.loop import Totals
from trainables.networks import models
from trainables.networks.engine import Engine, FeatureEngine, gpus_here
from trainables.networks.features import Features, frozen_features
from trainables.networks.pretrain import pretrained
from trainables.seeds import integer, rng
from trainables.strategies import Facts, get_strategy


def on_this_machine(setting: Setting) -> Setting:
    """The setting for work of the driver itself, which may lack the GPU that trials get on a cluster."""
    return setting if setting.device == "cpu" or gpus_here() else setting.model_copy(update={"device": "cpu"})


@lru_cache(maxsize=2)
def load_data(setting: Setting) -> tuple[Dataset, Split]:
    """The data set and its split. Raises UsageError, also when the data are not those of `data_digest`."""
    several = setting.task == "multi_label"
    data = load(setting.data, setting.image_size, setting.data_root, setting.skip_bad_images, several)
    if setting.data_digest not in (None, data.digest):
        raise UsageError(
            f"The data in '{setting.data}' have digest {data.digest[:12]}, where {setting.data_digest[:12]} was wanted: "
            f"they have changed since. Point --data-root at the data that were used."
        )
    return data, _split(setting, data)


def _split(setting: Setting, data: Dataset) -> Split:
    if not setting.split:
        return split(data.labels, setting.protocol, setting.seed, data.classes)
    if partition := official_partition(setting.split):
        parts = official_parts(setting.data, setting.data_root, partition)
        return split_by_parts(f"DTD's partition {partition}", parts, data.paths, setting.protocol)
    return split_from_csv(Path(setting.split), data.paths, setting.protocol)


@lru_cache(maxsize=1)
def _state_dict(setting: Setting) -> tuple[models.State, Totals]:
    """The pretrained weights and what it cost to make them, where that was ours to do."""
    if setting.weights == "textures":
        return pretrained(setting)
    if setting.weights == "imagenet":
        return models.imagenet_state(setting.model), Totals()
    return models.read_state(Path(setting.weights)), Totals()


def make_network(setting: Setting, classes: int) -> tuple[models.Network, Totals]:
    """The setting's network with its weights and a new, seeded head, and what that cost. Raises UsageError."""
    seed = integer(setting.seed, 0, "initialise")
    network = models.build(setting.model, classes, "none", seed, setting.image_size)
    if setting.weights == "none":
        return network, Totals()
    state, charged = _state_dict(_weights_only(setting))
    models.load_backbone(network, setting.model, state, setting.weights)
    return network, charged


def _weights_only(setting: Setting) -> Setting:
    """The setting without what has no bearing on weights, so that seeds and strategies share one copy."""
    plain = {"strategy": "finetune", "data": "", "split": None, "seed": 0, "epochs": 1, "updates": None, "sizes": None}
    return setting.model_copy(update=plain | {"data_digest": None, "protocol": "holdout", "difficulty": ""})


def make_engine(setting: Setting, config: TrialConfig, data: Dataset) -> tuple[Engine, Totals]:
    """The engine of a trial: over cached features where a frozen backbone would only repeat itself."""
    network, charged = make_network(setting, len(data.classes))
    if get_strategy(setting.strategy).trains == "head":
        assert isinstance(config, TransferConfig)
        network.freeze(setting.model, config.unfreeze, config.batchnorm)
        if config.unfreeze == "head" and config.batchnorm == "frozen" and config.augment == "none":
            known = _features(setting)
            charged = charged + Totals(score_seconds=known.seconds, images_scored=data.count)
            return FeatureEngine(network, known.values, data.labels, config, setting.device, data.targets), charged
    engine = Engine(network, data.images, data.labels, config, setting.device, setting.precision, data.targets)
    return engine, charged


@lru_cache(maxsize=1)
def _features_of(setting: Setting) -> Features:
    data, _ = load_data(setting)
    network, _ = make_network(setting, len(data.classes))
    engine = Engine(network, data.images, data.labels, TrialConfig(), setting.device, setting.precision)
    return frozen_features(engine, data.digest)


def _features(setting: Setting) -> Features:
    """Features do not depend on strategy, split or seed; the backbone's own weights do on the seed if there are none."""
    seed = setting.seed if setting.weights == "none" else 0
    return _features_of(
        setting.model_copy(update={"strategy": "finetune", "seed": seed, "updates": None, "sizes": None})
    )


@lru_cache(maxsize=4)
def facts(setting: Setting) -> tuple[Facts, np.ndarray | None, Totals]:
    """What the curriculum may know, the levels (N,) of all images where it has stages, and what knowing them cost."""
    data, parts = load_data(setting)
    labels = data.labels[parts.train]
    needs = get_strategy(setting.strategy).needs
    if needs == "nothing":
        return Facts(labels), None, Totals()
    shuffle = rng(setting.seed, 0, "plan").permutation(len(labels))
    scores, charged = fixed_difficulty(setting, data, parts.train)
    levels = levels_of(scores.values, data, parts.train) if needs == "levels" else None
    values = scores.values if levels is None else levels
    return Facts(labels, values[parts.train], shuffle), levels, charged


def fixed_difficulty(setting: Setting, data: Dataset, train: np.ndarray) -> tuple[Scores, Totals]:
    """The difficulty that --difficulty names, of all images, and its cost. Raises UsageError."""
    if setting.difficulty == "true":
        scores = true_scores(data)
    elif setting.difficulty == "head":
        known = _features(setting)
        scores = head_scores(known.values, data.labels, train, setting.seed)
        scores = Scores(scores.values, scores.seconds + known.seconds, data.count)
    elif setting.difficulty == "reference":
        network, _ = make_network(setting, len(data.classes))
        scores = reference_scores(network, setting, data, train)
    else:
        scores = read_scores(Path(setting.difficulty), data)
    used = Totals(
        images_trained=scores.images_trained, images_scored=scores.images_scored, score_seconds=scores.seconds
    )
    return scores, used
