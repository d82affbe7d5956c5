"""Events and their lines, and what they add up to."""

import json
from dataclasses import fields, replace

import pytest

from records import events
from records.events import (
    FORMAT,
    KINDS,
    Asked,
    Ended,
    Epoch,
    Lost,
    Member,
    Paused,
    Placed,
    Resumed,
    Round,
    Started,
    from_line,
    to_line,
)
from records.history import RunHistory
from spaces.arm import Arm
from spaces.setting import Setting
from tests.analysis.test_runs_and_tables import record

SETTING = Setting(strategy="self_paced", arm=Arm("self_paced", "best", "random"), seed=0, sizes=(4, 5), max_updates=7)
EVENTS = [
    Started("head_to_head", time=1.0),
    Asked(0, {"gate": 0.1 + 0.2}, {"gate": 0.3}, "as_run", True, SETTING, 2.0),
    Placed(0, "here", "abc", ("0", "1"), 2, time=3.0),
    Epoch(replace(record(0, 1, 0.5, 0.7), metrics={"map": None, "f1": 0.25}), Member({"gate": 0.5}, (2, 1)), 4.0),
    Epoch(record(0, 2, 0.6, 0.6), None, 5.0),
    Lost(0, "killed", 1, time=6.0),
    Ended(0, "interrupted", "the search was interrupted", 12.5, 7.0),
    Resumed(5, time=8.0),
    events.Tested(0, 0.5, 0.6, 0.7, {"map": 0.8}, 9.0),
    Round((5, 6), ("finetune", "self_paced/random"), time=10.0),
    Paused(0, time=11.0),
    events.Enough(5, 12, "stopped after 5 of 12 trials", 0.004, 0.019, time=11.0),
]


def test_every_kind_is_tried_here():
    assert {type(event) for event in EVENTS} == set(KINDS.values())


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_survives_its_line(event):
    assert from_line(json.loads(json.dumps(to_line(event)))) == event


def test_the_first_event_says_the_format():
    assert to_line(EVENTS[0])["format"] == FORMAT == 2


def test_kinds_and_fields_of_a_later_version_are_passed_over():
    assert from_line({"event": "perturbed", "trial": 0}) is None
    line = to_line(EVENTS[6]) | {"mood": "fine"}
    assert from_line(line) == EVENTS[6]


@pytest.mark.parametrize("event", EVENTS[1:], ids=lambda event: event.name)
def test_a_line_that_lacks_what_its_kind_needs_is_damaged(event):
    needed = next(each.name for each in fields(event))
    line = to_line(event)
    del line[needed]
    with pytest.raises((TypeError, KeyError)):
        from_line(line)


def test_lines_of_format_1_are_read():
    old = {"event": "test", "trial": 0, "time": 9.0, "accuracy": 0.5, "loss": 0.6, "knn": 0.7, "map": 0.8}
    assert from_line(old) == EVENTS[8]
    asked = {"event": "asked", "trial": 0, "anchor": None, "withheld": False, "values": {}, "config": {},
             "setting": {"strategy": "self_paced", "arm": "self_paced@best/random", "updates": 7}}  # fmt: skip
    read = from_line(asked)
    assert read.setting.arm == SETTING.arm and read.setting.max_updates == 7 and read.time is None


def test_what_the_events_add_up_to():
    history = RunHistory.of({"kind": "head_to_head"}, EVENTS)
    (trial,) = history.trials.values()
    assert (trial.state, trial.reason, trial.peak_memory_mb) == ("interrupted", "the search was interrupted", 12.5)
    assert trial.best is trial.last is trial.records[1] and trial.worth() is None
    assert trial.fields == {1: {"gate": 0.5}} and trial.donors == {1: 2}
    assert str(trial.arm) == "self_paced@best/random" and history.tests() == {0: EVENTS[8]}
    assert history.seconds(9.0) == 7.0  # eight seconds, less the one between interruption and resumption
    history.apply(Epoch(record(0, 3, 0.4, 0.9)))
    assert trial.state == "running" and trial.reason == "" and trial.runs
    history.apply(Paused(0))
    assert trial.state == "running" and trial.waits and not trial.runs
    history.apply(Epoch(record(0, 4, 0.4, 0.9)))
    assert trial.runs
    history.apply(Ended(0, "pruned"))
    assert trial.worth() is trial.records[3] and history.ranked() == [trial]


def test_an_event_of_a_trial_that_was_never_asked_for_is_an_error():
    with pytest.raises(ValueError, match="trial 4 was never asked for"):
        RunHistory.of({"kind": "search"}, [Ended(4, "complete")])


def test_a_loss_that_diverged_is_no_damage():
    wild = Epoch(replace(record(0, 1, 0.5, 0.7), eval_loss=9.4e18), None, 4.0)
    assert from_line(json.loads(json.dumps(to_line(wild)))) == wild
