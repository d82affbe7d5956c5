"""Every test here has a cache of its own, and folders of small real pictures to read."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainables.data.test_download import server  # noqa: F401


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The cache folder of this test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", str(folder))
    for name in ("RSSCN7_ROOT", "DTD_ROOT", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder of three classes with four 10 x 6 pictures each; the red value tells class and number."""
    root = tmp_path / "pictures"
    for label, name in enumerate(("apple", "berry", "cherry")):
        (root / name).mkdir(parents=True)
        for number in range(4):
            save_picture(root / name / f"{number}.png", red=50 * label + 10 * number)
    return root


def save_picture(path: Path, red: int) -> None:
    pixels = np.zeros((6, 10, 3), dtype=np.uint8)
    pixels[..., 0] = red
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with rsscn7/ and dtd/ inside, where the person running the tests has one."""
    folder = os.environ.get("CURRICULUM_TUNE_DATA")
    if not folder:
        pytest.skip("CURRICULUM_TUNE_DATA is not set to a folder holding rsscn7/ and dtd/")
    return Path(folder)
