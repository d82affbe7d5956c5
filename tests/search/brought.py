"""Small things that a person could bring, and the command line that takes them; the cache is the test's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search import run

COMMON = ["--model", "small_cnn", "--weights", "none", "--image-size", "16", "--epochs", "1", "--precision", "fp32",
          "--executor", "local", "--cpus-per-trial", "1"]  # fmt: skip
TINY = [*COMMON, "--space", "finetune", "--anchors", "none", "--samples", "1"]
ANIMALS = ("cat", "dog", "owl")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(folder: Path, count: int, suffix: str = "png", mode: str = "RGB", seed: int = 0) -> None:
    folder.mkdir(parents=True)
    draw = np.random.default_rng([seed, len(folder.name), count])
    for number in range(count):
        image = Image.fromarray(draw.integers(0, 256, (20, 12, 3), np.uint8))
        made = image.quantize(16) if mode == "P" else image.convert(mode)
        made.save(folder / f"{number:02d}.{suffix}")


def parted(root: Path, **counts: int) -> Path:
    """A folder with so many images of each animal in each part."""
    for place, (part, count) in enumerate(counts.items()):
        for name in ANIMALS:
            fill(root / part / name, count, seed=place)
    return root


def search(tmp_path: Path, data: str | Path, *more: str) -> int:
    return run.main([*TINY, "--data", str(data), "--out", str(tmp_path / "runs"), "--name", "r", *more])


def about(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "runs" / "r" / "run.json").read_text())


def complaint(tmp_path: Path, capsys, data: str | Path, *more: str) -> str:
    assert search(tmp_path, data, *more) == run.WRONG_USAGE
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and not (tmp_path / "runs").exists() and not (tmp_path / "cache").exists()
    return said
