"""The Ray trainable without Ray, and what happens when Ray loses its process."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import psutil
import pytest

from records.epoch import WORST
from records.events import Asked, Epoch, to_line
from records.files import read_text
from records.folder import best_weights, last_checkpoint, predictions_file
from spaces.self_paced import AS_RUN, SelfPacedConfig
from spaces.setting import Setting
from trainables.networks.engine import Engine
from trainables.tune import StrategyTrainable

SETTING = Setting(
    strategy="self_paced", data="scenes:count=70", image_size=16, model="small_cnn", epochs=4, precision="fp32"
)


def job(folder: Path, number: int = 0, **values) -> dict:
    config = SelfPacedConfig(**(AS_RUN.values | {"batch_size": 8} | values))
    return {
        "number": number,
        "folder": str(folder),
        "setting": SETTING.model_dump_json(),
        "config": config.model_dump_json(),
    }


def timeless(result: dict) -> dict:
    return {name: value for name, value in result["record"].row().items() if not name.endswith("seconds")}


def test_it_steps_to_the_planned_end(tmp_path):
    trainable = StrategyTrainable(config=job(tmp_path))
    results = [trainable.train() for _ in range(4)]
    assert [r["record"].epoch for r in results] == [1, 2, 3, 4]
    assert [r["done"] for r in results] == [False, False, False, True]
    assert results[-1]["best_score"] == max(r["record"].eval_accuracy for r in results)


def test_ray_is_told_of_scores_of_which_more_is_better_whatever_the_metric(tmp_path):
    by_loss = SETTING.model_copy(update={"metric": "loss", "lower_is_better": True})
    trainable = StrategyTrainable(config=job(tmp_path) | {"setting": by_loss.model_dump_json()})
    results = [trainable.train() for _ in range(4)]
    assert [r["score"] for r in results] == [-r["record"].eval_loss for r in results]
    assert results[-1]["best_score"] == max(r["score"] for r in results)
    balanced = SETTING.model_copy(update={"metric": "balanced_accuracy", "data": "nowhere"})
    failed = StrategyTrainable(config=job(tmp_path, 1) | {"setting": balanced.model_dump_json()}).train()
    assert failed["done"] and failed["failed"] and failed["score"] == failed["best_score"] == WORST


def test_a_checkpoint_of_ray_continues_with_the_same_numbers(tmp_path):
    (tmp_path / "kept").mkdir()
    straight = StrategyTrainable(config=job(tmp_path / "a"))
    expected = [timeless(straight.train()) for _ in range(4)]
    first = StrategyTrainable(config=job(tmp_path / "b"))
    first.train(), first.train()
    first.save_checkpoint(str(tmp_path / "kept"))
    second = StrategyTrainable(config=job(tmp_path / "c"))
    second.load_checkpoint(str(tmp_path / "kept"))
    assert [timeless(second.train()) for _ in range(2)] == expected[2:]


def test_a_reused_process_trains_the_next_trial_as_a_fresh_one_would(tmp_path):
    reused = StrategyTrainable(config=job(tmp_path / "a"))
    reused.train()
    assert reused.reset_config(job(tmp_path / "b", number=1, learning_rate=1e-3))
    fresh = StrategyTrainable(config=job(tmp_path / "c", number=1, learning_rate=1e-3))
    assert timeless(reused.train()) == timeless(fresh.train())


@pytest.mark.parametrize("kept", ["", "failed", "in a circle"])
def test_a_reused_process_has_let_the_old_trial_go_when_it_builds_the_next(tmp_path, monkeypatch, kept):
    """Two networks with their optimisers would take twice the memory, of a GPU as well."""
    reused = StrategyTrainable(config=job(tmp_path / "a"))
    reused.train()
    if kept == "in a circle":  # as what torch compiles may be
        reused.trial.state.engine.itself = reused.trial.state.engine
    if kept == "failed":
        reused.trial.state.engine.evaluate = None
        assert "TypeError" in reused.train()["failed"]
    engine = reused.trial.state.engine
    old = [weakref.ref(each) for each in (reused.trial, engine, engine.network, engine.optimizer)]
    del engine
    seen, init = [], Engine.__init__

    def building(made, *given, **named):
        seen.append([each() for each in old])
        init(made, *given, **named)

    monkeypatch.setattr(Engine, "__init__", building)
    gc.disable()  # by itself it comes when it likes
    try:
        reused.reset_config(job(tmp_path / "b", number=1))
    finally:
        gc.enable()
    assert seen == [[None] * 4] and reused.train()["record"].epoch == 1


def test_a_restarted_trial_goes_on_from_its_last_checkpoint(tmp_path):
    (tmp_path / "ledger.jsonl").touch()
    lost = StrategyTrainable(config=job(tmp_path))
    results = [lost.train(), lost.train()]
    lost.trial.save(last_checkpoint(tmp_path, 0))
    again = StrategyTrainable(config=job(tmp_path))
    assert again.train()["record"] == results[-1]["record"]  # told again: the driver may not have heard of it
    assert again.train()["record"].epoch == 3


def test_a_checkpoint_from_beyond_what_the_ledger_has_is_not_gone_on_from(tmp_path):
    (tmp_path / "ledger.jsonl").touch()
    lost = StrategyTrainable(config=job(tmp_path))
    results = [lost.train() for _ in range(3)]
    lost.trial.save(last_checkpoint(tmp_path, 0))
    best_weights(tmp_path, 0).unlink()  # it would know one more epoch
    again = StrategyTrainable(config=job(tmp_path))
    assert timeless(again.train()) == timeless(results[0])  # epochs 1 and 2 went with the machine: trained again


def test_an_epoch_that_the_ledger_lost_does_not_take_the_place_of_a_better_one_after_it(tmp_path):
    lost = StrategyTrainable(config=job(tmp_path, learning_rate=1e-3))
    records = [lost.train()["record"] for _ in range(3)]
    kept = read_text(best_weights(tmp_path, 0), "record")
    assert json.loads(kept)["epoch"] == 3 and records[1].better_than(
        records[0]
    )  # else epoch 2 would not be kept anyway
    reached = [Asked(0, {}, {}), Epoch(records[0])]  # the disk
    (tmp_path / "ledger.jsonl").write_text("".join(json.dumps(to_line(event)) + "\n" for event in reached))
    again = StrategyTrainable(config=job(tmp_path, learning_rate=1e-3))
    assert [again.train()["record"].epoch for _ in range(3)] == [1, 2, 3]
    assert read_text(best_weights(tmp_path, 0), "record") == kept
    assert json.loads(read_text(predictions_file(tmp_path, 0, "validation")))["epoch"] == 3


def test_a_failure_of_the_trial_is_a_result_and_not_an_exception(tmp_path):
    trainable = StrategyTrainable(
        config=job(tmp_path) | {"setting": SETTING.model_copy(update={"data": "nowhere"}).model_dump_json()}
    )
    result = trainable.train()
    assert result["done"] and "nowhere" in result["failed"] and "Traceback" in result["traceback"]


@pytest.mark.ray
def test_a_lost_worker_is_started_again_and_no_epoch_is_recorded_twice(tmp_path):
    words = ["--data", "scenes:count=105", "--image-size", "32", "--samples", "2", "--epochs", "150", "--anchors", "none",
             "--cpus-per-trial", "1", "--max-failures", "1", "--scheduler", "none",
             "--out", str(tmp_path), "--name", "lost"]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "search.run", *words], stdout=subprocess.PIPE, text=True)
    ledger = tmp_path / "lost" / "ledger.jsonl"
    deadline = time.monotonic() + 90
    while not (ledger.exists() and ledger.read_text().count('"epoch"') > 5) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(_worker_of(process.pid), signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode == 0
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    epochs = [(e["record"]["trial"], e["record"]["epoch"]) for e in events if e["event"] == "epoch"]
    assert epochs == [(trial, epoch) for trial in (0, 1) for epoch in range(1, 151)]


def _worker_of(driver: int) -> int:
    """The process that trains, once it shows up below the driver."""
    for _ in range(100):
        below = psutil.Process(driver).children(recursive=True)
        found = [p.pid for p in below if "ray::ResourceTrainable" in _title(p)]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no worker was found to kill among {[_title(p)[:60] for p in below]}")


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
