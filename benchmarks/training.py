"""Rows on training: fine-tuning end to end against the usual loop, and training alone against the bare passes."""

from collections.abc import Iterator
from functools import partial

from benchmarks.table import Row, in_turns
from benchmarks.work import Work, in_own_process


def rows(work: Work, rounds: int) -> Iterator[Row]:
    """Images trained per second of an epoch; the usual loop decodes its files, ours has decoded them once before."""
    ours, usual, bare = in_turns(
        rounds, *(partial(in_own_process, name, work, ours=name != "usual") for name in ("ours", "usual", "bare"))
    )
    end_to_end = [[work.train / epochs[-1]["seconds"] for epochs in found] for found in (ours, usual)]
    yield Row(
        "fine-tuning, an epoch with its evaluation", "images/s", *end_to_end,
        higher_is_better=True, peer_name="ImageFolder, DataLoader, fp32, .item()", target="3.3 times the peer",
    )  # fmt: skip
    alone = [work.train / epochs[-1]["train_seconds"] for epochs in ours]
    floor = [work.train // 32 * 32 / passes["train_seconds"] for passes in bare]
    yield Row(
        "fine-tuning, training alone", "images/s", alone, floor=floor, higher_is_better=True,
        floor_name="bare forward and backward", target="0.93 of the floor",
    )  # fmt: skip
