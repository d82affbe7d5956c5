"""What augmentation, kept losses and smaller sides cost: an epoch's training with them, beside the same epoch without.

python -m benchmarks.augmenting [MODEL]
"""

import sys
import time

import numpy as np
import torch

from spaces.trial import TrialConfig
from trainables.curricula.batches import updates_of
from trainables.data.sources import load
from trainables.networks.engine import PLAIN, Engine, Manner
from trainables.networks.models import build
from trainables.views import draw_views

IMAGES, SIZE, ROUNDS = 448, 64, 9
WAYS: dict[str, dict[str, object]] = {
    "none": {},
    "flips": {"augment": "flips"},
    "crop": {"crop": 0.3},
    "colour jitter": {"colour_jitter": 0.4},
    "RandAugment": {"policy": "randaugment"},
    "TrivialAugment": {"policy": "trivialaugment"},
    "random erasing": {"random_erasing": 0.5},
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0},
    "flips, crop, jitter, mixup": {"augment": "flips", "crop": 0.3, "colour_jitter": 0.4, "mixup": 0.4},
}
MANNERS = {
    "the loss of each image kept": Manner(keeps_losses=True),
    "three quarters of the side": Manner(side=48),
    "half the side": Manner(side=32),
}


def seconds(engine: Engine, config: TrialConfig, epoch: int, manner: Manner = PLAIN) -> float:
    """Of one epoch over all images, drawing included."""
    order = np.arange(IMAGES)
    started = time.perf_counter()
    views = draw_views(config, 0, epoch, order, IMAGES, engine.size) if config.augments else None
    engine.train(order, np.full(updates_of(IMAGES, config.batch_size), 1e-4), None, views, manner)
    return time.perf_counter() - started


def main(model: str) -> None:
    """Ways in turns: medians over the rounds, and of the ratios to the plain epoch of the same round, with quartiles."""
    torch.set_num_threads(1)
    data = load(f"scenes:count={IMAGES}", SIZE)
    engine = Engine(
        build(model, len(data.classes), "none", 0, SIZE), data.images, data.labels, TrialConfig(), "cpu", "fp32"
    )
    configs = {name: TrialConfig.model_validate(fields) for name, fields in WAYS.items()}
    seconds(engine, configs["none"], 0)
    taken: dict[str, list[float]] = {name: [] for name in (*WAYS, *MANNERS)}
    for epoch in range(ROUNDS):
        for name, config in configs.items():
            taken[name].append(seconds(engine, config, epoch))
        for name, manner in MANNERS.items():
            taken[name].append(seconds(engine, configs["none"], epoch, manner))
    for name, values in taken.items():
        low, ratio, high = np.quantile(np.divide(values, taken["none"]), (0.25, 0.5, 0.75))
        print(f"{model}  {name:28s} {np.median(values):6.2f} s  {ratio:5.2f} times none ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "small_cnn")
