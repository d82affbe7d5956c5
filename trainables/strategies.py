"""The one registry: what makes a strategy. One line here and one space add a strategy; nothing else knows it exists."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spaces.errors import unknown
from spaces.self_paced import SelfPacedConfig
from spaces.trial import TrialConfig
from trainables.curricula.base import Curriculum
from trainables.curricula.self_paced import SelfPaced


@dataclass(frozen=True)
class Strategy:
    config: type[TrialConfig]
    curriculum: Callable[..., Curriculum]  # (labels, config) -> Curriculum


STRATEGIES = {
    "self_paced": Strategy(SelfPacedConfig, SelfPaced),
}


def get_strategy(name: str) -> Strategy:
    """The strategy of this name, or UsageError with the nearest name."""
    if name not in STRATEGIES:
        raise unknown("strategy", name, STRATEGIES)
    return STRATEGIES[name]


def make_curriculum(name: str, labels: np.ndarray, config: TrialConfig) -> Curriculum:
    """The strategy's curriculum over a training split with these labels (N,)."""
    return get_strategy(name).curriculum(labels, config)
