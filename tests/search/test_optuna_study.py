"""The Optuna study of a run: what is in it, and that follower a run and reading a finished one give the same."""

import fcntl
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from records.files import write_bytes
from records.folder import best_weights, ledger_file
from records.follow import LedgerFollower
from search.views.optuna_study import StudyMirror, files
from spaces.registry import get_space
from tests import made_runs
from tests.made_runs import about, append, asked, ended, epoch

SPACE = get_space("self_paced")
CONFIG = SPACE.build({}).model_dump()
VALUES = {"gate": 0.8, "learning_rate": 1e-3, "rate": "cosine"}


class Run:
    """A run folder that is written by hand, and its mirror."""

    def __init__(self, folder: Path, run: dict):
        self.folder = made_runs.write(folder, run, [])
        self.follower = LedgerFollower(folder)
        self.mirror = StudyMirror(folder, run, folder / "study.journal")
        self.lock = ledger_file(folder).open("a")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.look()

    def look(self, *events: dict) -> bool:
        append(self.folder, *events)
        self.follower.read()
        anew = self.mirror.update(self.follower.history)
        self.follower.history.changed.clear()
        return anew

    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """As any other program reads them from the file."""
        backend = JournalFileBackend(str(self.folder / "study.journal"))
        return optuna.load_study(study_name=self.mirror.name, storage=JournalStorage(backend)).trials


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path / "run", about(4, 4))


def told(trial: optuna.trial.FrozenTrial) -> tuple:
    return trial.number, trial.state, trial.values, trial.params, trial.distributions, trial.intermediate_values


def test_a_running_trial_is_followed_to_its_end(run):
    assert not run.look(asked(0, VALUES, CONFIG))
    assert not run.look(epoch(0, 1, 0.5, 4), epoch(0, 2, 0.9, 4))
    (trial,) = run.trials()
    assert trial.state == TrialState.RUNNING and trial.intermediate_values == {1: 0.5, 2: 0.9}
    assert trial.params == VALUES and trial.distributions["gate"] == SPACE.search["gate"]
    assert trial.user_attrs["best_epoch"] == 2 and trial.user_attrs["class_counts"] == "farm 32, river 32, town 32"
    assert not run.look(epoch(0, 3, 0.7, 4), ended(0, "complete"))
    (trial,) = run.trials()
    assert trial.state == TrialState.COMPLETE and trial.value == 0.9 and len(trial.intermediate_values) == 3


def test_pruned_and_failed_trials_keep_their_state_and_reason(run):
    run.look(asked(0, VALUES, CONFIG), epoch(0, 1, 0.8, 4), epoch(0, 2, 0.6, 4), ended(0, "pruned"))
    run.look(
        asked(1, VALUES, CONFIG), ended(1, "failed", "ValueError: no"), asked(2, VALUES, CONFIG), ended(2, "complete")
    )
    pruned, failed, empty = run.trials()
    assert (pruned.state, pruned.value) == (TrialState.PRUNED, 0.6)
    assert (failed.state, failed.value, failed.user_attrs["reason"]) == (TrialState.FAIL, None, "ValueError: no")
    assert empty.state == TrialState.FAIL  # complete without an epoch has no value


def test_following_gives_what_reading_the_finished_run_gives(tmp_path):
    events = list(made_runs.made_events(60, 6))
    live = Run(tmp_path / "live", about(60, 6))
    for start in range(0, len(events), 17):
        live.look(*events[start : start + 17])
    whole = Run(tmp_path / "whole", about(60, 6))
    assert not whole.look(*events)
    assert [told(trial) for trial in live.trials()] == [told(trial) for trial in whole.trials()]
    states = [trial.state for trial in live.trials()]
    assert {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL} == set(states)


def test_an_anchor_is_marked_and_its_value_outside_the_space_is_no_parameter(run):
    run.look(asked(0, VALUES | {"learning_rate": 9.0}, CONFIG, "as_run") | {"withheld": True})
    (trial,) = run.trials()
    assert trial.user_attrs["anchor"] == "as_run (the sampler is not told)"
    assert "learning_rate" not in trial.params and trial.user_attrs["learning_rate (outside the space)"] == 9.0


def test_a_test_figure_or_a_resumed_trial_makes_the_study_anew(run):
    run.look(asked(0, VALUES, CONFIG), epoch(0, 1, 0.5, 4), ended(0, "interrupted", "Ctrl-C"))
    assert run.look(asked(0, VALUES, CONFIG), epoch(0, 2, 0.6, 4))
    assert run.trials()[0].state == TrialState.RUNNING
    run.look(ended(0, "complete"))
    assert run.look({"event": "test", "trial": 0, "accuracy": 0.4, "loss": 1.0, "knn": 0.4})
    assert run.trials()[0].user_attrs["test_accuracy"] == 0.4 and len(run.trials()) == 1


def test_the_study_says_what_it_is_of_and_how_it_was_started(run):
    backend = JournalFileBackend(str(run.folder / "study.journal"))
    study = optuna.load_study(study_name=run.mirror.name, storage=JournalStorage(backend))
    assert study.metric_names == ["validation accuracy"] and study.direction.name == "MAXIMIZE"
    attrs = run.mirror.storage.get_study_system_attrs(0)
    note = "".join(text for name, text in attrs.items() if name.startswith("dashboard:note_str"))
    assert "python -m search.run \\\n        --space self_paced" in note and "192 train" in note
    assert run.mirror.name == "run: search of self_paced on scenes at 64 px"


