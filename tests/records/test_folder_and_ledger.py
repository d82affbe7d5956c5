"""Run folders: nothing half-written, nothing silently lost, nothing unpickled."""

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from console.errors import UsageError
from records.events import Asked, Ended, Epoch, Placed, Resumed
from records.files import read_arrays, write_arrays, write_bytes, write_json
from records.folder import (
    best_weights,
    last_checkpoint,
    ledger_file,
    predictions_file,
    read_run,
    remove_checkpoints,
    trial_folder,
)
from records.history import RunHistory
from records.ledger import Ledger, read_events
from records.predictions import read_predictions
from tests import made_runs
from tests.analysis.test_runs_and_tables import record
from tests.made_runs import about
from tests.toy import make_trial
from tests.trainables.networks.test_models import Code, said

EVENTS = [Asked(0, {"gate": 0.1 + 0.2}, {}), Placed(0, "here", "", ("1",), 2), Ended(0, "complete", time=1.5)]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A run folder whose ledger holds three events."""
    ledger = Ledger(tmp_path)
    for event in EVENTS:
        ledger.append(event)
    ledger.close()
    return tmp_path


def test_what_was_appended_is_read_in_order_and_exactly(folder):
    assert read_events(folder) == EVENTS


def test_an_event_is_in_the_file_when_append_returns(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append(Asked(4, {}, {}))
    assert read_events(tmp_path) == [Asked(4, {}, {})]
    ledger.close()


def test_a_ledger_is_continued_and_not_overwritten(folder):
    ledger = Ledger(folder)
    ledger.append(Resumed(7))
    ledger.close()
    assert read_events(folder) == [*EVENTS, Resumed(7)]


@pytest.mark.parametrize("torn", [b'{"event": "epo', b"{", b'{"event": "whole, but without its newline"}', b"\xff\xfe"])
def test_a_torn_last_line_is_left_out_and_cut_by_the_next_writer(folder, torn):
    file = ledger_file(folder)
    whole = file.read_bytes()
    file.write_bytes(whole + torn)
    assert read_events(folder) == EVENTS
    assert file.read_bytes() == whole + torn  # a reader changes nothing
    Ledger(folder).close()
    assert file.read_bytes() == whole


def test_a_writer_goes_on_in_a_new_line_after_a_torn_one(folder):
    with ledger_file(folder).open("ab") as file:
        file.write(b'{"event": "epo')
    ledger = Ledger(folder)
    ledger.append(Resumed(7))
    ledger.close()
    assert read_events(folder) == [*EVENTS, Resumed(7)]


def test_a_ledger_that_is_one_torn_line_is_empty(tmp_path):
    ledger_file(tmp_path).write_bytes(b'{"event"')
    Ledger(tmp_path).close()
    assert ledger_file(tmp_path).read_bytes() == b""
    assert read_events(tmp_path) == []


@pytest.mark.parametrize("damage", [b'{"event": "epo', b"", b"\x00\x00\x00", b"\xff\xfe"])
def test_a_damaged_line_in_the_middle_is_an_error_that_names_the_line(folder, damage):
    file = ledger_file(folder)
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([lines[0], damage, *lines[2:]]))
    assert said(read_events, folder) == f"{file}, line 2 is damaged; the run cannot be trusted."


def test_a_number_that_is_not_finite_is_not_written(folder):
    ledger = Ledger(folder)
    with pytest.raises(ValueError):
        ledger.append(Asked(1, {"gate": float("nan")}, {}))
    ledger.close()
    assert read_events(folder) == EVENTS


OTHER_WRITER = """
import sys
from pathlib import Path
from console.errors import UsageError
from records.events import Resumed
from records.ledger import Ledger
try:
    Ledger(Path(sys.argv[1])).append(Resumed(8))
except UsageError as error:
    print(error)
