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


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A run of a network of torchvision's, and its images as files beside it."""
    place = tmp_path_factory.mktemp("runs")
    words = ["--space", "finetune", "--model", "resnet18", "--data", "scenes:count=70", "--image-size", "32", "--executor",
             "local", "--epochs", "2", "--samples", "1", "--cpus-per-trial", "1", "--precision", "fp32"]  # fmt: skip
    assert run.main([*words, "--out", str(place), "--name", "mine"]) == run.DONE
    data, _ = load_data(load_run(place / "mine").settings[0])
    for path, image in zip(data.paths, data.images, strict=True):
        (place / "images" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(image)).save(place / "images" / path, "PNG")
    return place


def test_torchvision_alone_has_the_recorded_accuracy(searched):
    recorded = load_run(searched / "mine").history.trials[0].test.accuracy
    found = accuracy_by_torchvision(searched / "mine", 0, searched / "images")
    assert found == pytest.approx(recorded, abs=1e-9)


def blocks(word: str) -> str:
    """The first block of Python on the page with this word in it."""
    return next(code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if word in code)


@pytest.mark.slow  # torch.export takes its time
def test_the_other_snippets_run_as_they_stand(searched, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").symlink_to(searched / "mine")
    for name in ("a.jpg", "b.png"):
        Image.new("RGB", (50, 40), (10, 200, 30)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(blocks("load_model"), names)
    assert [row["path"] for row in names["rows"]] == ["a.jpg", "b.png"] and names["logits"].shape == (1, 7)
    exec("import torch\n" + blocks("torch.export"), names)
    import torch

    x = torch.rand(5, 3, 32, 32)
    torch.testing.assert_close(torch.export.load("model.pt2").module()(x), names["model"](x))
