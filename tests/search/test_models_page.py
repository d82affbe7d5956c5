"""docs/models.md: plain torchvision code gets from the file's metadata what the run recorded."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.runs import load_run
from records.folder import best_weights
from search import run
from trainables.preparation import load_data

PAGE = Path(__file__).parent.parent.parent / "docs" / "models.md"
MARK = "<!-- run by tests/search/test_models_page.py -->"


def snippet(file: Path) -> str:
    code = re.search(re.escape(MARK) + r"\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code
    return code[1].replace('"runs/mine/checkpoints/0003/best.safetensors"', repr(str(file)))


def accuracy_by_torchvision(folder: Path, trial: int, images: Path) -> float:
    """Of the code on the page, on the test split, from the pictures below `images`."""
    loaded = load_run(folder)
    data, split = load_data(loaded.settings[trial])
    names: dict = {}
    exec(snippet(best_weights(folder, trial)), names)
    paths = [images / data.paths[at] for at in split.test]
    true = [data.classes[data.labels[at]] for at in split.test]
    said = [each for start in range(0, len(paths), 64) for each in names["predicted"](paths[start : start + 64])]
    return float(np.mean([a == b for a, b in zip(said, true, strict=True)]))


def test_torchvision_alone_has_the_recorded_accuracy(tmp_path):
    words = ["--space", "finetune", "--model", "resnet18", "--data", "scenes:count=70", "--image-size", "16", "--executor",
             "local", "--epochs", "2", "--samples", "1", "--cpus-per-trial", "1", "--precision", "fp32"]  # fmt: skip
    assert run.main([*words, "--out", str(tmp_path), "--name", "r"]) == run.DONE
    loaded = load_run(tmp_path / "r")
    data, _ = load_data(loaded.settings[0])
    for path, image in zip(data.paths, data.images, strict=True):
        place = tmp_path / "images" / f"{path}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(image)).save(place)
        place.rename(tmp_path / "images" / path)
    recorded = loaded.history.trials[0].test.accuracy
    assert accuracy_by_torchvision(tmp_path / "r", 0, tmp_path / "images") == pytest.approx(recorded, abs=1e-9)