"""


def other_writer(folder: Path) -> str:
    """What another process says that wants to write this ledger."""
    here = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(here)}
    words = [sys.executable, "-c", OTHER_WRITER, str(folder)]
    return subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_a_second_writer_is_refused_while_the_first_is_at_work(folder):
    ledger = Ledger(folder)
    assert other_writer(folder) == f"Another process is working on {folder}; wait for it, or choose another --name."
    assert read_events(folder) == EVENTS
    ledger.close()
    assert other_writer(folder) == ""
    assert read_events(folder) == [*EVENTS, Resumed(8)]


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_bytes_are_written_whole_into_folders_that_are_made(tmp_path):
    write_bytes(tmp_path / "a" / "b.bin", b"content")
    write_bytes(tmp_path / "a" / "b.bin", b"other")
    assert files_in(tmp_path) == {"a/b.bin": b"other"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("before", [{}, {"b.bin": b"old"}])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch, step, before):
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(tmp_path / "b.bin", b"new")
    assert files_in(tmp_path) == before


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "run.json", {"a": 1})
    with pytest.raises(ValueError):
        write_json(tmp_path / "run.json", {"a": float("inf")})
    assert files_in(tmp_path) == {"run.json": b'{\n  "a": 1\n}'}


def test_arrays_come_back_as_they_went_also_single_numbers_and_empty_ones(tmp_path):
    arrays = {
        "number": np.array(7.0, dtype=np.float32),
        "counter": np.array(3, dtype=np.int64),
        "empty": np.zeros((0, 4), dtype=np.float64),
        "images": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
        "flags": np.array([True, False]),
    }
    write_arrays(tmp_path / "a.safetensors", arrays, '{"epoch": 1}')
    read, text = read_arrays(tmp_path / "a.safetensors")
    assert text == '{"epoch": 1}' and read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape
        assert np.array_equal(read[name], array)


def test_a_pickle_planted_as_a_network_is_refused_and_not_executed(tmp_path):
    mark = tmp_path / "executed"
    file = best_weights(tmp_path, 0)
    write_bytes(file, pickle.dumps(Code(mark)))
    assert said(read_arrays, file).startswith(f"{file} cannot be read as a checkpoint of ours (")
    trial = make_trial()
    with pytest.raises(UsageError, match="cannot be read as a checkpoint of ours"):
        trial.open_test(file)
    with pytest.raises(UsageError, match="cannot be read as a checkpoint of ours"):
        trial.restore(file)
    assert not mark.exists()


def test_a_checkpoint_that_is_missing_cut_off_or_a_strangers_is_refused_by_name(tmp_path):
    file = tmp_path / "a.safetensors"
    assert str(file) in said(read_arrays, file)
    write_arrays(file, {"a": np.zeros(100)}, "{}")
    file.write_bytes(file.read_bytes()[:-1])
    assert str(file) in said(read_arrays, file)
    from safetensors.numpy import save

    file.write_bytes(save({"a": np.zeros(3)}))  # readable, but without our text
    assert str(file) in said(read_arrays, file)


def test_a_folder_without_run_json_is_no_run(tmp_path):
    assert said(read_run, tmp_path) == (
        f"{tmp_path} is no run folder: it has no run.json. Pass a folder that search.run made."
    )


def test_a_damaged_run_json_is_named(tmp_path):
    (tmp_path / "run.json").write_text('{"format": 1')
    assert said(read_run, tmp_path).startswith(f"{tmp_path / 'run.json'} is damaged (")


@pytest.mark.parametrize("run", [{"format": 99}, {}])
def test_a_run_of_another_format_is_refused(tmp_path, run):
    write_json(tmp_path / "run.json", run)
    assert (
        said(read_run, tmp_path)
        == f"{tmp_path} has run format {run.get('format')}; this version reads the formats 1 and 2."
    )


def test_a_run_is_read_as_it_was_written(tmp_path):
    made = made_runs.about(1, 1, set=["gate=0.9"]) | {"kind": "search"}
    write_json(tmp_path / "run.json", made)
    assert read_run(tmp_path) == made


@pytest.mark.parametrize(("more", "kind"), [({}, "search"), ({"compare": {"strategies": "a"}}, "head_to_head")])
def test_the_kind_of_a_run_of_format_1_is_told_by_its_options(tmp_path, more, kind):
    write_json(tmp_path / "run.json", made_runs.about(1, 1) | {"format": 1} | more)
    assert read_run(tmp_path)["kind"] == kind


def test_a_run_without_its_ledger_is_named(tmp_path):
    assert str(ledger_file(tmp_path)) in said(read_events, tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]"])
def test_a_run_json_that_is_no_json_object_is_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    assert str(tmp_path / "run.json") in said(read_run, tmp_path)


def test_a_file_given_for_a_run_folder_is_refused(tmp_path):
    file = tmp_path / "best.parquet"
    file.write_bytes(b"")
    assert "is no run folder" in said(read_run, file)


def test_predictions_are_read_back_with_trial_split_and_epoch(tmp_path):
    for trial, split, epoch in ((3, "test", 7), (0, "validation", 2)):
        images = np.arange(trial + 1)
        even = np.full((trial + 1, 4), 0.25, np.float32)
        arrays = {"image": images, "true": images, "predicted": images, "probabilities": even}
        write_arrays(predictions_file(tmp_path, trial, split), arrays, json.dumps({"epoch": epoch}))
    nothing = RunHistory(about(0, 1))  # of whose trials nothing is known
    read = [
        (trial, split, epoch, len(arrays["image"]))
        for trial, split, epoch, arrays in read_predictions(tmp_path, nothing)
    ]
    assert read == [(0, "validation", 2, 1), (3, "test", 7, 4)]


def test_removing_checkpoints_leaves_predictions_and_other_trials(tmp_path):
    for file in (
        best_weights(tmp_path, 0),
        last_checkpoint(tmp_path, 0),
        best_weights(tmp_path, 1),
        predictions_file(tmp_path, 0, "test"),
    ):
        write_bytes(file, b"x")
    remove_checkpoints(tmp_path, 0)
    remove_checkpoints(tmp_path, 0)  # what is gone may go again
    assert set(files_in(tmp_path)) == {"checkpoints/0001/best.safetensors", "predictions/0000.test.safetensors"}
    assert not trial_folder(tmp_path, 0).exists()


def test_epochs_in_quick_succession_are_flushed_together_and_all_else_at_once(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(True))
    clock = iter([0.0, 0.0, 0.05, 0.2, 0.2, 0.25])  # looked at for an epoch, and after a flush
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    ledger = Ledger(tmp_path)
    counts = []
    for event in (*[Epoch(record(0, epoch, 0.5, 0.5)) for epoch in (1, 2, 3)], Ended(0, "complete")):
        ledger.append(event)
        counts.append(len(flushed))
    assert counts == [1, 1, 2, 3]
