"""Heads that were trained on cached features: whole networks at the end of a search, composed again of a head-to-head."""

import json

import numpy as np
import pytest
from PIL import Image

from analysis.runs import load_run
from records.files import read_text
from records.folder import best_weights
from search import compare, confirm, replay, run, whole
from trainables import load_model
from trainables.portable.load import complete
from trainables.preparation import load_data

DATA = ["--weights", "none", "--data", "scenes:count=70", "--image-size", "16", "--executor", "local", "--epochs", "2",
        "--cpus-per-trial", "1", "--precision", "fp32"]  # fmt: skip
SEARCH = ["--space", "transfer", *DATA, "--keep", "1", "--anchors", "frozen"]


def part(file):
    return json.loads(read_text(file, "model"))["part"]


def kept(folder):
    return {number: file for number in range(9) if (file := best_weights(folder, number)).is_file()}


def agrees(folder, number, split):
    """Whether what load_model says of the split's images is what the run recorded."""
    loaded = load_run(folder)
    data, _ = load_data(loaded.settings[number])
    recorded = loaded.predictions[number, split]
    images = [Image.fromarray(np.asarray(data.images[at])) for at in recorded["image"]]
    said = np.stack(list(load_model(folder, number).judge(images)))
    return np.abs(said - recorded["probabilities"]).max() <= 1e-6


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert run.main([*SEARCH, "--samples", "3", "--out", str(out), "--name", "r"]) == run.DONE
    return out / "r"


def test_what_a_search_keeps_is_whole_in_the_end(searched, capsys):
    files = kept(searched)
    assert 1 <= len(files) <= 2 and 0 in files  # the anchor, and the best where that is another one
    assert all(part(file) == "whole" and file.stat().st_size > 300_000 for file in files.values())
    assert not any(complete(file) for file in files.values())
    assert agrees(searched, 0, "validation")
    assert replay.main([str(searched / "best.parquet")]) == run.DONE
    assert "The same numbers" in capsys.readouterr().out


def test_a_search_that_is_gone_on_with_completes_what_is_new(searched, tmp_path):
    out = str(searched.parent)
    assert run.main(["--resume", "--out", out, "--name", "r", "--samples", "5", "--keep", "4"]) == run.DONE
    files = kept(searched)
    assert len(files) >= 3 and all(part(file) == "whole" for file in files.values())
    assert all(agrees(searched, number, "validation") for number in files)


def test_a_head_that_cannot_be_completed_stays_and_is_said(tmp_path, monkeypatch, capsys):
    def gone(file):
        raise whole.UsageError(f"{file} holds a head alone.")

    monkeypatch.setattr(whole, "complete", gone)
    assert run.main([*SEARCH, "--samples", "1", "--out", str(tmp_path), "--name", "r"]) == run.DONE
    assert "best.safetensors holds a head alone." in capsys.readouterr().err
    assert part(best_weights(tmp_path / "r", 0)) == "head" and agrees(tmp_path / "r", 0, "test")


def test_a_full_disk_leaves_the_heads_as_they_are(tmp_path, monkeypatch, capsys):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole, "complete", full)
    assert run.main([*SEARCH, "--samples", "1", "--out", str(tmp_path), "--name", "r"]) == run.DONE
    assert "stays a head without its network: there is no room for it." in capsys.readouterr().err


def test_a_head_to_head_keeps_heads_and_each_is_composed_again(tmp_path):
    words = [*DATA, "--strategies", "transfer", "--protocol", "report", "--seeds", "2"]
    assert compare.main([*words, "--out", str(tmp_path), "--name", "h"]) == run.DONE
    files = kept(tmp_path / "h")
    assert len(files) == 2 and all(part(file) == "head" and file.stat().st_size < 20_000 for file in files.values())
    assert all(agrees(tmp_path / "h", number, "test") for number in files)
    assert load_model(tmp_path / "h", 1).about.run.seed == 1  # its backbone is drawn by its own seed


def test_what_is_promoted_is_whole_as_well(tmp_path):
    words = [*SEARCH, "--samples", "2", "--promote", "1", "--promote-size", "24"]
    assert run.main([*words, "--out", str(tmp_path), "--name", "r"]) == run.DONE
    files = kept(tmp_path / "r" / "promoted")
    assert files and all(part(file) == "whole" for file in files.values())
    about = load_model(tmp_path / "r" / "promoted").about
    assert (about.run.name, about.image_size) == ("r-promoted", 24)


def test_a_run_inside_a_run_is_named_after_both(tmp_path):
    from trainables.portable.describe import run_name

    (tmp_path / "r" / confirm.CONFIRM).mkdir(parents=True)
    (tmp_path / "r" / "run.json").touch()
    assert run_name(tmp_path / "r") == "r" and run_name(tmp_path / "r" / confirm.CONFIRM) == "r-confirm"
