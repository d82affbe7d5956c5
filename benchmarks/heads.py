"""Rows on heads over the same features: an epoch of all of them in joined updates against one head after another."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch

from benchmarks.table import Row, in_turns
from spaces.trial import TrialConfig
from trainables.curricula.batches import updates_of
from trainables.networks import models
from trainables.networks.engine import PLAIN
from trainables.networks.feature_engine import FeatureEngine
from trainables.networks.features import Features
from trainables.networks.joined import Request, train_together

CLASSES = 7
SIZES = {"32 images a batch": (32, 32), "9 to 64 images a batch": (9, 64)}  # from, to


def rows(images: int, features: int, heads: int, threads: int, rounds: int) -> Iterator[Row]:
    """Seconds for an epoch of so many heads on `images` x `features` random features."""
    torch.set_num_threads(threads)
    for name, (least, most) in SIZES.items():
        sizes = np.linspace(least, most, heads).round().astype(int)
        joined, alone = (make_requests(images, features, sizes.tolist()) for _ in range(2))
        ours, peer = in_turns(rounds, partial(together, joined), partial(one_by_one, alone))
        yield Row(f"an epoch of {heads} heads on {images:,} x {features} features, {name}", "s", ours, peer,
                  peer_name="one head after another", target="5 times the peer")  # fmt: skip


def make_requests(images: int, features: int, sizes: Sequence[int]) -> list[Request]:
    """An epoch of a head for each batch size."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((images, features), dtype=np.float32)
    known = Features(values, 0.0, "random")
    labels = rng.integers(0, CLASSES, images)
    network = models.build("resnet18", CLASSES, "none", 0, 64)
    network.head = torch.nn.Linear(features, CLASSES)
    network.freeze("head", "frozen")
    made = []
    for size in sizes:
        own = network.with_head(network.head.state_dict())
        engine = FeatureEngine(own, known, labels, TrialConfig(batch_size=size), "cpu")
        order = rng.permutation(images)
        made.append(Request(engine, order, np.full(updates_of(images, size), 1e-3), None, PLAIN))
    return made


def together(requests: Sequence[Request]) -> float:
    started = time.perf_counter()
    train_together(requests)
    return time.perf_counter() - started


def one_by_one(requests: Sequence[Request]) -> float:
    started = time.perf_counter()
    for request in requests:
        request.engine.train(request.order, request.rates)
    return time.perf_counter() - started
