"""Metrics beside loss, accuracy and KNN: one declaration each, from which columns, tables and plots follow.

numpy only. n = images judged, C = classes. What is declared here is computed in every epoch and on test, written as
`eval_<name>`, `selection_<name>` and `test_<name>`, and shown wherever a run has a value of it. Configs and epochs are
still picked by accuracy.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """What a network says of the images of a split, and what would be right."""

    logits: Floats  # (n, C)
    labels: npt.NDArray[np.int64]  # (n,) the class of each image; of several labels, the main one
    targets: Bools | None = None  # (n, C) every label that applies, of the multi-label task only


@dataclass(frozen=True)
class Metric:
    """A figure of one evaluation."""

    name: str  # of its columns; a word of letters, digits and underscores
    title: str  # as a reader calls it
    compute: Callable[[Judged], float | None]  # None where the task has no such figure
    higher_is_better: bool = True
    digits: int = 3  # shown behind the point


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
    metric.name: metric for metric in (Metric("map", "mean average precision", mean_average_precision),)
}


def compute(judged: Judged) -> dict[str, float | None]:
    """Every metric by name."""
    return {name: metric.compute(judged) for name, metric in METRICS.items()}


def titled(figures: dict[str, float | None]) -> list[tuple[str, str]]:
    """(title, value as text) of the figures that there are; one that is not declared here goes by its name."""
    plain = {name: METRICS.get(name, Metric(name, name, lambda judged: None)) for name in figures}
    return [
        (plain[name].title, f"{value:.{plain[name].digits}f}") for name, value in figures.items() if value is not None
    ]
