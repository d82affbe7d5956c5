# ruff: noqa: F811  (fixtures are imported)
"""Networks for other programs: what is written says what torch says and what it is, or is not written."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from records.folder import best_weights
from search import export, export_model, run
from tests.search.test_predict import photos, searched  # noqa: F401
from trainables import load_model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def run_onnx(file, x):
    return onnxruntime.InferenceSession(file).run(None, {"images": x.numpy()})[0]


def run_torchscript(file, x):
    return torch.jit.load(file)(x).detach().numpy()


def about_onnx(file):
    return json.loads({prop.key: prop.value for prop in onnx.load(file).metadata_props}["model"])


def about_torchscript(file):
    extra = {"model.json": ""}
    torch.jit.load(file, _extra_files=extra)
    return json.loads(extra["model.json"])


@pytest.mark.parametrize(("ending", "its_run", "its_about"), [
    ("onnx", run_onnx, about_onnx),
    ("pt", run_torchscript, about_torchscript),
])  # fmt: skip
def test_what_is_written_says_what_torch_says_and_what_it_is(searched, tmp_path, capsys, ending, its_run, its_about):
    out = tmp_path / f"model.{ending}"
    assert export.main([str(searched), "--trial", "1", "--out", str(out)]) == run.DONE
    said = capsys.readouterr()
    assert said.out.startswith(f"{out}: trial 1 of r (small_cnn, 16 px); probabilities within ")
    assert said.out.endswith(" of torch's on 28 images\n") and said.err == ""
    model, x = load_model(searched, 1), torch.rand(9, 3, 16, 16)
    with torch.inference_mode():
        wanted = model.probabilities(x).numpy()
    for batch in (x, x[:1]):
        assert its_run(out, batch) == pytest.approx(wanted[: len(batch)], abs=1e-5)
    content = out.read_bytes() if ending == "onnx" else b"".join(
        archive.read(name) for archive in [zipfile.ZipFile(out)] for name in archive.namelist())  # fmt: skip
    assert str(Path(export.__file__).parent).encode() not in content  # says nothing of where it was made
    about = its_about(out)
    assert about["classes"] == list(model.classes) and about["preprocessing"]["resize"] == "squash"
    assert about["run"]["trial"] == 1 and about["normalised"] == "inside" and about["input"]["range"] == [0, 1]
    assert export.main([str(searched), "--out", str(out)]) == run.WRONG_USAGE  # is there already


def test_what_differs_from_torch_is_not_written(searched, tmp_path, monkeypatch, capsys):
    right = export_model.TorchScript.__call__

    def off(self, network, example, metadata):
        content, run_it = right(self, network, example, metadata)
        return content, lambda images: run_it(images) + 1e-4

    monkeypatch.setattr(export_model.TorchScript, "__call__", off)
    assert export.main([str(searched), "--out", str(tmp_path / "model.pt")]) == run.WRONG_USAGE
    assert "is not written: as torchscript the network gives probabilities that are 1.0e-04 from torch's" in (
        capsys.readouterr().err)  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_every_image_is_compared_and_no_number_is_a_difference(searched):
    model, x = load_model(searched), torch.rand(30, 3, 16, 16)
    seen = []

    def last_is_wrong(images):
        seen.append(len(images))
        said = model.probabilities(images).detach().numpy().copy()
        said[-1, 0] += 0.5 * (sum(seen) == 30)
        return said

    assert export_model.difference(model, last_is_wrong, x) == pytest.approx(0.5, abs=1e-6)
    assert sum(seen) == 30 and 1 in seen
    assert not export_model.difference(model, lambda images: np.full((len(images), 7), np.nan), x) <= 1e-5


def test_pictures_can_be_named_where_the_data_of_the_run_are_not_here(searched, photos, tmp_path, monkeypatch, capsys):
    def gone(setting):
        raise export_model.UsageError("No folder at /gone.")

    monkeypatch.setattr(export_model, "load_data", gone)
    words = [str(best_weights(searched, 0)), "--format", "torchscript", "--out", str(tmp_path / "m.pt")]
    assert export.main(words) == run.WRONG_USAGE
    assert "those of the run are not here (No folder at /gone); pass --images" in capsys.readouterr().err
    assert export.main([*words, "--images", str(photos)]) == run.DONE
    assert "on 12 images" in capsys.readouterr().out


def test_a_missing_package_is_named_with_the_extra(searched, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert export.main([str(searched), "--out", str(tmp_path / "m.onnx")]) == run.WRONG_USAGE
    assert "--format onnx wants the package onnxruntime; install it with pip install -e '.[onnx]'." in (
        capsys.readouterr().err)  # fmt: skip
