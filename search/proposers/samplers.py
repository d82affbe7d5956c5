"""How configs are drawn: Optuna's samplers, and a grid of our own (Optuna's stops the study under ask and tell)."""

import math
import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler

from console.errors import UsageError
from spaces.space import Space
from trainables.seeds import rng

LARGEST_GRID = 10_000
REPLAYED = ("cmaes", "nsga2")  # they keep notes on the trials they drew, so a resumed run has to draw them again
TWO_OBJECTIVES = ("nsga2",)  # accuracy, and seconds of training and scoring


def make_sampler(name: str, seed: int, number: int, samples: int) -> BaseSampler:
    """The sampler for one trial: its draws come from (seed, trial number) and from the results known by then."""
    address = int(rng(seed, number, "propose").integers(2**31))
    start_up = max(1, samples // 4)  # a quarter of the samples at most are drawn blindly
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "random":
            return optuna.samplers.RandomSampler(seed=address)
        independent = optuna.samplers.RandomSampler(
            seed=address
        )  # for what a model cannot take: fields that come and go
        if name == "cmaes":
            return optuna.samplers.CmaEsSampler(
                seed=address,
                n_startup_trials=start_up,
                independent_sampler=independent,
                warn_independent_sampling=False,
            )
        if name == "gp":
            return optuna.samplers.GPSampler(
                seed=address,
                n_startup_trials=start_up,
                independent_sampler=independent,
                warn_independent_sampling=False,
            )
        if name == "nsga2":
            return optuna.samplers.NSGAIISampler(seed=address, population_size=max(4, start_up))
        # running trials count as bad ones, so that two trials at a time do not draw the same config
        return optuna.samplers.TPESampler(seed=address, n_startup_trials=start_up, constant_liar=True)


def grid(space: Space) -> list[dict[str, Any]]:
    """Every combination of the searched fields' values; a field that means nothing beside the others is left out.

    Words give every choice; a range gives its ends and its middle. Raises UsageError where that is far too many.
    """
    points: list[dict[str, Any]] = [{}]
    for name in space.active({}):
        values = axis(space.search[name])
        grown = []
        for point in points:
            grown += [point | {name: v} for v in values] if space.matters(name, point) else [point]
        if len(grown) > LARGEST_GRID:
            raise UsageError(
                f"--sampler grid over {len(space.search)} fields of {space.strategy} is more than {LARGEST_GRID:,} trials; "
                f"fix fields with --set, or list few values with --search field=a,b,c."
            )
        points = grown
    return points


def axis(distribution: BaseDistribution) -> list[Any]:
    """The values of one field on the grid, lowest first."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    middle = math.sqrt(low * high) if distribution.log else (low + high) / 2
    if isinstance(distribution, IntDistribution):
        return sorted({low, round(middle), high})
    return [low, middle, high]
