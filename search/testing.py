"""Opening the test split: once for each trial that is reported, of its selected network."""

import math
from dataclasses import dataclass

import numpy as np

from analysis.rulebook.outcomes import right
from analysis.rulebook.resampling import jackknife_sd
from console.errors import UsageError
from console.progress import track
from records.epoch import ACCURACY
from records.events import Tested
from records.files import Arrays
from records.folder import best_weights, predictions_file, remove_checkpoints
from records.history import RunHistory, TrialHistory
from records.predictions import check_prediction, read_prediction
from search.campaign import Campaign
from search.planning.plan import Plan
from trainables.metrics import get_metric
from trainables.preparation import on_this_machine
from trainables.strategies import get_strategy
from trainables.trial import Trial, write_predictions


@dataclass(frozen=True)
class Judged:
    """A trial and what its selected network does on test."""

    trial: TrialHistory
    figures: Tested
    said: Arrays  # of each image of the test split, as it is kept

    @property
    def correct(self) -> np.ndarray:
        """(n,) bool, by image."""
        return right(self.said)


def best_of(history: RunHistory) -> tuple[TrialHistory | None, TrialHistory | None]:
    """The best trial, and the best anchor, by the split that epochs are judged on."""
    ranked = history.ranked()
    anchors = [trial for trial in ranked if trial.asked.anchor]
    return (ranked[0] if ranked else None), (anchors[0] if anchors else None)


def open_test(plan: Plan, campaign: Campaign) -> list[Judged]:
    """Test figures of the best trial and of the best anchor, each measured once and entered in the ledger."""
    unique = {trial.number: trial for trial in best_of(campaign.history) if trial is not None}
    return [judge(plan, campaign, trial) for trial in track(list(unique.values()), "opening test", unit="trials")]


def check_networks(plan: Plan, campaign: Campaign) -> None:
    """Raises UsageError where a run that is gone on with could not open test in the end: a packed one has no networks."""
    found = campaign.trials.values() if campaign.history.kind == "head_to_head" else best_of(campaign.history)
    for trial in found if plan.setting.protocol == "holdout" else ():
        waits = trial is not None and trial.state == "complete" and not trial.test
        if trial is not None and waits and not best_weights(campaign.folder, trial.number).is_file():
            raise UsageError(
                f"{campaign.folder.name} cannot be gone on with: test is not open yet for trial {trial.number}, and its "
                f"network is not here. A packed run holds none; go on with the run that was packed."
            )


def judge(plan: Plan, campaign: Campaign, trial: TrialHistory) -> Judged:
    """Open test for a trial, unless a run that is resumed has done so before."""
    if trial.test is None:
        _open(plan, campaign, trial)
    assert trial.test
    path = predictions_file(campaign.folder, trial.number, "test")
    _, said = read_prediction(path)
    check_prediction(path, said, trial.test)
    return Judged(trial, trial.test, said)


def open_tests(plan: Plan, campaign: Campaign) -> None:
    """Test figures of every arm and seed, each measured once; the networks go afterwards."""
    if plan.setting.protocol != "holdout":
        return
    done = [trial for trial in campaign.trials.values() if trial.state == "complete" and not trial.test]
    for trial in track(done, "opening test", unit="trials"):
        judge(plan, campaign, trial)
        remove_checkpoints(campaign.folder, trial.number)


def _open(plan: Plan, campaign: Campaign, history: TrialHistory) -> None:
    number, setting = history.number, history.setting or plan.setting
    setting = setting.model_copy(update={"accelerate": "none"})  # nothing is trained that it could make faster
    config = get_strategy(setting.strategy).config(**history.asked.config)
    trial = Trial(on_this_machine(setting), config, number, campaign.folder)
    test = trial.open_test(best_weights(campaign.folder, number))
    assert history.best
    write_predictions(campaign.folder, trial, "test", history.best.epoch, test)
    campaign.tested(Tested(number, test.accuracy, test.loss, test.knn, test.metrics))


def difference(a: Judged, b: Judged) -> tuple[float, float]:
    """What a is better by in the metric that trials are picked by, and half of its 95 % interval over the test images."""
    by = a.trial.objective
    if by == ACCURACY:
        return paired_difference(a.correct, b.correct)
    of_a, of_b = a.figures.figure(by.metric), b.figures.figure(by.metric)
    if of_a is None or of_b is None:
        return math.nan, math.nan
    return by.turned(of_a - of_b), 1.96 * jackknife_sd(get_metric(by.metric), a.said, b.said)


def paired_difference(right_a: np.ndarray, right_b: np.ndarray) -> tuple[float, float]:
    """Accuracy of a minus that of b on the same images, and half of its 95 % interval (Wald, paired proportions).

    Images on which both are right (n,) or both wrong cancel; of n images, x only a gets right and y only b gets right.
    """
    n, x, y = len(right_a), int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    difference = (x - y) / n
    return difference, 1.96 * math.sqrt(max(0.0, (x + y) / n - difference**2) / n)
