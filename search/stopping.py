"""When a search has seen enough: what further trials may add is less than what its validation images can tell apart."""

import math
from pathlib import Path

import numpy as np

from analysis.rulebook.measure import Measure
from analysis.rulebook.resampling import jackknife_sd
from console.errors import UsageError
from records.confirmed import confirmed_trials
from records.epoch import ACCURACY
from records.events import Enough
from records.folder import predictions_file
from records.history import SAID, RunHistory, TrialHistory
from records.predictions import read_prediction
from search.gain import FEWEST, difference_sd, possible_gain, spread_between
from search.options import SearchOptions
from search.proposers.samplers import get_sampler, start_up
from search.proposers.study import best_possible
from search.schedulers import is_population


def check_stop(options: SearchOptions) -> None:
    """Raises UsageError where there is no drawing that could end early."""
    if options.stop_when == "never":
        return
    sampler = get_sampler(options.sampler)
    if sampler.points is not None or sampler.objectives == 2 or is_population(options.scheduler):
        what = f"--scheduler {options.scheduler}" if is_population(options.scheduler) else f"--sampler {sampler.name}"
        why = (
            "all members of a population run from the start"
            if is_population(options.scheduler)
            else "a grid is run as a whole"
            if sampler.points is not None
            else "a front of two objectives has no best trial to gain on"
        )
        raise UsageError(f"--stop-when noise is for draws of one objective, and {why}; drop it, or {what}.")


class NoiseStop:
    """Says when no further trial is worth asking for."""

    def __init__(self, folder: Path, samples: int):
        """`samples`: of the whole search, whose start-up is drawn blindly."""
        self.folder, self.fewest = folder, max(2 * FEWEST + 2, start_up(samples) + 4)
        fresh = confirmed_trials(folder)  # of an earlier end of this search, with --confirm
        self.between_seeds = spread_between([of.validation_sd for of in fresh.values()])

    def judge(self, history: RunHistory, asked: int, samples: int) -> Enough | None:
        """The event that ends the asking, after `asked` of `samples` trials; None while it goes on."""
        over = [trial for trial in history.trials.values() if trial.state in SAID]
        ranked = history.ranked()
        drawn = scores([trial for trial in over if trial.asked.anchor is None])
        if len(drawn) < self.fewest or asked < lifted_until(history, samples):
            return None
        noise = self._noise(history, ranked)
        assert ranked[0].best
        best = history.objective.score(ranked[0].best)
        gain = min(possible_gain(drawn, best, samples - asked), best_possible(history.objective) - best)
        if not gain < noise:
            return None
        return Enough(asked, samples, sentence(history, asked, samples, gain, noise), gain, noise)

    def _noise(self, history: RunHistory, ranked: list[TrialHistory]) -> float:
        """The standard error of a difference of two trials near the best; not a number where it cannot be known."""
        best = ranked[0].best
        assert best
        if history.objective == ACCURACY:
            own = difference_sd(best.eval_accuracy, images_of(history))
        else:
            own = _from_predictions(self.folder, history, ranked)
        return max(own, self.between_seeds)


def scores(trials: list[TrialHistory]) -> np.ndarray:
    """(n,) by trial, more being better; what failed counts as the worst that came of any. Empty where all failed."""
    found = [trial.objective.score(trial.best) if trial.best else -math.inf for trial in trials]
    known = [score for score in found if math.isfinite(score)]
    return np.array([score if math.isfinite(score) else min(known) for score in found] if known else [])


def lifted_until(history: RunHistory, samples: int) -> int:
    """Trials that run in any case: where the search had ended and more samples were asked for, as many more."""
    last = history.enough
    return 0 if last is None else last.trials + samples - last.samples


def images_of(history: RunHistory) -> int:
    """How many images epochs are judged on."""
    report = history.run["setting"]["protocol"] == "report"
    return int(history.run["data"]["test" if report else "validation"])


def sentence(history: RunHistory, asked: int, samples: int, gain: float, noise: float) -> str:
    """'stopped after 17 of 60 trials: the best that the other 43 may add, about 0.4 points, is below ...'."""
    measure = Measure(history.objective)
    on = "test" if history.run["setting"]["protocol"] == "report" else "validation"
    return (
        f"stopped after {asked} of {samples} trials: the best that the other {samples - asked} may add, about "
        f"{measure.size(gain)}, is below what {images_of(history):,} {on} images can tell apart, {measure.size(noise)}"
    )


def _from_predictions(folder: Path, history: RunHistory, ranked: list[TrialHistory]) -> float:
    """Of the best two trials, on the same images; not a number where one of them has left no predictions."""
    if len(ranked) < 2 or ranked[0].best is None:
        return math.nan
    files = [predictions_file(folder, trial.number, ranked[0].best.eval_split) for trial in ranked[:2]]
    if not all(path.exists() for path in files):
        return math.nan
    (_, first), (_, second) = (read_prediction(path) for path in files)
    return jackknife_sd(Measure(history.objective).metric, first, second)
