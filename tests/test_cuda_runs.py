"""Searches on a GPU, and runs that go from a machine with one to a machine without and back; see device.py."""

import shutil

import numpy as np
import pytest

pytest.importorskip("pandas", reason="runs are read with pandas, and it is not here")

from analysis import difficulty
from analysis.explaining.networks import open_network
from analysis.runs import load_run
from records.files import write_json
from records.folder import read_run
from search import run
from tests.device import DEVICE, TOLERANCE, needs_the_device

pytestmark = needs_the_device
SEARCH = ["--data", "scenes:count=105", "--image-size", "16", "--executor", "local", "--epochs", "2", "--samples", "1",
          "--cpus-per-trial", "1", "--precision", "fp32", "--gpus-per-trial", "1" if DEVICE == "cuda" else "0"]  # fmt: skip


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search whose trials were trained on the device."""
    out = tmp_path_factory.mktemp("runs")
    assert run.main([*SEARCH, "--space", "finetune", "--out", str(out), "--name", "r"]) == run.DONE
    return out / "r"


def of_device(folder, to, device: str):
    """The run folder copied, as if its trials had been trained on this device."""
    shutil.copytree(folder, to)
    about = read_run(to)
    about["setting"]["device"] = device
    write_json(to / "run.json", about)
    return to


def test_a_search_trains_on_the_device_and_opens_test(searched):
    loaded = load_run(searched)
    assert {setting.device for setting in loaded.settings.values()} == {DEVICE}
    assert loaded.finals["test_accuracy"].notna().any() and (loaded.finals["state"] == "complete").all()


def test_a_run_of_a_gpu_is_opened_where_there_is_none(searched, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("trainables.preparation.gpus_here", lambda: 0)
    folder = of_device(searched, tmp_path / "r", "cuda")
    network = open_network(load_run(folder), None)
    assert network.setting.device == "cpu" and network.engine.probabilities(network.data.images[:2]).shape == (2, 7)
    assert difficulty.main([str(folder), "--seeds", "1", "--out", str(tmp_path / "out")]) == run.DONE
    assert "was trained on a GPU and there is none here" in capsys.readouterr().err


def test_a_run_of_a_cpu_is_opened_on_a_gpu(searched, tmp_path):
    """What was trained here, taken for a CPU's, and taken for this device's: the same network says the same."""
    said = []
    for device in ("cpu", DEVICE):
        folder = of_device(searched, tmp_path / f"r-{len(said)}", device)
        network = open_network(load_run(folder), None)
        assert network.engine.device.type == device
        said.append(network.engine.probabilities(network.data.images[:8]))
        assert difficulty.main([str(folder), "--seeds", "1", "--out", str(tmp_path / f"out-{len(said)}")]) == run.DONE
    assert np.allclose(*said, atol=TOLERANCE)


def test_heads_are_trained_together_on_the_device(tmp_path):
    words = [
        *SEARCH,
        "--space",
        "transfer",
        "--sampler",
        "random",
        "--samples",
        "4",
        "--weights",
        "none",
        "--out",
        str(tmp_path),
    ]
    assert run.main([*words, "--name", "heads"]) == run.DONE
    heads = load_run(tmp_path / "heads")
    assert (heads.finals["state"] == "complete").all() and len(heads.finals) == 4
    assert np.isfinite(heads.records["eval_loss"]).all()
