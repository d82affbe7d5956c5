"""What stands ready before the first epoch: data, network, features, difficulty - and what each has cost.

A process that runs several trials prepares each thing once; every trial is charged for what it uses all the same.
"""

from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from console.errors import UsageError
from console.progress import say
from spaces.setting import Setting
from spaces.trial import TrialConfig
from trainables.budget import Totals
from trainables.checks import check_computing
from trainables.data.dataset import Dataset, Floats, Ints
from trainables.data.parts import BY_SEED, FOLDERS, split_by_folders
from trainables.data.sources import Asked, load, official_parts
from trainables.data.splits import (
    Split,
    check_trained,
    fewer,
    official_partition,
    split,
    split_by_parts,
    split_from_csv,
)
from trainables.difficulty.division import levels_of
from trainables.difficulty.reference import reference_scores
from trainables.difficulty.scorers import Scores, confusion, head_scores, losses, read_scores, true_scores
from trainables.networks import models
from trainables.networks.architecture import State
from trainables.networks.engine import Engine, gpus_here
from trainables.networks.feature_engine import FeatureEngine
from trainables.networks.features import Features, Source, frozen_features
from trainables.networks.kept import Kept, keep
from trainables.networks.pretrain import WeightsKey, pretrained
from trainables.networks.warm_up import warm_up
from trainables.seeds import integer, rng
from trainables.strategies import Facts, get_strategy

BY_HEAD = {"head": losses, "confusion": confusion}


def on_this_machine(setting: Setting) -> Setting:
    """The setting for work of the driver itself, which may lack the GPU that trials get on a cluster."""
    if setting.device == "cpu" or gpus_here():
        return setting
    of_gpus = setting.precision in ("fp16", "tf32")
    precision = "fp32" if of_gpus else setting.precision
    return setting.model_copy(update={"device": "cpu", "precision": precision, "accelerate": "none"})


def opened_here(setting: Setting, what: str) -> Setting:
    """The setting for opening again `what` was trained elsewhere; says so where a GPU's work is done by a CPU."""
    here = on_this_machine(setting)
    if here != setting:
        say(f"{what} was trained on a GPU and there is none here: it is opened on the CPU, and figures can differ.")
    return here


def asked_of(setting: Setting) -> Asked:
    """Which data a setting wants."""
    several = setting.task == "multi_label"
    return Asked(setting.data, setting.image_size, setting.data_root, setting.skip_bad_images, several, setting.resize)


@dataclass(frozen=True)
class FeaturesKey:
    """What the features of a frozen backbone depend on, and nothing else: strategies and splits share them."""

    data: Asked
    weights: WeightsKey
    seed: int  # of random weights; 0 for all others
    kept: Kept

    @classmethod
    def of(cls, setting: Setting, config: TrialConfig | None = None) -> "FeaturesKey":
        seed = setting.seed if setting.weights == "none" else 0
        return cls(asked_of(setting), WeightsKey.of(setting), seed, Kept.of(config))


@lru_cache(maxsize=2)
def _dataset(asked: Asked) -> Dataset:
    return load(*astuple(asked))


@lru_cache(maxsize=2)
def load_data(setting: Setting) -> tuple[Dataset, Split]:
    """The data set and its split. Raises UsageError, also when the data are not those of `data_digest`."""
    data = _dataset(asked_of(setting))
    if setting.data_digest not in (None, data.digest):
        raise UsageError(
            f"The data in '{setting.data}' have digest {data.digest[:12]}, where {setting.data_digest[:12]} was wanted: "
            f"they have changed since. Point --data-root at the data that were used."
        )
    return data, spared(setting, data, split_of(setting, data))


def spared(setting: Setting, data: Dataset, parts: Split) -> Split:
    """The split without those test images that another seed's validation holds: configs were picked on them."""
    if setting.spared_seed is None:
        return parts
    picked_on = split_of(setting.model_copy(update={"seed": setting.spared_seed}), data).validation
    return replace(parts, test=np.setdiff1d(parts.test, picked_on))


def split_of(setting: Setting, data: Dataset) -> Split:
    """The split that the setting names, with as many training images as it wants. Raises UsageError."""
    parts = _whole_split(setting, data)
    check_trained(f"The split '{setting.split or BY_SEED}'", parts, data.labels, data.classes)
    return parts if setting.train_share == 1 else fewer(parts, data.labels, setting.train_share, setting.seed)


def _whole_split(setting: Setting, data: Dataset) -> Split:
    if not setting.split:
        return split(data.labels, setting.protocol, setting.seed, data.classes)
    if partition := official_partition(setting.split):
        parts = official_parts(setting.data, setting.data_root, partition)
        return split_by_parts(f"DTD's partition {partition}", parts, data.paths, setting.protocol)
    if setting.split == FOLDERS:
        return split_by_folders(setting.data, data.paths, setting.protocol, setting.seed)
    return split_from_csv(Path(setting.split), data.paths, setting.protocol)


@lru_cache(maxsize=1)
def _state_dict(key: WeightsKey) -> tuple[State, Totals]:
    """The pretrained weights and what it cost to make them, where that was ours to do."""
    if key.weights == "textures":
        return pretrained(key)
    if key.weights == "imagenet":
        return models.imagenet_state(key.model, key.image_size), Totals()
    return models.read_state(Path(key.weights)), Totals()


