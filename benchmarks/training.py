"""Rows on training: fine-tuning end to end against the usual loop, and training alone against the bare passes."""

from collections.abc import Iterator
from functools import partial

from benchmarks.table import Row, in_turns
from benchmarks.work import Work, in_own_process


def rows(work: Work, rounds: int) -> Iterator[Row]:
    """Images trained per second of an epoch; the usual loop decodes its files, ours has decoded them once before."""
    found: dict[str, list] = {"ours": [], "usual": [], "bare": []}
    in_turns(rounds, *(partial(_measure, found, name, work) for name in found))
    end_to_end = {name: [work.train / rows[-1]["seconds"] for rows in found[name]] for name in ("ours", "usual")}
    yield Row(
        "fine-tuning, an epoch with its evaluation", "images/s", end_to_end["ours"], end_to_end["usual"],
        higher_is_better=True, peer_name="ImageFolder, DataLoader, fp32, .item()", target="3.3 times the peer",
    )  # fmt: skip
    ours = [work.train / rows[-1]["train_seconds"] for rows in found["ours"]]
    floor = [work.train // 32 * 32 / row["train_seconds"] for row in found["bare"]]
    yield Row(
        "fine-tuning, training alone", "images/s", ours, floor=floor, higher_is_better=True,
        floor_name="bare forward and backward", target="0.93 of the floor",
    )  # fmt: skip


def _measure(found: dict[str, list], name: str, work: Work) -> float:
    found[name].append(in_own_process(name, work, ours=name != "usual"))
    return 0.0
