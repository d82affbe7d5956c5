"""Which trials are stopped early: Ray's schedulers, with time counted in work done and anchors left to run."""

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

REDUCTION = 3  # of the trials that reach a rung, the best third goes on
RUNGS = 2  # at a ninth and a third of the longest trial


class AnchoredASHA(AsyncHyperBandScheduler):
    """ASHA (Li et al. 2020) that never stops an anchor: what the search must beat has to be known whole."""

    def on_trial_result(self, tune_controller, trial, result):  # type: ignore[no-untyped-def]
        decision = super().on_trial_result(tune_controller, trial, result)
        if trial.config.get("anchor"):
            return TrialScheduler.CONTINUE
        return decision


def make_scheduler(name: str, longest: int) -> TrialScheduler:
    """`longest` is the number of images that a trial trains on if it takes every image in every epoch.

    Time is updates times batch size: a curriculum that starts on a tenth of the images is not cut for it, and neither is
    a batch size. What was spent before the first update (pretraining, features) does not count here.
    """
    if name == "none":
        return FIFOScheduler()
    return AnchoredASHA(
        time_attr="images",
        max_t=longest + 1,
        grace_period=max(1, longest // REDUCTION**RUNGS),
        reduction_factor=REDUCTION,
    )