def note_of(run: Run) -> str:
    attrs = run.mirror.storage.get_study_system_attrs(run.mirror.study)
    return "".join(text for name, text in attrs.items() if name.startswith("dashboard:note_str:"))


def test_the_note_says_what_is_best_so_far_and_what_the_best_anchor_has(run):
    assert note_of(run).startswith("**No trial has a result yet** (0 of 4 trials begun).")
    run.look(asked(0, VALUES, CONFIG, "as_run"), epoch(0, 1, 0.5, 4), ended(0, "complete"), asked(1, VALUES, CONFIG))
    assert note_of(run).startswith("**Best so far: trial 0 (as_run) with accuracy 0.500 on validation** (2 of 4")
    run.look(epoch(1, 1, 0.75, 4), ended(1, "complete"))
    said = note_of(run)
    best = "trial 1 with accuracy 0.750 on validation; the best anchor, as_run, has 0.500"
    assert said.startswith(f"**Best so far: {best}** (2 of 4 trials begun).")
    best, second = (line for line in said.splitlines() if "/trials?numbers=" in line)
    assert best.startswith(
        "| [1](/dashboard/studies/0/trials?numbers=1) | 0.750 | 1 | - | complete | - | learning_rate 0.001"
    )
    assert second.startswith("| [0](/dashboard/studies/0/trials?numbers=0) | 0.500 |") and "from 30 complete" in said
    tests = [
        {"event": "test", "trial": trial, "accuracy": a, "loss": 1.0, "knn": 0.4} for trial, a in ((0, 0.6), (1, 0.55))
    ]
    run.look(*tests)
    assert "as_run, has 0.500. On test they have 0.550 and 0.600** (" in note_of(run)


def test_the_best_anchor_is_in_the_table_however_many_are_better(run):
    run.look(asked(0, VALUES, CONFIG, "as_run"), epoch(0, 1, 0.5, 4), ended(0, "complete"))
    for number in range(1, 13):
        run.look(asked(number, VALUES, CONFIG), epoch(number, 1, 0.6, 4), ended(number, "complete"))
    rows = [line for line in note_of(run).splitlines() if "/trials?numbers=" in line]
    assert len(rows) == 11 and "| as_run |" in rows[-1]


def test_a_note_that_gets_shorter_leaves_nothing_of_the_longer_one(run):
    run.mirror.notes.put("x" * 5000)
    run.mirror.notes.put("short")
    assert note_of(run) == "short"


def test_under_protocol_report_the_metric_says_that_it_is_the_test_split(tmp_path):
    run = Run(tmp_path / "run", about(1, 1, protocol="report"))
    assert run.mirror.storage.get_study_system_attrs(0)["study:metric_names"] == ["test accuracy (picked on test)"]


def test_two_objectives_have_two_directions_and_values(tmp_path):
    run = Run(tmp_path / "run", about(1, 1, sampler="nsga2"))
    run.look(asked(0, VALUES, CONFIG), epoch(0, 1, 0.5, 1), ended(0, "complete"))
    assert run.trials()[0].values == [0.5, 0.5] and [d.name for d in run.mirror.storage.get_study_directions(0)] == [
        "MAXIMIZE",
        "MINIMIZE",
    ]


def test_a_member_of_a_population_shows_what_changed_and_whom_it_followed(run):
    first = {"member": {"fields": {"gate": 0.8, "learning_rate": 1e-3}, "donor": None}}
    later = {"member": {"fields": {"gate": 0.96, "learning_rate": 1e-3}, "donor": [3, 2]}}
    run.look(asked(0, VALUES, CONFIG), epoch(0, 1, 0.5, 4) | first, epoch(0, 2, 0.6, 4) | first)
    run.look(epoch(0, 3, 0.7, 4) | later, ended(0, "complete"))
    (trial,) = run.trials()
    assert trial.value == 0.7 and trial.params == VALUES  # as asked for
    assert trial.user_attrs["schedule"] == "gate 0.8, 0.96 from epoch 3; learning_rate 0.001"
    assert trial.user_attrs["donors"] == "trial 3 before epoch 3"


def test_events_of_unknown_kinds_leave_the_trials_in_the_study(run):
    perturbed = {"event": "perturbed", "trial": 0, "time": made_runs.START, "config": CONFIG}
    run.look(asked(0, VALUES, CONFIG), epoch(0, 1, 0.5, 4), perturbed)
    run.look(epoch(0, 2, 0.7, 4), ended(0, "complete"))
    assert run.trials()[0].value == 0.7


def test_a_lock_that_a_killed_process_left_keeps_nobody_waiting(run, monkeypatch):
    (run.folder / "study.journal.lock").symlink_to("study.journal")
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits for the lock"))
    run.look(asked(0, VALUES, CONFIG), epoch(0, 1, 0.5, 4))
    assert len(run.trials()) == 1


def test_only_files_that_are_there_are_named(run):
    assert files(run.folder, 3) == []
    write_bytes(best_weights(run.folder, 3), b"")
    write_bytes(run.folder / "log" / "trial-0003.txt", b"")
    assert files(run.folder, 3) == ["checkpoints/0003/best.safetensors", "log/trial-0003.txt"]
