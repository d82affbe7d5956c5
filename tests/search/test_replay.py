"""A trial with marks is trained again to the same numbers; one that a clock ended says that its numbers can differ."""

from pathlib import Path

import pytest

from console.arguments import WRONG_USAGE
from records.events import Asked, Ended, Epoch
from records.history import RunHistory
from records.parquet import read_rows, write_table
from records.tables import best_rows
from search import replay
from spaces.self_paced import SelfPacedConfig
from tests.made_runs import about
from tests.toy import make_trial
from trainables.budget import Totals
from trainables.loop import TrainState

NOISY = SelfPacedConfig(batch_size=8, learning_rate=0.02, share_start=1.0)


def table(path: Path, **setting) -> tuple[Path, list]:
    """The best.parquet of a run of one trial with this setting, and the trial's records."""
    one = make_trial(NOISY, **setting)
    records = list(one.records())
    run = about(1, setting["epochs"]) | {"kind": "head_to_head"}
    asked = Asked(0, NOISY.model_dump(), {}, setting=one.setting)
    history = RunHistory.of(run, [asked, *map(Epoch, records), Ended(0, "complete")])
    write_table(path / "best.parquet", best_rows(history), run)
    return path / "best.parquet", records


def test_a_trial_with_marks_is_replayed_to_the_same_numbers(tmp_path, capsys):
    path, records = table(tmp_path, epochs=99, max_updates=20, marks=13)
    assert sum(record.looks for record in records) == 13 and len(records) < 13
    (row,) = read_rows(path)
    assert (row["setting_marks"], row["setting_updates"], row["setting_max_seconds"]) == (13, 20, None)
    assert replay.main([str(path)]) == replay.DONE
    said = capsys.readouterr().out
    assert f"{len(records)} epochs" in said and "The same numbers: epoch " in said


def test_a_trial_that_a_clock_ended_may_have_other_numbers_without_having_failed(tmp_path, capsys):
    path, records = table(tmp_path, epochs=4, max_seconds=3600.0, marks=2)
    assert records[-1].looks == 1  # its epochs were over long before the clock
    assert replay.main([str(path)]) == replay.DONE
    said = capsys.readouterr().out
    assert "3600 s, seed 0" in said and "The same numbers" in said
    (row,) = read_rows(path)
    write_table(tmp_path / "other.parquet", [row | {"selection_loss": 9.0}], about(1, 4))
    assert replay.main([str(tmp_path / "other.parquet")]) == replay.DONE
    said = capsys.readouterr().out
    assert "Other numbers: epoch 4" in said
    assert said.endswith(
        "A clock decided where the trial ended and when it was looked at, so its numbers can differ.\n"
    )


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"max_seconds": 3600.0, "marks": 1}, "Stopped after 2 epochs, before the first mark; nothing to compare."),
        ({"max_updates": 15, "marks": 15}, "Stopped after 2 of 3 epochs; nothing to compare."),
    ],
)
def test_a_replay_that_is_stopped_early_compares_nothing(tmp_path, capsys, budget, said):
    path, _ = table(tmp_path, epochs=3, **budget)
    assert replay.main([str(path), "--epochs", "2"]) == replay.DONE
    assert said in capsys.readouterr().out


def test_nothing_left_after_preparing_is_one_sentence(tmp_path, capsys, monkeypatch):
    path, _ = table(tmp_path, epochs=2, max_seconds=3600.0)
    begin = TrainState.__post_init__
    monkeypatch.setattr(
        TrainState,
        "__post_init__",
        lambda state: begin(state) or setattr(state, "totals", Totals(score_seconds=7200.0)),
    )
    assert replay.main([str(path)]) == WRONG_USAGE
    assert capsys.readouterr().err == (
        "Error: its features, difficulty and pretraining alone cost 7200 s of the 3600 s that it has\n"
    )


def test_a_trial_of_a_gpu_is_replayed_on_the_cpu_where_there_is_none_and_that_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("trainables.preparation.gpus_here", lambda: 0)
    monkeypatch.setattr("search.replay.gpus_here", lambda: 0)
    path, _ = table(tmp_path, epochs=2)
    (row,) = read_rows(path)
    write_table(path, [row | {"setting_device": "cuda"}], about(1, 2))
    assert replay.main([str(path)]) == replay.DONE
    said = capsys.readouterr()
    assert said.err.count("Trial 0 was trained on a GPU and there is none here: it is opened on the CPU") == 1
    assert "The same numbers" in said.out
    assert replay.main([str(path), "--device", "cuda"]) == WRONG_USAGE
    assert capsys.readouterr().err == "Error: --device cuda wants a GPU, and torch sees none here; leave it out.\n"
