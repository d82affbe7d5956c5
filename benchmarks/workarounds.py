"""What an update gains by the ways round what torch is slow at in bf16 on AMX, beside one without them.

python -m benchmarks.workarounds [MODEL [PIXELS ...]]
"""

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import torch

from spaces.trial import TrialConfig
from trainables.data.sources import load
from trainables.networks.engine import Engine
from trainables.networks.models import build
from trainables.networks.workarounds import OnTiles

UPDATES, BATCH, ROUNDS, SIZES = 5, 32, 7, (64, 96, 128, 224)
WAYS = {"library": nullcontext(), "ours": OnTiles()}


def seconds(engine: Engine, way: str) -> float:
    """Of one update of a full batch in bf16."""
    engine.workarounds = WAYS[way]
    started = time.perf_counter()
    engine.train(np.arange(UPDATES * BATCH), np.full(UPDATES, 1e-4))
    return (time.perf_counter() - started) / UPDATES


def measured(model: str, size: int, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of an update by either way, in turns; the first round, in which kernels are made, is left out."""
    data = load(f"scenes:count={UPDATES * BATCH}", size)
    network = build(model, len(data.classes), "none", 0, size)
    engine = Engine(network, data.images, data.labels, TrialConfig(batch_size=BATCH), "cpu", "bf16")
    turns = [{way: seconds(engine, way) for way in WAYS} for _ in range(rounds + 1)]
    return {way: [turn[way] for turn in turns[1:]] for way in WAYS}


def main(words: Sequence[str]) -> None:
    torch.set_num_threads(1)
    model, *sizes = words or ("resnet18",)
    for size in map(int, sizes or SIZES):
        taken = measured(model, size)
        low, ratio, high = np.quantile(np.divide(taken["library"], taken["ours"]), (0.25, 0.5, 0.75))
        ours, theirs = (1000 * np.median(taken[way]) for way in ("ours", "library"))
        print(
            f"{model} at {size} px: {theirs:.0f} ms an update, {ours:.0f} with the workarounds: {ratio:.2f} times as "
            f"fast ({low:.2f} to {high:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
