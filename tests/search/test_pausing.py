"""Trials that pause and are promoted: the same figures as without a pause, also when the search dies in between."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from records.ledger import read_events, read_lines
from search import run
from search.campaign import OUT_OF_TIME, Campaign
from search.proposers.study import StudyProposer
from search.racing.rule import Look
from search.racing.topk import TopK
from search.referee import Referee
from search.schedulers import SCHEDULERS
from search.views.terminal import Terminal
from spaces.registry import SPACES
from tests.search.test_resume import Mortal, die, resumed, tables, timeless
from tests.test_objective import figures
from trainables import trial

TINY = ["--space", "self_paced", "--data", "scenes:count=70", "--image-size", "16", "--precision", "fp32", "--sampler",
        "random", "--cpus-per-trial", "1", "--samples", "7", "--epochs", "4"]  # fmt: skip
LOCAL = [*TINY, "--executor", "local"]
RULES = [name for name, scheduler in SCHEDULERS.items() if scheduler.rule]


def by(name: str) -> list[str]:
    """The flags of this scheduler."""
    return ["--scheduler", name, *(["--topk", "2"] if name == "topk" else [])]


def search(folder, name: str, words) -> int:
    return run.main([*words, "--out", str(folder), "--name", name])


def records(folder) -> dict[tuple[int, int], dict]:
    """Every epoch by trial and number, without its seconds."""
    rows = timeless([event["record"] for event in read_lines(folder) if event["event"] == "epoch"])
    found = {(row["trial"], row["epoch"]): row for row in rows}
    assert len(found) == len(rows)  # none twice
    return found


def states(folder) -> dict[int, str]:
    return {event["trial"]: event["state"] for event in read_lines(folder) if event["event"] == "ended"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The search without early stopping; draws are random, so all others ask for the same configs."""
    folder = tmp_path_factory.mktemp("whole")
    assert search(folder, "none", [*LOCAL, *by("none")]) == run.DONE
    return folder / "none"


@pytest.mark.parametrize("name", RULES)
def test_what_pauses_and_goes_on_has_the_records_of_what_never_paused(whole, tmp_path, name):
    assert search(tmp_path, name, [*LOCAL, *by(name)]) == run.DONE
    straight, found, ended = records(whole), records(tmp_path / name), states(tmp_path / name)
    assert len(found) < len(straight) and found == {key: straight[key] for key in found}
    assert set(ended) == set(range(7)) and ended[0] == ended[1] == "complete"  # anchors
    assert "complete" in [ended[trial] for trial in range(2, 7)] and "pruned" in ended.values()
    assert all(((number, 4) in found) == (state == "complete") for number, state in ended.items())
    paused = {event["trial"] for event in read_lines(tmp_path / name) if event["event"] == "paused"}
    assert bool(paused) == SCHEDULERS[name].pauses and not paused & {0, 1}
    assert not list((tmp_path / name).glob("checkpoints/*/last.safetensors"))


