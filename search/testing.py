"""TODO."""

import math
from dataclasses import dataclass

import numpy as np

from console.progress import track
from records.files import read_arrays
from records.folder import best_weights, predictions_file
from records.history import TrialBook
from search.campaign import Campaign
from search.planning.plan import Plan
from trainables.preparation import on_this_machine
from trainables.strategies import get_strategy
from trainables.trial import Trial, write_predictions


@dataclass(frozen=True)
class Judged:
    """A trial and what its selected network does on test."""

    book: TrialBook
    accuracy: float
    loss: float
    knn: float
    map: float | None
    correct: np.ndarray  # (n,) bool, by image of the test split


def best_of(campaign: Campaign) -> tuple[TrialBook | None, TrialBook | None]:
    """The best trial, and the best anchor, by the split that epochs are judged on."""
    ranked = campaign.ranked()
    anchors = [book for book in ranked if book.proposal.anchor]
    return (ranked[0] if ranked else None), (anchors[0] if anchors else None)


def open_test(plan: Plan, campaign: Campaign) -> list[Judged]:
    """Test figures of the best trial and of the best anchor, each measured once and entered in the ledger."""
    books = [book for book in best_of(campaign) if book is not None]
    unique = {book.proposal.number: book for book in books}
    return [judge(plan, campaign, book) for book in track(list(unique.values()), "opening test", unit="trials")]


def judge(plan: Plan, campaign: Campaign, book: TrialBook) -> Judged:
    """Open test for a trial, unless a run that is resumed has done so before."""
    number = book.proposal.number
    if number not in campaign.tests:
        _open(plan, campaign, book)
    said, _ = read_arrays(predictions_file(campaign.folder, number, "test"))
    figures = campaign.tests[number]
    return Judged(book, figures["accuracy"], figures["loss"], figures["knn"], figures.get("map"), said["correct"])


def _open(plan: Plan, campaign: Campaign, book: TrialBook) -> None:
    number = book.proposal.number
    setting = book.proposal.setting or plan.setting
    config = get_strategy(setting.strategy).config(**book.proposal.config)
    trial = Trial(on_this_machine(setting), config, number, campaign.folder)
    test = trial.open_test(best_weights(campaign.folder, number))
    assert book.best
    write_predictions(campaign.folder, trial, "test", book.best.epoch, test)
    campaign.test(number, {"accuracy": test.accuracy, "loss": test.loss, "knn": test.knn, "map": test.map})


def paired_difference(right_a: np.ndarray, right_b: np.ndarray) -> tuple[float, float]:
    """Accuracy of a minus that of b on the same images, and half of its 95 % interval (Wald, paired proportions).

    Images on which both are right (n,) or both wrong cancel; of n images, x only a gets right and y only b gets right.
    """
    n, x, y = len(right_a), int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    difference = (x - y) / n
    return difference, 1.96 * math.sqrt(max(0.0, (x + y) / n - difference**2) / n)
