"""Small things to test with: coloured noise to tell apart, runs and trials over it, draws from a search space.

N = images, C = classes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from records.epoch import EpochRecord
from spaces.self_paced import SelfPacedConfig
from spaces.setting import Setting
from spaces.space import Space
from spaces.trial import TrialConfig
from trainables.budget import Budget
from trainables.curricula.base import Curriculum
from trainables.curricula.self_paced import SelfPaced
from trainables.loop import TrainState
from trainables.networks.engine import Engine
from trainables.networks.models import build
from trainables.rates import rate_rule
from trainables.trial import Trial

CLASSES = 4
COUNT = 50
TRAIN = np.array([i for i in range(COUNT) if i % 5 != 2])  # 40 images; no number within the split equals its index late
HELD_OUT = np.array([i for i in range(COUNT) if i % 5 == 2])  # 10 images


def pictures(count: int = COUNT, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """(N, size, size, 3) uint8 noise, one channel pattern per class, and labels (N,) 0, 1, 2, 3, 0, ..."""
    labels = np.arange(count) % CLASSES
    images = np.random.default_rng(5).integers(0, 200, (count, size, size, 3))
    colours = np.array([[55, 0, 0], [0, 55, 0], [0, 0, 55], [30, 30, 30]])
    return (images + colours[labels][:, None, None, :]).astype(np.uint8), labels.astype(np.int64)


def make_engine(
    config: TrialConfig | None = None, seed: int = 0, precision: str = "fp32", model: str = "small_cnn"
) -> Engine:
    """A network over the pictures."""
    images, labels = pictures()
    network = build(model, CLASSES, "none", seed, images.shape[1])
    return Engine(network, images, labels, config or TrialConfig(batch_size=8), "cpu", precision)


def make_state(
    config: TrialConfig | None = None, epochs: int = 3, seed: int = 0, budget: Budget | None = None
) -> TrainState:
    """A training over 40 training and 10 held-out pictures: self-paced for its config, else the baseline."""
    config = config or SelfPacedConfig(batch_size=8)
    engine = make_engine(config)
    labels = pictures()[1][TRAIN]
    paced = isinstance(config, SelfPacedConfig)
    return TrainState(
        engine=engine,
        curriculum=SelfPaced(labels, config) if paced else Curriculum(labels),
        rule=rate_rule(config),
        config=config,
        train_index=TRAIN,
        eval_index=HELD_OUT,
        eval_split="validation",
        strategy="self_paced",
        trial=0,
        seed=seed,
        epochs=epochs,
        budget=budget or Budget(),
    )


def make_trial(config: TrialConfig | None = None, folder: Path | None = None, **setting: Any) -> Trial:
    """A self-paced trial over 70 drawn scenes of 16 px; `setting` overrides fields of the Setting."""
    plain = {"strategy": "self_paced", "data": "scenes:count=70", "image_size": 16, "model": "small_cnn"}
    made = Setting(**{**plain, "epochs": 3, "precision": "fp32", **setting})
    return Trial(made, config or SelfPacedConfig(batch_size=8), 0, folder)


def without_seconds(record: EpochRecord) -> EpochRecord:
    """The record less the only fields that two equal trainings may differ in."""
    return replace(record, train_seconds=0.0, score_seconds=0.0, eval_seconds=0.0)


def same_tensors(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Same names, and the same bits under each."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def value_of(distribution: BaseDistribution) -> st.SearchStrategy:
    """A hypothesis strategy for what Optuna could draw from this distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return st.sampled_from(distribution.choices)
    numbers = st.integers if isinstance(distribution, IntDistribution) else st.floats
    return numbers(distribution.low, distribution.high)


def draws(space: Space) -> st.SearchStrategy:
    """A hypothesis strategy for values of all the searched fields of a space."""
    return st.fixed_dictionaries({name: value_of(d) for name, d in space.search.items()})