def test_two_of_five_drawn_trials_go_on_and_they_are_the_best_at_one_slice(whole, tmp_path, capsys):
    assert search(tmp_path, "topk", [*LOCAL, *by("topk")]) == run.DONE
    ended = states(tmp_path / "topk")
    waited = {event["trial"]: index for index, event in enumerate(read_lines(tmp_path / "topk"))
              if event["event"] == "paused"}  # fmt: skip
    assert set(waited) == {2, 3, 4, 5, 6} and [ended[trial] for trial in waited].count("complete") == 2
    seen: dict[int, float] = {}
    for event in read_lines(tmp_path / "topk")[: max(waited.values())]:
        if event["event"] == "epoch" and event["record"]["trial"] > 1:
            row = event["record"]
            seen[row["trial"]] = max(seen.get(row["trial"], 0.0), row["eval_accuracy"])
    best = sorted(seen, key=lambda number: (-seen[number], number))[:2]
    assert {number for number in waited if ended[number] == "complete"} == set(best)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Each of two schedulers from begin to end, and how many writes that takes."""
    folder, counts = tmp_path_factory.mktemp("straight"), {}
    for name in ("topk", "pasha"):
        with pytest.MonkeyPatch.context() as patch:
            mortal = Mortal(patch, 10_000)
            assert search(folder, name, [*LOCAL, *by(name)]) == run.DONE
            counts[name] = mortal.count
    return folder, counts


def dies_and_goes_on(straight, tmp_path, monkeypatch, name: str, writes: int) -> None:
    folder, _ = straight
    assert die(tmp_path, monkeypatch, run.main, [*LOCAL, *by(name)], writes, torn=writes % 2 == 0)
    assert resumed(tmp_path, run.main) == run.DONE
    expected, found = tables(folder / name), tables(tmp_path / "r")
    for table in ("records", "finals", "predictions"):
        assert found[table] == expected[table], (table, writes)
    assert not list((tmp_path / "r").glob("checkpoints/*/last.safetensors"))


@pytest.mark.parametrize(
    ("name", "at"), [("topk", 0.5), ("topk", 0.68), ("topk", 0.85), ("pasha", 0.55), ("pasha", 0.9)]
)
def test_a_search_that_dies_goes_on_with_its_paused_trials(straight, tmp_path, monkeypatch, name, at):
    dies_and_goes_on(straight, tmp_path, monkeypatch, name, int(at * straight[1][name]))


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1e9], ids=["each epoch kept", "no epoch kept"])
@pytest.mark.parametrize("name", ["topk", "pasha"])
def test_it_does_so_at_any_write(straight, tmp_path, monkeypatch, name, checkpoint_seconds):
    monkeypatch.setattr(trial, "CHECKPOINT_SECONDS", checkpoint_seconds)
    for writes in range(3, straight[1][name], 3):
        out = tmp_path / str(writes)
        dies_and_goes_on(straight, out, monkeypatch, name, writes)
        shutil.rmtree(out)


def test_a_paused_trial_is_not_started_by_resuming(tmp_path, monkeypatch, straight, capsys):
    """The search is cut while five wait; when it is resumed only two of these train any further."""
    folder, _ = straight
    lines = (folder / "topk" / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    last = max(place for place, line in enumerate(lines) if json.loads(line)["event"] == "paused")
    shutil.copytree(folder / "topk", tmp_path / "r")
    (tmp_path / "r" / "ledger.jsonl").write_bytes(b"".join(lines[: last + 1]))
    assert resumed(tmp_path, run.main) == run.DONE
    assert "Resumed: 2 complete; 5 trials paused, 0 still to be asked for" in capsys.readouterr().out
    assert (
        tables(tmp_path / "r")["records"] == tables(folder / "topk")["records"]
    )  # trained again: no checkpoint is left


@pytest.mark.ray
def test_under_ray_it_is_the_same(straight, tmp_path):
    folder, _ = straight
    assert search(tmp_path, "ray", [*TINY, *by("topk"), "--concurrent", "1"]) == run.DONE
    assert records(tmp_path / "ray") == records(folder / "topk") and states(tmp_path / "ray") == states(folder / "topk")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("name", ["topk", "asha"])
def test_under_ray_paused_trials_outlive_the_search(tmp_path, name):
    """Killed while trials wait, resumed, and the figures are those of a search that was let alone."""
    words = [*TINY, *by(name), "--concurrent", "1", "--samples", "9"]
    assert search(tmp_path, "alone", words) == run.DONE
    process = subprocess.Popen([sys.executable, "-m", "search.run", *words, "--out", str(tmp_path), "--name", "r"],
                               stdout=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    ledger, deadline = tmp_path / "r" / "ledger.jsonl", time.monotonic() + 120
    while not (ledger.exists() and ledger.read_text().count('"paused"') > 3) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert resumed(tmp_path, run.main) == run.DONE
    assert records(tmp_path / "r") == records(tmp_path / "alone")
    assert states(tmp_path / "r") == states(tmp_path / "alone")


def a_campaign(folder, sampler: str = "tpe", samples: int = 6) -> Campaign:
    folder.mkdir(exist_ok=True)
    proposer = StudyProposer(SPACES["finetune"], samples, 0, sampler)
    return Campaign(folder, {"kind": "search"}, proposer, 3, None, Terminal(samples, 3))


def test_whoever_waits_when_the_search_stops_waits_still(tmp_path):
    campaign = a_campaign(tmp_path / "r")
    referee = Referee(campaign, TopK(100, 1))
    numbers = [campaign.ask().trial for _ in range(3)]  # two anchors and a drawn one
    campaign.paused(numbers[2])
    campaign.stopped = OUT_OF_TIME
    assert referee.decide(2, Look(100, 0.5, 0.5)) == "pause"
    assert referee.next() is None and referee.promoted(last=True) is None and referee.close() == []
    campaign.close_open_trials(campaign.stopped)
    campaign.ledger.close()
    again = a_campaign(tmp_path / "again")
    again.restore(read_events(tmp_path / "r"), None, {})
    assert again.trials[2].waits and again.reopened == [0, 1] and again.at_work() == 2
    again.ledger.close()


def test_a_sampler_learns_from_who_waits_and_hears_what_became_of_it(tmp_path):
    campaign = a_campaign(tmp_path / "r")
    study = campaign.proposer.study
    for _ in range(4):
        campaign.ask()
    for number, accuracy in ((2, 0.5), (3, 0.4)):
        campaign.epoch(figures(number, 1, accuracy, 1.0, accuracy))
        campaign.paused(number)
    assert [(one.state.name, one.value) for one in study.trials[-2:]] == [("PRUNED", 0.5), ("PRUNED", 0.4)]
    campaign.promoted(2)
    campaign.epoch(figures(2, 2, 0.9, 0.5, 0.9))
    campaign.epoch(figures(2, 3, 0.8, 0.5, 0.8))
    campaign.ended(2, "complete"), campaign.ended(3, "failed", "by design")
    told = study.trials[-2]
    assert (told.state.name, told.value, told.intermediate_values) == ("COMPLETE", 0.9, {1: 0.5, 2: 0.9, 3: 0.8})
    assert (study.trials[-1].state.name, study.trials[-1].value) == ("FAIL", None)
    campaign.ledger.close()
    again = a_campaign(tmp_path / "again")  # a resumed search has told its study the same
    again.restore(read_events(tmp_path / "r"), None, {})
    assert [(one.state, one.value) for one in again.proposer.study.trials] == [(t.state, t.value) for t in study.trials]
    again.ledger.close()
