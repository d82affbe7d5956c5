"""Which trials are stopped early: Ray's schedulers, with time counted in work done and anchors left to run.

Work is updates times batch size, and a third of that for each image that is only ranked: a curriculum that starts on a
tenth of the images is not cut for it, and one that ranks all of them in every epoch has done more than its updates.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from ray.tune.experiment import Trial
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

__all__ = ["Past", "TrialScheduler", "make_asha", "make_fifo", "make_hyperband", "make_median"]

REDUCTION = 3  # of the trials that reach a rung, the best third goes on
RUNGS = 2  # at a ninth and a third of the longest trial
FEWEST = 3  # trials that a median is taken over

Past = dict[int, list[tuple[int, float]]]  # by trial: (work, best score so far) of each epoch in an earlier process


class Anchored(FIFOScheduler):
    """Never stops or pauses an anchor: what the search must beat has to be known whole."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        decision: str = super().on_trial_result(tune_controller, trial, result)
        return TrialScheduler.CONTINUE if trial.config.get("anchor") else decision


class AnchoredASHA(Anchored, AsyncHyperBandScheduler):
    """ASHA (Li et al. 2020) that knows how far the trials of an earlier process came."""

    def __init__(self, past: Past, **settings: Any):
        super().__init__(**settings)
        self.rungs = [recorded for _, recorded in self._brackets[0]._rungs]
        for number, points in past.items():
            for work, score in points:
                self._brackets[0].on_result(_stand_in(number), work, score)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """A trial that is gone on with keeps its place on the rungs that it has passed."""
        super().on_trial_add(tune_controller, trial)
        for recorded in self.rungs:
            if _past(trial.config["number"]) in recorded:
                recorded[trial.trial_id] = recorded.pop(_past(trial.config["number"]))


class AnchoredMedian(Anchored, MedianStoppingRule):
    """The median rule (Golovin et al. 2017) that knows the results of the trials of an earlier process."""

    def __init__(self, past: Past, **settings: Any):
        super().__init__(**settings)
        for number, points in past.items():
            self._results[_past(number)] = [{"images": work, "best_score": score} for work, score in points]

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, trial)
        if before := self._results.pop(_past(trial.config["number"]), None):
            self._results[trial] = before


class AnchoredHyperBand(HyperBandScheduler):
    """HyperBand (Li et al. 2018), the bracket that halves most first, as in the paper's algorithm 1 (Ray begins with the
    one that never halves). Anchors belong to no bracket and run to their end before it. Brackets start anew after a
    resume: what was stopped stays stopped, what was paused competes again.
    """

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.anchors: list[Any] = []
        first_rung: Callable[[int], int] = self._get_r0
        self._get_r0 = lambda s: max(1, first_rung(s))

    def _create_bracket(self, s: int) -> Any:
        create: Callable[[int], Any] = super()._create_bracket
        return create(self._s_max_1 - 1 - s)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        if trial.config.get("anchor"):
            self.anchors.append(trial)
        else:
            super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if trial in self.anchors:
            return TrialScheduler.CONTINUE
        return str(super().on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        if trial not in self.anchors:
            super().on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        if trial not in self.anchors:
            super().on_trial_remove(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        if trial not in self.anchors:
            super().on_trial_error(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        waiting = next((trial for trial in self.anchors if trial.status == "PENDING"), None)
        return waiting or super().choose_trial_to_run(tune_controller)


def _past(number: int) -> str:
    """The id of a trial of an earlier process, which Ray has never seen."""
    return f"past-{number}"


def _stand_in(number: int) -> Trial:
    """What a rung asks of such a trial: its id and nothing else."""
    return cast(Trial, SimpleNamespace(trial_id=_past(number)))


def make_fifo() -> TrialScheduler:
    """Every trial runs to its end."""
    return FIFOScheduler()


def make_asha(longest: int, past: Past) -> TrialScheduler:
    """`longest`: the work of the dearest trial that is not stopped."""
    return AnchoredASHA(
        past, time_attr="images", max_t=longest + 1, grace_period=_grace(longest), reduction_factor=REDUCTION
    )


def make_median(longest: int, past: Past) -> TrialScheduler:
    """`longest` as for ASHA."""
    return AnchoredMedian(past, time_attr="images", grace_period=_grace(longest), min_samples_required=FEWEST,
                          min_time_slice=longest + 1)  # fmt: skip


def make_hyperband(passes: int) -> TrialScheduler:
    """`passes`: the work of the dearest trial that is not stopped, in passes over the training images."""
    return AnchoredHyperBand(time_attr="passes", max_t=passes, reduction_factor=REDUCTION)


def _grace(longest: int) -> int:
    """Work before the first rung."""
    rung: int = longest // REDUCTION**RUNGS
    return max(1, rung)
