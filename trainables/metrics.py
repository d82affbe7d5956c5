"""Metrics beside KNN: one declaration each, from which columns, tables, plots and what may be picked by follow.

numpy only. n = images judged, C = classes. What METRICS declares is computed in every epoch and on test, and written as
`eval_<name>`, `selection_<name>` and `test_<name>`. Accuracy and loss are every evaluation's own; what --metric may name is
either: OBJECTIVES.
"""

import math
from collections import ChainMap
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
LARGEST_LOSS = 1000.0  # nats; more is said in powers of ten


@dataclass(frozen=True)
class Judged:
    """What a network says of the images of a split, and what would be right."""

    logits: Floats  # (n, C)
    labels: Ints  # (n,) the class of each image; of several labels, the main one
    targets: Bools | None = None  # (n, C) every label that applies, of the multi-label task only


@dataclass(frozen=True)
class Metric:
    """A figure of one evaluation."""

    name: str  # of its columns; a word of letters, digits and underscores
    title: str  # as a reader calls it
    compute: Callable[[Judged], float | None]  # None where the task has no such figure
    higher_is_better: bool = True
    digits: int = 3  # shown behind the point
    unit: str = ""  # of its differences; without one it lies in [0, 1], and they are said in points
    shown: bool = True  # in every table; else only where it is what was picked by


def accuracy(judged: Judged) -> float:
    """The share of the images whose likeliest class is right; of several labels, is among them."""
    likeliest = judged.logits.argmax(axis=1)
    if judged.targets is None:
        return float(np.mean(likeliest == judged.labels))
    return float(np.mean(judged.targets[np.arange(len(likeliest)), likeliest]))


def loss(judged: Judged) -> float:
    """Mean cross-entropy in nats; of several labels, the binary one, averaged over classes."""
    if judged.targets is None:
        own = judged.logits[np.arange(len(judged.labels)), judged.labels]
        return float(np.mean(np.logaddexp.reduce(judged.logits, axis=1) - own))
    return float(np.mean(np.logaddexp(0, judged.logits) - judged.targets * judged.logits))


def balanced_accuracy(judged: Judged) -> float | None:
    """The mean over the classes that occur of the share of their images that are recognised (mean recall).

    The definition of scikit-learn's balanced_accuracy_score. None for several labels: naming every class would be best.
    """
    if judged.targets is not None or not len(judged.labels):
        return None
    classes = judged.logits.shape[1]
    right = np.bincount(judged.labels[judged.logits.argmax(axis=1) == judged.labels], minlength=classes)
    images = np.bincount(judged.labels, minlength=classes)
    occurs = images > 0
    return float(np.mean(right[occurs] / images[occurs]))


def macro_f1(judged: Judged) -> float | None:
    """The mean of F1 over the classes that occur among labels or predictions, without regard to how many images each has.

    F1 = 2 tp / (2 tp + fp + fn), the definition of scikit-learn's f1_score(average="macro", zero_division=0). Of several
    labels those with a probability above one half are predicted. None where nothing occurs.
    """
    classes = judged.logits.shape[1]
    if judged.targets is None:
        predicted = judged.logits.argmax(axis=1)
        right = np.bincount(judged.labels[predicted == judged.labels], minlength=classes)
        named = np.bincount(judged.labels, minlength=classes) + np.bincount(predicted, minlength=classes)
    else:
        chosen = judged.logits > 0
        right, named = (chosen & judged.targets).sum(axis=0), judged.targets.sum(axis=0) + chosen.sum(axis=0)
    occurs = named > 0
    return float(np.mean(2 * right[occurs] / named[occurs])) if occurs.any() else None


def mean_average_precision(judged: Judged) -> float | None:
    """The mean over the classes that occur of `average_precision`; None where none occurs or there are no labels."""
    if judged.targets is None:
        return None
    occurring = np.flatnonzero(judged.targets.any(axis=0))
    each = [average_precision(judged.logits[:, label], judged.targets[:, label]) for label in occurring]
    return sum(each) / len(each) if each else None


def average_precision(scores: Floats, relevant: Bools) -> float:
    """The sum over thresholds of (recall gained) x (precision there), without interpolation.

    Equal scores are one threshold. scores (n,), relevant (n,) with at least one True. The definition of scikit-learn's
    average_precision_score.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], np.cumsum(relevant[order], dtype=np.float64)
    last = np.append(ranked[1:] != ranked[:-1], True)  # of the images with its score
    right, taken = right[last], np.flatnonzero(last) + 1
    gained = np.diff(right, prepend=0.0)
    return float((gained * right / taken).sum() / right[-1])


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("balanced_accuracy", "balanced accuracy", balanced_accuracy, shown=False),
        Metric("macro_f1", "macro F1", macro_f1, shown=False),
        Metric("map", "mean average precision", mean_average_precision),
    )
}
OWN = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", accuracy),
        Metric("loss", "loss", loss, higher_is_better=False, unit="nats"),
    )
}
OBJECTIVES: MutableMapping[str, Metric] = ChainMap(METRICS, OWN)  # what is declared later counts as well


def compute(judged: Judged) -> dict[str, float | None]:
    """Every metric by name."""
    return {name: metric.compute(judged) for name, metric in METRICS.items()}


def has_figure(name: str, several: bool) -> bool:
    """Whether the task, of one label or of `several`, has such a figure at all: asked of two images, one of each class."""
    targets = np.eye(2, dtype=np.bool_) if several else None
    return OBJECTIVES[name].compute(Judged(np.eye(2), np.arange(2), targets)) is not None


def chance(name: str, counts: Ints, images: int, several: bool) -> float:
    """What a network comes to that has seen nothing, on `images` of which counts (C,) have each class.

    Accuracy: one of the classes at random. Everything else: the same answer for every image, all classes alike as far as
    probabilities go (a loss of log C) and the most frequent one where one is chosen.
    """
    if name == "accuracy":
        return 1 / len(counts)
    often_first = np.sort(counts)[::-1]
    labels = np.repeat(np.arange(len(counts)), often_first)
    targets = np.arange(images)[:, None] < often_first if several else None
    blank = Judged(np.zeros((images if several else len(labels), len(counts))), labels, targets)
    return OBJECTIVES[name].compute(blank) or 0.0 if name in OBJECTIVES else 0.0


def get_metric(name: str) -> Metric:
    """The metric of this name; one that is not declared here, of a run from elsewhere, goes by its name."""
    return OBJECTIVES.get(name) or Metric(name, name, lambda judged: None)


def as_text(name: str, value: float | None) -> str:
    """'0.912', '1.2e+05'; a dash where there is no figure."""
    if value is None or math.isnan(value):
        return "-"
    metric = get_metric(name)
    return f"{value:.{metric.digits}f}" if not metric.unit or value < LARGEST_LOSS else f"{value:.1e}"


def shown_beside(figures: dict[str, float | None], picked_by: str = "accuracy") -> list[str]:
    """The names of the further metrics that a reader is shown: what was picked by first."""
    names = [name for name, value in figures.items() if value is not None]
    return sorted((n for n in names if get_metric(n).shown or n == picked_by), key=lambda name: name != picked_by)


def titled(figures: dict[str, float | None], picked_by: str = "accuracy") -> list[tuple[str, str]]:
    """(title, value as text) of the figures that a reader is shown."""
    return [(get_metric(name).title, as_text(name, figures[name])) for name in shown_beside(figures, picked_by)]
