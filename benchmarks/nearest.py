"""Rows on the KNN metric: ours against a Python loop over images, and against the report's loop over pairs of images."""

import time
from collections.abc import Callable, Iterator

import torch

from benchmarks.peers import knn_by_pairs, knn_by_rows
from benchmarks.table import Row, in_turns
from trainables.networks.knn import knn_metric


def rows(images: int, features: int, threads: int, rounds: int) -> Iterator[Row]:
    """Seconds for `images` x `features` random features; the peers over part of the images, times the rest."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    x, y = torch.randn(images, features), torch.randint(0, 7, (images,))
    some, few = min(images, 200), min(images, 5)
    knn_metric(x, y)
    ours, by_rows, by_pairs = in_turns(
        rounds,
        lambda: seconds(lambda: knn_metric(x, y)),
        lambda: seconds(lambda: knn_by_rows(x, y, some)) * images / some,
        lambda: seconds(lambda: knn_by_pairs(x, y, few)) * images / few,
    )
    name = f"KNN metric of {images:,} x {features}"
    pairs, one = "loop over pairs, as the report words it", "loop over images, each against all others at once"
    for peer, peer_name, measured in ((by_pairs, pairs, few), (by_rows, one, some)):
        yield Row(name, "s", ours, peer, peer_name=peer_name, target="200 times the peer",
                  note=f"the peer is extrapolated from {measured} images")  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
