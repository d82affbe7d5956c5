"""What a process has used of memory, trial by trial."""

import numpy as np
import pytest
import torch

from tests.toy import make_trial
from trainables import machine
from trainables.machine import peak_memory_mb, reset_peak_memory


@pytest.mark.skipif(not (machine.PROCESS / "clear_refs").exists(), reason="the system keeps a process's peak for ever")
def test_the_peak_is_of_the_trial_and_not_of_those_before():
    make_trial()  # which keeps memory, and loads what trials need
    reset_peak_memory("cpu")
    before = peak_memory_mb("cpu")
    large = np.ones(300_000_000, np.uint8)
    peak = peak_memory_mb("cpu")
    assert peak > before + 250
    del large
    assert peak_memory_mb("cpu") >= peak
    reset_peak_memory("cpu")
    own = peak_memory_mb("cpu")
    assert own < peak - 250
    held = np.ones(200_000_000, np.uint8)
    assert peak_memory_mb("cpu") > own + 150
    del held
    make_trial()
    assert peak_memory_mb("cpu") < own + 150


def test_elsewhere_it_is_that_of_the_process(tmp_path, monkeypatch):
    known = peak_memory_mb("cpu")
    monkeypatch.setattr(machine, "PROCESS", tmp_path / "none")
    reset_peak_memory("cpu")
    assert 10 < peak_memory_mb("cpu") < 100 * known


def test_on_a_gpu_it_is_what_torch_has_had_there(monkeypatch):
    reset = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: reset.append("now"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 12_500_000)
    reset_peak_memory("cuda")
    assert reset == ["now"] and peak_memory_mb("cuda") == 12.5
