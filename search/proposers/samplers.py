"""How configs are drawn: Optuna's samplers, and a grid of our own (Optuna's stops the study under ask and tell)."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler

from console.errors import UsageError, unknown
from spaces.space import Space
from trainables.seeds import rng

LARGEST_GRID = 10_000


@dataclass(frozen=True)
class Sampler:
    """One way to draw configs."""

    name: str
    says: str  # one line for whoever chooses
    make: Callable[[int, int], BaseSampler]  # (where its random numbers begin, trials of the search) -> the sampler
    objectives: Literal[1, 2] = 1  # accuracy; or also seconds of training and scoring
    replayed: bool = False  # it keeps notes on the trials it drew, so a resumed run has to draw them again
    informed: bool = False  # it learns from any trial that it is told of, also from one that it did not draw
    bounded: bool = False  # of a trial that is stopped early it can be told a bound, where there is no value
    free: bool = False  # no draw follows from what came of others
    points: Callable[[Space], list[dict[str, Any]]] | None = None  # what it runs through, where it draws nothing


def make_sampler(sampler: Sampler, seed: int, number: int, samples: int) -> BaseSampler:
    """The sampler for one trial: its draws come from (seed, trial number) and from the results known by then."""
    address = int(rng(seed, number, "propose").integers(2**31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return sampler.make(address, samples)


def start_up(samples: int) -> int:
    """Trials that are drawn blindly: a quarter of the samples at most."""
    return max(1, samples // 4)


def _tpe(address: int, samples: int) -> BaseSampler:
    # running trials count as bad ones, so that two trials at a time do not draw the same config
    return optuna.samplers.TPESampler(seed=address, n_startup_trials=start_up(samples), constant_liar=True)


def _random(address: int, samples: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=address)


def _cmaes(address: int, samples: int) -> BaseSampler:
    return optuna.samplers.CmaEsSampler(
        seed=address,
        n_startup_trials=start_up(samples),
        independent_sampler=_random(address, samples),  # for what a model cannot take: fields that come and go
        warn_independent_sampling=False,
    )


def _gp(address: int, samples: int) -> BaseSampler:
    return optuna.samplers.GPSampler(
        seed=address,
        n_startup_trials=start_up(samples),
        independent_sampler=_random(address, samples),  # as for CMA-ES
        warn_independent_sampling=False,
    )


def _nsga2(address: int, samples: int) -> BaseSampler:
    return optuna.samplers.NSGAIISampler(seed=address, population_size=max(4, start_up(samples)))


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


TPE = Sampler("tpe", "draws near what did well (tree-structured Parzen estimator)", _tpe, informed=True)
RANDOM = Sampler("random", "draws anywhere, whatever the results", _random, free=True)
GRID = Sampler("grid", "every combination of a few values of each field", _tpe, free=True, points=grid)
CMAES = Sampler("cmaes", "moves a normal distribution to what did well (CMA-ES)", _cmaes, replayed=True)
GP = Sampler("gp", "draws where a Gaussian process expects most", _gp, informed=True)
# TPE of several objectives: good are those that no other dominates, by rank, then by hypervolume (Ozaki et al. 2022)
MOTPE = Sampler("motpe", "near what no other beats in both accuracy and seconds (MOTPE)", _tpe, 2,
                informed=True, bounded=True)  # fmt: skip
NSGA2 = Sampler("nsga2", "a genetic algorithm, for accuracy and few seconds (NSGA-II)", _nsga2, 2, replayed=True)
SAMPLERS = {sampler.name: sampler for sampler in (TPE, RANDOM, GRID, CMAES, GP, MOTPE, NSGA2)}


def get_sampler(name: str) -> Sampler:
    """The sampler of this name, or UsageError with the nearest name."""
    if name not in SAMPLERS:
        raise unknown("sampler", name, SAMPLERS)
    return SAMPLERS[name]


def has_two_objectives(name: str) -> bool:
    """Whether the run of this sampler weighs seconds beside accuracy. Runs of samplers unknown here can be looked at."""
    return name in SAMPLERS and SAMPLERS[name].objectives == 2
