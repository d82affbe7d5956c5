"""Best networks of heads that are trained side by side: written at the same time, and on disk before a record is heard."""

import errno
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from console.arguments import DONE
from records import files
from records.epoch import EpochRecord
from records.files import read_text
from records.folder import best_weights, predictions_file
from records.history import read_history
from search import run
from tests.search.test_resume import Death, Mortal
from tests.trainables.test_together import head_trial, live
from trainables import trial
from trainables.together import Crew

TINY = ["--data", "scenes:count=70", "--image-size", "16", "--weights", "textures", "--precision", "fp32",
        "--cpus-per-trial", "1", "--executor", "local", "--epochs", "4"]  # fmt: skip
RANDOM = ["--space", "transfer", "--sampler", "random", "--scheduler", "none", "--samples", "4", "--keep", "4"]


def kept(folder, number: int) -> tuple[int, int]:
    """The epochs that the network and the predictions on disk are of."""
    network = json.loads(read_text(best_weights(folder, number), "record") or '{"epoch": 0}')
    said = json.loads(read_text(predictions_file(folder, number, "validation")) or '{"epoch": 0}')
    return network["epoch"], said["epoch"]


def test_a_record_is_heard_when_its_network_is_on_disk(tmp_path, monkeypatch):
    put = files._put
    monkeypatch.setattr(files, "_put", lambda *file: time.sleep(0.05) or put(*file))
    crew, best, compared = Crew(), {}, 0
    for number in range(3):
        crew.add(head_trial(number, seed=number, folder=tmp_path))
    while len(crew):
        for head, heard in list(crew.step()):
            if heard.record is None:
                crew.drop(head.number)
                continue
            if heard.record.better_than(best.get(head.number)):
                best[head.number] = heard.record
            assert kept(tmp_path, head.number) == (best[head.number].epoch,) * 2
            compared += 1
    assert compared == 9


def test_networks_of_several_heads_are_written_at_the_same_time(tmp_path, monkeypatch):
    """Each write waits for another one, which would never come if they were made one after another."""
    put, met, together = files._put, threading.Barrier(2, timeout=20), []

    def meeting(path, content):
        if path.name == "best.safetensors" and len(together) < 2:
            met.wait()
            together.append(path)
        put(path, content)

    monkeypatch.setattr(files, "_put", meeting)
    found = live([head_trial(number, epochs=1, folder=tmp_path) for number in range(2)])
    assert len(together) == 2 and all(isinstance(one, EpochRecord) for said in found.values() for one in said)


def test_a_write_that_fails_is_the_failure_of_its_head_alone(tmp_path, monkeypatch):
    put = files._put

    def failing(path, content):
        if "0001" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(path, content)

    monkeypatch.setattr(files, "_put", failing)
    found = live([head_trial(number, folder=tmp_path) for number in range(3)])
    assert [type(one) for one in found[1]] == [OSError]  # and no record of what is not on disk
    assert [len(found[0]), len(found[2])] == [3, 3]


def test_a_disk_that_fills_up_interrupts_heads_and_they_go_on(tmp_path, monkeypatch, capsys):
    put, place, room = files._put, ["--out", str(tmp_path), "--name", "r"], threading.Semaphore(12)

    def filling(path, content):
        if "checkpoints" in str(path) and not room.acquire(blocking=False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_put", filling)
        assert run.main([*RANDOM, *TINY, *place]) == run.TOO_FEW
    assert "cannot be written any more (OSError: [Errno 28]" in capsys.readouterr().out
    assert run.main(["--resume", *place]) == DONE
    check(tmp_path / "r")


@pytest.mark.parametrize("writes", [9, 14, 21, 29, 37])
def test_heads_that_die_at_a_write_go_on_and_keep_the_network_of_their_best_epoch(tmp_path, monkeypatch, writes):
    place = ["--out", str(tmp_path), "--name", "r"]
    with monkeypatch.context() as patch, ThreadPoolExecutor(8) as writers:  # which ends with the process
        patch.setattr(trial, "WRITERS", writers)
        mortal = Mortal(patch, writes)
        with pytest.raises(Death):
            run.main([*RANDOM, *TINY, *place])
        mortal.bury()
    for number, told in read_history(tmp_path / "r").trials.items():
        assert told.best is None or kept(tmp_path / "r", number)[0] >= told.best.epoch, "the ledger is ahead"
    assert run.main(["--resume", *place]) == DONE
    check(tmp_path / "r")


def check(folder) -> None:
    """Every trial has all of its epochs, and the network and the predictions of the best."""
    trials = read_history(folder).trials
    assert {number: (one.state, len(one.records)) for number, one in trials.items()} == dict.fromkeys(
        range(4), ("complete", 4)
    )
    for number, one in trials.items():
        assert one.best and kept(folder, number) == (one.best.epoch,) * 2
