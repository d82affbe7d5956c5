"""What TensorBoard is given to read: event files, checked with its own reader."""

import pytest

pytest.importorskip("tensorboard", reason="tensorboard is not installed here, so event files are not tested")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from records.events import Asked
from records.folder import ledger_file
from records.follow import LedgerFollower
from records.history import TrialHistory
from search.views.tensorboard import HEAD, EventFiles, hyperparameters, scalars
from search.views.tfrecords import crc32c, framed, masked
from spaces.registry import get_space
from spaces.setting import Setting
from tests import made_runs
from tests.analysis.test_runs_and_tables import record
from tests.made_runs import about, append, asked, ended, epoch

CONFIG = get_space("self_paced").build({}).model_dump()
VALUES = {"gate": 0.8, "rate": "cosine"}


def test_the_checksum_is_crc_32c():
    assert crc32c([b"123456789"])[0] == 0xE3069283
    messages = [b"", b"a", bytes(range(256)), b"\0" * 7, b"xyz" * 100]
    assert masked(crc32c(messages)).tolist() == [masked_crc32c(message) for message in messages]
    assert Event(file_version="brain.Event:2").SerializeToString() == HEAD
    assert crc32c([]).tolist() == [] and framed([]) == []


def test_scalars_leave_out_what_is_missing_or_infinite():
    values = scalars(record(0, 1, 0.5, float("inf")), 0.6)
    assert values["accuracy/validation"] == 0.5 and values["best/accuracy"] == 0.6
    assert "loss/validation" not in values and "accuracy/stage" not in values


@pytest.fixture
def files(tmp_path):
    folder = made_runs.write(tmp_path / "run", about(2, 4), [])
    follower = LedgerFollower(folder)
    return follower, EventFiles(follower.run, folder / "tensorboard")


def look(files, *events) -> None:
    follower, writer = files
    append(follower.folder, *events)
    follower.read()
    writer.update(follower.history)
    follower.history.changed.clear()


def read(files, name: str) -> EventAccumulator:
    reader = EventAccumulator(str(files[1].folder / name))
    reader.Reload()
    return reader


def session_end(reader: EventAccumulator):
    content = reader.summary_metadata["_hparams_/session_end_info"].plugin_data.content
    return HParamsPluginData.FromString(content).session_end_info


def test_a_trial_has_one_file_that_grows(files):
    look(files, asked(0, VALUES, CONFIG, "as_run"), epoch(0, 1, 0.7, 4))
    look(files, epoch(0, 2, 0.5, 4), epoch(0, 3, 0.9, 4))
    look(files, ended(0, "complete"))
    folder = files[1].folder / "0000 as_run"
    assert len(list(folder.iterdir())) == 1
    reader = read(files, "0000 as_run")
    assert [(e.step, round(e.value, 3)) for e in reader.Scalars("accuracy/validation")] == [
        (1, 0.7),
        (2, 0.5),
        (3, 0.9),
    ]
    assert [round(e.value, 3) for e in reader.Scalars("best/accuracy")] == [0.7, 0.7, 0.9]


def test_the_best_so_far_is_of_epochs_with_a_look_that_counts(files, monkeypatch):
    monkeypatch.setattr("records.follow.is_live", lambda folder: True)  # else each look writes the file anew
    unseen = epoch(0, 1, 0.8, 4, looks=0)
    look(files, asked(0, VALUES, CONFIG), unseen, epoch(0, 2, 0.5, 4))
    look(files, epoch(0, 3, 0.9, 4, looks=0), epoch(0, 4, 0.6, 4, looks=2))
    assert [round(e.value, 3) for e in read(files, "0000").Scalars("best/accuracy")] == [0.0, 0.5, 0.5, 0.6]


def test_a_trial_that_is_taken_up_again_after_its_end_gets_a_new_file(files):
    look(files, asked(0, VALUES, CONFIG), epoch(0, 1, 0.7, 4), ended(0, "interrupted", "Ctrl-C"))
    look(files, {"event": "resumed", "samples": 1}, epoch(0, 2, 0.8, 4), ended(0, "complete"))
    reader = read(files, "0000")
    assert [event.step for event in reader.Scalars("accuracy/train")] == [1, 2]
    assert session_end(reader).status == 1  # success


def test_a_trial_has_its_hyperparameters_and_its_end(files):
    look(files, asked(0, VALUES, CONFIG), ended(0, "failed", "ValueError: no"))
    plugin = read(files, "0000").summary_metadata
    start = HParamsPluginData.FromString(plugin["_hparams_/session_start_info"].plugin_data.content).session_start_info
    assert start.hparams["gate"].number_value == 0.8 and start.hparams["rate"].string_value == "cosine"
    assert session_end(read(files, "0000")).status == 2  # failure
    experiment = HParamsPluginData.FromString(plugin["_hparams_/experiment"].plugin_data.content).experiment
    assert {info.name for info in experiment.hparam_infos} == {*about(1, 1)["space"]["search"], "anchor"}


def test_the_schedule_of_a_population_is_a_curve_per_field(files):
    member = {"member": {"fields": {"gate": 0.8}, "donor": None}}
    look(files, asked(0, VALUES, CONFIG), epoch(0, 1, 0.7, 4) | member, ended(0, "complete"))
    assert [round(event.value, 3) for event in read(files, "0000").Scalars("schedule/gate")] == [0.8]


def test_a_ledger_that_is_another_one_writes_the_folder_anew(files):
    look(files, asked(0, VALUES, CONFIG), epoch(0, 1, 0.7, 4), asked(1, VALUES, CONFIG))
    ledger_file(files[0].folder).write_text("")
    look(files, asked(0, VALUES, CONFIG))
    assert [path.name for path in files[1].folder.iterdir()] == ["0000"]


def test_an_arm_and_its_seed_are_what_distinguishes_a_trial_of_a_head_to_head():
    setting = Setting(strategy="self_paced", arm="self_paced/hard_first", seed=3)
    book = TrialHistory(Asked(7, CONFIG, {}, "as_run", False, setting))
    assert hyperparameters(about(1, 1), book) == {"arm": "self_paced/hard_first", "seed": 3}


def test_files_of_an_earlier_naming_go_and_nobody_elses(files):
    folder = files[1].folder
    for name in ("0000-as_run/events.out.tfevents.0000", "mine/events.out.tfevents.1700000000.host", "0001/notes.txt"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
    look(files, asked(0, VALUES, CONFIG, "as_run"))
    assert sorted(path.name for path in folder.iterdir()) == ["0000 as_run", "0001", "mine"]