def make_network(setting: Setting, classes: int, config: TrialConfig | None = None) -> tuple[models.Network, Totals]:
    """The setting's network with its weights and a new, seeded head, and what that cost; of it what the config keeps.

    Raises UsageError.
    """
    return _network(WeightsKey.of(setting), classes, setting.seed, Kept.of(config))


def _network(key: WeightsKey, classes: int, seed: int, kept: Kept) -> tuple[models.Network, Totals]:
    network = models.build(key.model, classes, "none", integer(seed, 0, "initialise"), key.image_size)
    keep(network, key.model, kept)
    if key.weights == "none":
        return network, Totals()
    state, charged = _state_dict(key)
    models.load_backbone(network, key.model, state, key.weights)
    return network, charged


def make_engine(setting: Setting, config: TrialConfig, data: Dataset) -> tuple[Engine, Totals]:
    """The engine of a trial: over cached features where a frozen backbone would only repeat itself. Raises UsageError."""
    check_computing(setting)
    if config.on_features:
        return _on_features(setting, config, data)
    network, charged = make_network(setting, len(data.classes), config)
    if config.unfreeze != "all":
        network.freeze(config.unfreeze, config.batchnorm)
    made = (data.images, data.labels, config, setting.device, setting.precision, data.targets, setting.accelerate)
    engine = Engine(network, *made)
    if setting.device == "cuda" or engine.forward is not network:
        warm_up(engine)
    return engine, charged


def _on_features(setting: Setting, config: TrialConfig, data: Dataset) -> tuple[FeatureEngine, Totals]:
    """A head of its own on features and a backbone that all trials of this process share."""
    key = FeaturesKey.of(setting, config)
    features = _features(key, torch.get_num_threads())
    backbone, charged = _frozen(key, len(data.classes), setting.device)
    head = _new_head(key.weights, len(data.classes), setting.seed)
    charged = charged + _cost_of(features, load_data(setting)[1].train)
    network = backbone.with_head(head)
    return FeatureEngine(network, features, data.labels, config, setting.device, data.targets), charged


@lru_cache(maxsize=1)
def _frozen(key: FeaturesKey, classes: int, device: str) -> tuple[models.Network, Totals]:
    """A network of which nothing but the head will change, on the device, and what its weights cost."""
    network, charged = _network(key.weights, classes, key.seed, key.kept)
    network.freeze("head", "frozen")
    return network.to(torch.device(device)), charged


@lru_cache(maxsize=128)
def _new_head(key: WeightsKey, classes: int, seed: int) -> State:
    """The head that a new network of this seed begins with: its numbers are drawn after those of the whole backbone."""
    return models.build(key.model, classes, "none", integer(seed, 0, "initialise"), key.image_size).head.state_dict()


@lru_cache(maxsize=1)
def _features(key: FeaturesKey, threads: int) -> Features:
    """`threads` of torch now: what was prepared with others, as by a driver, cost other seconds."""
    data = _dataset(key.data)
    network, _ = _frozen(key, len(data.classes), key.weights.device)
    return frozen_features(Source(network, data, key.weights.device, key.weights.precision))


def _cost_of(features: Features, train: Ints) -> Totals:
    """What a trial is charged for features: those of the images it trains on. The others' are evaluation's."""
    return Totals(images_scored=len(train), score_seconds=len(train) * features.seconds_per_image)


def facts(setting: Setting) -> tuple[Facts, Floats | None, Totals]:
    """What the curriculum may know, the levels (N,) of all images where it has stages, and what knowing them cost."""
    return _facts(setting, torch.get_num_threads())


@lru_cache(maxsize=4)
def _facts(setting: Setting, threads: int) -> tuple[Facts, Floats | None, Totals]:
    """`threads` as for `_features`."""
    data, parts = load_data(setting)
    labels = data.labels[parts.train]
    needs = get_strategy(setting.strategy).needs
    if needs == "nothing":
        return Facts(labels), None, Totals()
    shuffle = rng(setting.seed, 0, "plan").permutation(len(labels))
    if needs == "losses":  # of a head that has not seen the image, whatever else is called difficult
        setting = setting.model_copy(update={"difficulty": "head"})
    scores, charged = fixed_difficulty(setting, data, parts.train)
    levels = levels_of(scores.values, data, parts.train) if needs == "levels" else None
    values = scores.values if levels is None else levels
    return Facts(labels, values[parts.train], shuffle), levels, charged


def fixed_difficulty(setting: Setting, data: Dataset, train: Ints) -> tuple[Scores, Totals]:
    """The difficulty that --difficulty names, of all images, and its cost. Raises UsageError."""
    if setting.difficulty == "true":
        scores = true_scores(data)
    elif setting.difficulty in BY_HEAD:
        features = _features(FeaturesKey.of(setting), torch.get_num_threads())
        scores = head_scores(features.values, data.labels, train, setting.seed, BY_HEAD[setting.difficulty])
        scores = replace(scores, seconds=scores.seconds + _cost_of(features, train).score_seconds)
    elif setting.difficulty == "reference":
        network, _ = make_network(setting, len(data.classes))
        scores = reference_scores(network, setting, data, train)
    else:
        scores = read_scores(Path(setting.difficulty), data)
    used = Totals(
        images_trained=scores.images_trained, images_scored=scores.images_scored, score_seconds=scores.seconds
    )
    return scores, used
