"""Schedules found by a population: PBT (Jaderberg et al. 2017) and PB2 (Parker-Holder et al. 2020), through Ray.

Every few epochs the worst quarter takes network, optimiser and curriculum state of one of the best quarter, and goes on
with fields that differ from its donor's. All members share split, initialisation and orders, so a line of donors is one
training whose fields change at known epochs, which search.replay can run again.

Departures from Ray's own: members wait for each other (asynchronous exchange compares trainings of different ages), new
values stay within the space, and every choice comes from (seed, member, epoch). Members are compared at equal epochs,
not at equal work, since the schedule that is found is one of epochs.
"""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import FloatDistribution

from search.executors.ray_internals import Exchanges, Modelling
from spaces.space import Space

RESAMPLED = 0.25  # chance that a field is drawn anew instead of being moved
FACTORS = (0.8, 1.2)
QUARTER = 0.25


class Synchronous(Exchanges):
    """What both have in common: a fixed population, choices by address, members that keep their number.

    Before Modelling among the bases of a class, so that what PB2 overrides is PB2's and what is overridden here is ours.
    """

    def begin(self, space: Space, seed: int, interval: int, epoch: int) -> None:
        """`epoch` is the furthest that a member came in an earlier process: the next exchange comes after it."""
        self.space, self.seed = space, seed
        self.started_at = epoch // interval * interval
        self.exchange_next(self.started_at + interval)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Ray refuses a searcher here, since it would be told of changed configs; ours is not."""
        self.enter(trial, self.started_at)

    def before_exchange(self, trial: Any) -> None:
        random.seed(int(self._rng(trial).integers(2**31)))  # Ray draws the donor from Python's own generator

    def new_config(self, trial: Any, donor: Any) -> dict[str, Any]:
        moved = self.moved(trial, donor)
        values = {name: clipped(searched(self.space, name), moved[name]) for name in trial.config["fields"]}
        taken_from = {"donor": [donor.config["number"], self.trained(donor)]}
        new: dict[str, Any] = trial.config | {"config": donor.config["config"]} | values | taken_from
        return new

    def _rng(self, trial: Any) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.trained(trial), int(trial.config["number"]), 6])

    def moved(self, trial: Any, donor: Any) -> dict[str, float]:
        """A new value for each field, perhaps outside its range."""
        raise NotImplementedError


class Population(Synchronous):
    """PBT: each field moves by a factor, or is drawn anew."""

    def moved(self, trial: Any, donor: Any) -> dict[str, float]:
        draws = self._rng(trial)
        return {
            name: explored(searched(self.space, name), donor.config[name], draws) for name in trial.config["fields"]
        }


@dataclass(frozen=True)
class Modelled:
    """What PB2 reads of a donor: its name and its config, here with the values that are modelled."""

    name: str
    config: dict[str, Any]

    def __str__(self) -> str:
        return self.name


class Bandit(Synchronous, Modelling):
    """PB2: the values that a Gaussian process over the gains so far expects most of.

    Departure from Ray's own: a field that is searched on a log scale is modelled by its logarithm. Its bounds, what is
    recorded of it in `data` and what is suggested are logarithms; between linear bounds of 3e-5 and 3e-3 all small rates
    would be one point, and hardly any would be suggested.
    """

    def kept(self, trial: Any) -> None:
        self._enter({name: trial.config[name] for name in self.bounds})

    def moved(self, trial: Any, donor: Any) -> dict[str, float]:
        np.random.seed(int(self._rng(trial).integers(2**31)))
        ranges = {name: searched(self.space, name) for name in self.bounds}
        logs = {name: modelled(of, donor.config[name]) for name, of in ranges.items()}
        known, as_modelled = len(self.data), Modelled(str(donor), donor.config | logs)
        new = self.suggested(trial, as_modelled)
        values = {name: clipped(of, unmodelled(of, new[name])) for name, of in ranges.items()}
        if len(self.data) > known:
            self._enter(values)
        return values

    def _enter(self, values: dict[str, float]) -> None:
        """Write these values into the last row of the data: exactly as the next result will have them, since Ray takes
        the gain of an interval between rows of equal values."""
        row = self.data.index[-1]
        for name, value in values.items():
            self.data.loc[row, name] = modelled(searched(self.space, name), value)


def searched(space: Space, field: str) -> FloatDistribution:
    """Where a field that may change lies: all of them are numbers."""
    distribution = space.search[field]
    assert isinstance(distribution, FloatDistribution)
    return distribution


def modelled(distribution: FloatDistribution, value: float) -> float:
    """The value as a Gaussian process is to see it: its logarithm where the field is searched on a log scale."""
    return float(np.log(value)) if distribution.log else value


def unmodelled(distribution: FloatDistribution, value: float) -> float:
    """The inverse of `modelled`."""
    return float(np.exp(value)) if distribution.log else value


def explored(distribution: FloatDistribution, value: float, draws: np.random.Generator) -> float:
    """PBT's move of one value."""
    if draws.random() >= RESAMPLED:
        return value * float(draws.choice(FACTORS))
    if distribution.log:
        return float(np.exp(draws.uniform(np.log(distribution.low), np.log(distribution.high))))
    return float(draws.uniform(distribution.low, distribution.high))


def clipped(distribution: FloatDistribution, value: float) -> float:
    """The value, or the nearest one in the range."""
    return float(np.clip(value, distribution.low, distribution.high))


def make_pbt(space: Space, seed: int, interval: int, epoch: int) -> Population:
    """PBT over the space's mutable fields; `interval` in epochs, `epoch`: where an earlier process came to."""
    made = Population(hyperparam_mutations=_bounds(space), **_shared(interval))
    made.begin(space, seed, interval, epoch)
    return made


def make_pb2(space: Space, seed: int, interval: int, epoch: int) -> Bandit:
    """PB2, as `make_pbt`."""
    ranges = {name: searched(space, name) for name in space.mutable}
    bounds: dict[str, Any] = {name: [modelled(of, of.low), modelled(of, of.high)] for name, of in ranges.items()}
    made = Bandit(hyperparam_bounds=bounds, **_shared(interval))
    made.begin(space, seed, interval, epoch)
    return made


def _bounds(space: Space) -> dict[str, Any]:
    """The ends of each field that may change."""
    ranges = {field: searched(space, field) for field in space.mutable}
    return {field: [of.low, of.high] for field, of in ranges.items()}


def _shared(interval: int) -> dict[str, Any]:
    """What both are told alike."""
    return {"time_attr": "epoch", "perturbation_interval": interval, "quantile_fraction": QUARTER, "synch": True,
            "log_config": False}  # fmt: skip
