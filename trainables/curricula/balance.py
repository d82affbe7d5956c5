"""Uneven classes: images of small ones come more often, or count for more. N = training images, C = classes that occur."""

from dataclasses import replace

import numpy as np

from trainables.curricula.base import Floats, Ints, Plan


def balanced(plan: Plan, labels: Ints, rng: np.random.Generator) -> Plan:
    """The plan with images repeated so that each of its classes comes as often as its largest one; labels (N,).

    Every image of a class comes equally often but for one time, which goes to those that come first in an order of all N
    images: so arms that share a seed repeat the same ones.
    """
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels))
    classes = [np.flatnonzero(labels[plan.images] == label) for label in np.unique(labels[plan.images])]
    most = max(len(places) for places in classes)
    ordered = [places[np.argsort(rank[plan.images[places]], kind="stable")] for places in classes]
    at = np.concatenate([np.resize(places, most) for places in ordered])
    return replace(plan, images=plan.images[at], weights=None if plan.weights is None else plan.weights[at])


def class_weights(labels: Ints) -> Floats:
    """(classes,) what an image of each counts in the loss: N / (C n), n images of its class, as scikit-learn has it.

    A class without an image counts nothing.
    """
    counts = np.bincount(labels)
    weights = np.zeros(len(counts))
    weights[counts > 0] = len(labels) / (np.count_nonzero(counts) * counts[counts > 0])
    return weights
