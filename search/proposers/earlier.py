"""What earlier searches have shown, as a sampler can take it: values and how they stood there. numpy only.

Accuracies of other data, sizes or budgets are no figures of this search, so a trial is worth its standing among the trials
of its own run: the share of them that it was better than. It is told to the sampler as the score that stands there among
the trials of this search, anew before every draw: this is the transfer by quantiles of Salinas, Shen and Perrone, "A
quantile-based approach for hyperparameter transfer learning" (ICML 2020). Departures: they map all quantiles to a normal
distribution and fit a Gaussian process to them, and here the scale is that of this search, so that a sampler that looks at
the order of trials alone (TPE) and one that looks at their scores both understand it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from records.epoch import Row


@dataclass(frozen=True)
class Observation:
    """A trial of an earlier search: the searched fields that mean something in it, and its standings, 1 being best."""

    values: Row
    standings: tuple[float, ...]  # by objective: the metric and, of two, seconds


def standings(scores: Sequence[float]) -> list[float]:
    """The share of the trials that each is better than, half of itself and of its equals included; (n,) in (0, 1)."""
    of = np.asarray(scores, dtype=float)
    return [float((np.sum(of < one) + 0.5 * np.sum(of == one)) / len(of)) for one in of]


def as_here(standing: float, own: Sequence[float]) -> float:
    """The score at this standing among those of this search; the standing itself while there are none."""
    return float(np.quantile(own, standing)) if len(own) else standing
