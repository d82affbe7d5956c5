"""Learning-rate rules: pure objects. B = updates in one epoch.

A rule has a state of plain numbers, gives the rate of each update of an epoch and learns from the epoch's train accuracy.
The loop writes these rates into the optimiser at every update; a rule that only changed a variable, as the report's did,
would change no training.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spaces.trial import TrialConfig

Floats = npt.NDArray[np.float64]
State = dict[str, float]


@dataclass(frozen=True)
class RateRule(ABC):
    """What the loop asks of a rule. Methods are pure: same arguments, same answer, nothing modified."""

    config: TrialConfig

    def begin(self) -> State:
        """The state before the first epoch; {} for a rule that learns nothing."""
        return {}

    @abstractmethod
    def rates(self, state: State, epoch: int, progress: Floats) -> Floats:
        """(B,) the rate of each update; `progress` (B,) in [0, 1) is how far the planned training is by then."""

    def learn(self, state: State, accuracy: float) -> State:
        """The state after an epoch of this train accuracy, in [0, 1]."""
        return state


class Constant(RateRule):
    """The start rate throughout."""

    def rates(self, state: State, epoch: int, progress: Floats) -> Floats:
        return np.full(len(progress), self.config.learning_rate)


class Cosine(RateRule):
    """From the start rate to zero along half a cosine (Loshchilov and Hutter 2017, without restarts), update by update."""

    def rates(self, state: State, epoch: int, progress: Floats) -> Floats:
        return np.asarray(self.config.learning_rate * (1 + np.cos(np.pi * progress)) / 2, dtype=np.float64)


class EpochSteps(RateRule):
    """Falls after planned numbers of epochs: four parts, as in the report's 50, 20, 10 and 10 (section 4.2)."""

    def rates(self, state: State, epoch: int, progress: Floats) -> Floats:
        c = self.config
        ends = np.cumsum([c.rate_epochs_1, c.rate_epochs_2, c.rate_epochs_3])
        falls = int(np.sum(epoch > ends))
        return np.full(len(progress), c.learning_rate * _factors(c)[falls])


class AccuracySteps(RateRule):
    """Falls when the train accuracy of an epoch reaches a gate (report, sections 7 and 9.2). State: `falls`, 0 to 3.

    `fall_back` is the report's listing: the highest gate reached by the last epoch sets the rate, so it rises again
    when accuracy drops below a gate; below the first gate nothing is set and the last rate stays. `never_rise` keeps
    the lowest rate so far.
    """

    def begin(self) -> State:
        return {"falls": 0}

    def rates(self, state: State, epoch: int, progress: Floats) -> Floats:
        return np.full(len(progress), self.config.learning_rate * _factors(self.config)[int(state["falls"])])

    def learn(self, state: State, accuracy: float) -> State:
        c = self.config
        gates = np.cumsum([c.rate_gate, c.rate_gap_2, c.rate_gap_3])
        # sums of floats miss the sum that was meant (0.1 + 0.2): a gate is reached when it is to nine digits
        reached = int(np.sum(accuracy >= np.round(gates, 9)))
        if c.rate_reading == "never_rise":
            return {"falls": max(reached, state["falls"])}
        return {"falls": reached or state["falls"]}


def _factors(config: TrialConfig) -> Floats:
    """(4,) what the start rate is multiplied by after 0, 1, 2 and 3 falls."""
    factors = [1.0, config.rate_factor_1, config.rate_factor_2, config.rate_factor_3]
    return np.cumprod(factors, dtype=np.float64)


RULES: dict[str, type[RateRule]] = {
    "constant": Constant,
    "cosine": Cosine,
    "epoch_steps": EpochSteps,
    "accuracy_steps": AccuracySteps,
}


def rate_rule(config: TrialConfig) -> RateRule:
    """The rule that the config names."""
    return RULES[config.rate](config)
