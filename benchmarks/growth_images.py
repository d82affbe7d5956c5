"""python -m benchmarks.growth_images: how time and memory grow with the number of images, their size, and the classes.

Images of noise go through the real cache, engine, curriculum and metric; every size has a process of its own. Three series:
images at 64 px, the side of 2,000 images, the classes of 20,000 images of 32 px. The exponent of a column is its slope over
the series, both on logarithmic scales: 1 is linear.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spaces.self_paced import SelfPacedConfig
from trainables.curricula.base import Difficulty
from trainables.curricula.self_paced import SelfPaced
from trainables.data.cache import Recipe, build_or_open
from trainables.data.stored import Item
from trainables.networks.engine import Engine
from trainables.networks.knn import knn_metric
from trainables.networks.models import build

FIGURES = ("build_s", "open_s", "score_s", "train_s", "plan_s", "knn_s", "memory_mb")


@dataclass(frozen=True)
class Size:
    images: int
    side: int  # pixels
    classes: int


SERIES = {
    "images": [Size(n, 64, 10) for n in (12_500, 25_000, 50_000, 100_000)],
    "side": [Size(2_000, side, 10) for side in (32, 64, 128, 256)],
    "classes": [Size(20_000, 32, classes) for classes in (10, 100, 1_000)],
}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth_images", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a hundredth of the images, in seconds")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.one:
        print(json.dumps(measure(Size(**json.loads(asked.one)))))
        return 0
    for name, sizes in SERIES.items():
        print(f"\n{name} (load average {os.getloadavg()[0]:.1f})\n" + heading(name), flush=True)
        rows = []
        for size in sizes:
            rows.append(
                {**asdict(size), **in_own_process(replace(size, images=size.images // 100) if asked.smoke else size)}
            )
            print(line(name, rows[-1]), flush=True)
        print("exponent " + " ".join(f"{slope(rows, name, figure):>9.2f}" for figure in FIGURES))
    return 0


def in_own_process(size: Size) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth_images", "--one", json.dumps(asdict(size))]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"CURRICULUM_TUNE_CACHE": folder}
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(size: Size) -> dict[str, float]:
    """Seconds of each thing an epoch does over so many images, and the memory that is this process's alone."""
    recipe = make_recipe(size)
    found = {"build_s": seconds(lambda: build_or_open(recipe)), "open_s": seconds(lambda: build_or_open(recipe))}
    data, every = build_or_open(recipe), np.arange(size.images)
    config = SelfPacedConfig(ranking="image_per_class", share_start=0.5)
    engine = Engine(build("small_cnn", size.classes, "none", 0), data.images, data.labels, config, "cpu", "auto")
    engine.score(every[:64], "eval")
    losses: list[np.ndarray] = []
    found["score_s"] = seconds(lambda: losses.append(engine.score(every, "eval")))
    part = every[: size.images // 10]
    found["train_s"] = 10 * seconds(lambda: engine.train(part, np.full(-(-len(part) // 32), 1e-3)))
    curriculum = SelfPaced(np.asarray(data.labels), config)
    known, random = Difficulty(losses[0], every), np.random.default_rng(0)
    found["plan_s"] = seconds(lambda: curriculum.plan(curriculum.begin(), known, random))
    held_out = size.images // 5
    features, labels = torch.randn(held_out, 128), torch.from_numpy(np.array(data.labels[:held_out]))
    found["knn_s"] = seconds(lambda: knn_metric(features, labels))
    return found | {"memory_mb": own_memory_mb()}


def make_recipe(size: Size) -> Recipe:
    """Noise with a tint per class: drawing real scenes would take longer than everything that is measured."""

    def items() -> Iterator[Item]:
        random = np.random.default_rng(0)
        for i in range(size.images):
            image = random.integers(0, 200, (size.side, size.side, 3), dtype=np.uint8)
            image[..., i % 3] += np.uint8(i % size.classes % 50)
            yield Item(image, i % size.classes, f"class{i % size.classes:04}/{i:06}.png")

    classes = tuple(f"class{number:04}" for number in range(size.classes))
    return Recipe("noise", "noise", size.side, size.images, classes, items)


def own_memory_mb() -> float:
    """Resident memory that no other process shares, in MB: without the pages of the image file."""
    for text in Path("/proc/self/status").read_text().splitlines():
        if text.startswith("RssAnon:"):
            return int(text.split()[1]) * 1024 / 1e6
    return float("nan")


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def slope(rows: list[dict[str, float]], name: str, figure: str) -> float:
    """The exponent of the figure over the series: least squares on logarithms."""
    return float(np.polyfit(np.log([row[name] for row in rows]), np.log([row[figure] for row in rows]), 1)[0])


def heading(name: str) -> str:
    return f"{name:>8} " + " ".join(f"{figure:>9}" for figure in FIGURES)


def line(name: str, row: dict[str, float]) -> str:
    return f"{row[name]:>8,} " + " ".join(f"{row[figure]:>9.4g}" for figure in FIGURES)


if __name__ == "__main__":
    sys.exit(main())
