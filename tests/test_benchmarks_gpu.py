"""The benchmark of a GPU, run on a CPU: that all of it runs and says what it has not done. Of speed it says nothing."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import gpu, gpu_accuracy, gpu_work
from benchmarks.gpu_work import Job

TINY = Job("ways", "small_cnn", 16, "cpu", "fp32", images=40, batch=16, rounds=2, at_once=(1, 2))


def test_the_bare_loop_and_ours_are_the_same_training():
    """The floor is worth something only if it does the same updates: the same weights after the same passes."""
    made = []
    job = replace(TINY, precision="fp32")
    with pytest.MonkeyPatch.context() as patch:
        real = gpu_work.network_of
        patch.setattr(gpu_work, "network_of", lambda job: made.append(real(job)) or made[-1])
        images, labels = gpu_work.images_of(job)
        ours = gpu_work.Together(job, [gpu_work.engine_of(job, images, labels)])
        half = gpu_work.half_of(ours.engines[0], job)
        floor = gpu_work.bare_loop(job, torch.from_numpy(images), torch.from_numpy(labels), half)
    before = real(job).state_dict()
    assert half is None and ours() > 0 and floor() > 0
    for (name, mine), bare in zip(made[0].state_dict().items(), made[1].state_dict().values(), strict=True):
        torch.testing.assert_close(mine, bare, rtol=1e-4, atol=1e-5, msg=name)
    assert not torch.equal(made[0].head.weight, before["head.weight"])


def test_the_floor_computes_in_what_ours_does():
    engine = gpu_work.engine_of(replace(TINY, precision="bf16"), *gpu_work.images_of(TINY))
    assert gpu_work.half_of(engine, TINY) is torch.bfloat16


def test_every_way_has_its_row_and_as_many_passes_as_its_floor():
    rows = {row.pop("way"): row for row in gpu_work.ways(TINY)}
    assert list(rows) == TINY.expected == ["ours", "graph", "2 at once, threads"]
    for row in rows.values():
        assert row.get("skipped") or (len(row["ours"]) == len(row["floor"]) == 2 and min(row["ours"]) > 0)
    assert "skipped" not in rows["ours"] and "skipped" not in rows["2 at once, threads"]


def test_trials_at_once_share_one_copy_of_the_images_and_each_trains():
    engines = [gpu_work.engine_of(TINY, *gpu_work.images_of(TINY)) for _ in range(3)]
    before = [engine.network.head.weight.clone() for engine in engines]
    gpu_work.Together(TINY, engines)()
    assert {engine.inputs.data_ptr() for engine in engines} == {engines[0].inputs.data_ptr()}
    assert not any(torch.equal(was, engine.network.head.weight) for was, engine in zip(before, engines, strict=True))


def test_a_way_that_fails_or_no_longer_fits_is_named(monkeypatch):
    def out_of_memory(*what):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.\nOf which ...")

    monkeypatch.setattr(gpu_work, "_several", out_of_memory)
    assert list(gpu_work.ways(TINY))[-1] == {
        "way": "2 at once, threads", "skipped": "OutOfMemoryError: CUDA out of memory."}  # fmt: skip
    late = list(gpu_work.ways(replace(TINY, ends=time.monotonic() + 1)))
    assert [row["skipped"].split(", ")[1] for row in late] == ["and it wants 2"] * 3


def test_a_training_to_the_target_says_when_it_was_reached_and_when_not():
    job = replace(TINY, kind="accuracy", data="scenes:count=70", target=0.1, epochs=2, seeds=(0, 1), accelerations=())
    (row,) = gpu_accuracy.accuracy(job)
    assert row["way"] == "to 0.100, ours" and len(row["trainings"]) == 2
    for training in row["trainings"]:
        assert training["reached"] == (max(training["accuracies"]) >= 0.1) and training["best"] > 0
    (never,) = gpu_accuracy.accuracy(replace(job, target=1.1, epochs=1))
    assert never["seconds"] == [] and never["note"].startswith("2 of 2 seeds did not reach it in 1 epochs (best 0.")


def test_several_processes_are_as_fast_as_the_last_of_them(monkeypatch):
    class Made:
        def __init__(self, ended):
            self.ended = ended

        def go(self):
            pass

        def row(self):
            return {"started": 10.0, "ended": self.ended, "peak_mb": 7.0}

    row = gpu._processes_row(TINY, [Made(12.0), Made(14.0)])
    assert row == {"ours": [2 * 40 / 4] * 2, "peak_mb": 14.0}


def test_rows_that_a_process_did_not_give_are_named_with_what_it_died_of(monkeypatch):
    def dies(job, why):
        yield {"way": "ours", "ours": [9.0, 8.0, 10.0], "floor": [10.0, 10.0, 10.0]}
        why[0] = "the process ended with -9: killed"

    monkeypatch.setattr(gpu, "one_process", dies)
    rows = list(
        gpu.measured(
            [("ways", TINY), ("compile", replace(TINY, accelerations=("compile",), at_once=()))], time.monotonic() + 60
        )
    )
    gpu.as_ratios(rows)
    assert rows[0]["skipped"] == "no --root and --weights were given"
    assert rows[1]["of_floor"] == 0.9
    skipped = {row["way"]: row["skipped"] for row in rows[2:]}
    assert skipped == dict.fromkeys(("graph", "2 at once, threads", "compile"), "the process ended with -9: killed")
    told = gpu.table(rows)
    assert "| small_cnn | 16 | ours | 9 (8 to 10) images/s | 10 | 0.90 |  |" in told
    assert all(f"| {way} | skipped: the process ended with -9" in told for way in skipped)


def test_a_machine_without_a_gpu_is_told_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert capsys.readouterr().err.startswith("Error: --device cuda wants a GPU, and torch sees none here;")


def test_sizes_of_a_transformer_are_whole_patches():
    assert [gpu.side("vit_s_14", size) for size in (128, 256)] == [126, 252] and gpu.side("resnet18", 256) == 256


def test_the_parts_are_those_that_were_promised():
    asked = gpu._parser().parse_args(["--root", "data", "--weights", "w.pth"])
    todo = gpu.parts(asked)
    scenes = {(job.network, job.size) for name, job in todo if name == "ways"}
    assert scenes == {("resnet18", 128), ("resnet18", 256), ("vit_s_14", 126), ("vit_s_14", 252)}
    for name in ("processes", "compile"):
        assert {(job.network, job.size) for part, job in todo if part == name} == scenes
    (last,) = [job for name, job in todo if name == "accuracy"]
    assert (last.network, last.size, last.data, last.target) == ("resnet18", 256, "rsscn7", 0.95)
    assert max(todo[0][1].at_once) == 8


@pytest.mark.slow
def test_all_of_it_runs_tiny_and_writes_json(tmp_path, capsys):
    out = tmp_path / "gpu.json"
    assert gpu.main(["--device", "cpu", "--smoke", "--precision", "fp32", "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    assert {"card", "torch", "cuda", "cudnn", "commit", "clock_before"} <= written["machine"].keys()
    assert written["machine"]["says_nothing_of_speed"]
    rows = {row["way"]: row for row in written["rows"]}
    ran = {"ours", "2 at once, threads", "1 at once, processes", "2 at once, processes", "to 0.100, ours"}
    assert not [rows[way] for way in ran if "skipped" in rows[way]]
    assert rows.keys() - ran == {"graph", "compile", "to 0.100, graph"}
    assert all(np.isfinite(rows[way]["of_floor"]) for way in ran if "to" not in way)
    assert "tiny, which says nothing of speed" in capsys.readouterr().out


@pytest.mark.slow
def test_a_process_that_dies_says_of_what():
    why = [""]
    assert not list(gpu.one_process(replace(TINY, network="no_such_network", ends=time.monotonic() + 300), why))
    assert why[0].startswith("the process ended with 1: ") and "no_such_network" in why[0]
