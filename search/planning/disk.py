"""How much disk a run can need at its peak, so that it is refused before it starts and not after a night."""

import shutil
from pathlib import Path

from console.errors import UsageError
from console.progress import amount
from search.options import SearchOptions
from search.schedulers import NONE, RAY_KEEPS, get_scheduler
from trainables.networks.models import Network
from trainables.strategies import get_strategy

RECORD_BYTES = 1_500  # of one epoch in the ledger, and about as much again in the tables
MARGIN_BYTES = 50_000_000


def peak_bytes(options: SearchOptions, anchors: int, network: Network, judged: int) -> int:
    """The most that a run of these options can have on disk at once; `judged` images are predicted per trial.

    Adam keeps two numbers per weight; a file is written beside its place before it takes it, so it counts twice.
    """
    whole = _bytes(network)
    head = options.train == "head" or (options.train is None and get_strategy(options.space).trains == "head")
    best = _bytes(network.head) if head else whole
    checkpoint = whole + 2 * (_bytes(network.head) if head else whole)
    at_once = min(options.samples, options.concurrent or 1)
    kept = min(options.samples, options.keep + anchors + at_once)
    scheduler = get_scheduler(options.scheduler or NONE.name)
    each = checkpoint + best if scheduler.rule else RAY_KEEPS * checkpoint
    waiting = options.samples * each if scheduler.pauses else 0
    per_class = 5 if options.task == "multi_label" else 4  # a probability, and whether the label applies
    predictions = options.samples * judged * (per_class * network.head.out_features + 32)
    records = 2 * RECORD_BYTES * options.samples * options.epochs
    training = kept * best + at_once * (best + 2 * checkpoint) + waiting
    # heads that a search keeps become whole networks when it is over; a head-to-head keeps all, and as they are
    completed = options.keep + anchors + 1 if head and options.keep < options.samples else 0
    afterwards = min(completed, options.samples + 1) * whole
    return max(training, afterwards) + 2 * predictions + records


def _bytes(module: object) -> int:
    tensors = module.state_dict().values()  # type: ignore[attr-defined]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def check_room(folder: Path, needed: int) -> None:
    """Raises UsageError where the disk of a run folder (that need not be there yet) has not enough free."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed + MARGIN_BYTES > free:
        raise UsageError(
            f"This run can need {amount(needed)} of disk at its peak and {there} has {amount(free)} free; make room, pass "
            f"another --out, or keep fewer networks with --keep."
        )
