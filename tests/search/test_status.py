"""How far a run is, said in plain lines: live, finished, killed, failed."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from console.arguments import DONE, WRONG_USAGE
from records.files import write_bytes
from records.folder import ledger_file
from records.follow import LedgerFollower
from search import status
from spaces.registry import get_space
from tests import made_runs
from tests.made_runs import START, about, append, asked, ended, epoch

CONFIG = get_space("self_paced").build({}).model_dump()
VALUES = {"gate": 0.8, "learning_rate": 1e-3, "rate": "cosine"}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two trials of four have ended, one of them failed; the third runs and is half done."""
    events = [asked(0, VALUES, CONFIG, "as_run"), epoch(0, 1, 0.9, 4), ended(0, "complete"),
              asked(1, VALUES, CONFIG), ended(1, "failed", "ValueError: the loss is not finite"),
              asked(2, VALUES, CONFIG), epoch(2, 1, 0.5, 4), epoch(2, 2, 0.6, 4)]  # fmt: skip
    return made_runs.write(tmp_path / "first", about(4, 4), events)


def said(folder: Path, now: float) -> list[str]:
    follower = LedgerFollower(folder)
    follower.read()
    return status.lines(follower, now)


def test_a_live_run_has_counts_its_best_trial_and_an_expected_end(folder):
    with ledger_file(folder).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        head, counts, best, end, error = said(folder, START + 500)
    assert head == "first: self_paced on scenes, 4 trials of up to 4 epochs, running"
    # 4 + 4 + 2 of 16 epochs in 500 s: 300 s for the rest
    assert counts == "1 complete · 1 failed · running: trial 2 epoch 2/4 · 8:20 so far, about 5:00 left"
    assert best == "best 0.900 in trial 0 (as_run): learning_rate 0.001, rate cosine, gate 0.8"
    assert end == "expected end: about " + time.strftime("%H:%M", time.localtime(START + 800))
    assert error == "trial 1 failed: ValueError: the loss is not finite"


def test_an_end_on_another_day_is_named(folder):
    with ledger_file(folder).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = said(folder, START + 500_000)[3]
    assert " on " in end and str(time.localtime(START + 800_000).tm_mday) in end


def test_a_killed_run_is_stopped_and_promises_nothing(folder):
    head, counts, *more = said(folder, START + 90_000)
    assert head.endswith("stopped with 2 trials to go")
    assert counts == "1 complete · 1 failed · 1 interrupted · 2:02 in all"
    assert not any("expected end" in line for line in more)


def test_a_finished_run_says_so(tmp_path):
    folder = made_runs.write(tmp_path / "done", about(60, 4), made_runs.made_events(60, 4))
    head, counts, best, *rest = said(folder, START)
    assert head.endswith("finished") and "59 of" not in counts and "1 failed" in counts and best.startswith("best 0.")
    assert len(rest) == 1


def test_only_the_last_failures_are_named_and_their_logs_where_there_are_any(folder):
    append(
        folder, *(event for n in range(3, 8) for event in (asked(n, VALUES, CONFIG), ended(n, "failed", f"bad {n}")))
    )
    write_bytes(folder / "log" / "trial-0007.txt", b"a traceback")
    *_, first, second, third, more = said(folder, START)
    assert first == f"trial 7 failed: bad 7 ({folder / 'log' / 'trial-0007.txt'})"
    assert (second, third, more) == ("trial 6 failed: bad 6", "trial 5 failed: bad 5", "and 3 more failed")


def test_a_run_that_has_not_begun_has_nothing_to_show(tmp_path, capsys):
    folder = made_runs.write(tmp_path / "new", about(4, 4), [])
    ledger_file(folder).unlink()
    assert status.main([str(folder)]) == DONE
    assert "starting · 0.0 s so far" in capsys.readouterr().out


def test_a_head_to_head_is_called_by_its_strategies(tmp_path):
    folder = made_runs.write(tmp_path / "c", about(2, 4) | {"compare": {"strategies": "finetune,transfer"}}, [])
    assert said(folder, START)[0].startswith("c: finetune,transfer on scenes, ")


def test_a_torn_last_line_is_no_fault_and_a_damaged_one_is(folder, capsys):
    append(folder, torn='{"event": "ep')
    assert status.main([str(folder)]) == DONE
    append(folder, {"event": "resumed", "samples": 2})
    assert status.main([str(folder)]) == WRONG_USAGE
    assert capsys.readouterr().err.strip().endswith("line 9 is damaged; the run cannot be trusted.")


@pytest.mark.parametrize("words", [["nowhere"], ["nowhere", "--watch"], []])
def test_a_mistake_is_answered_in_one_sentence(words, capsys):
    try:
        assert status.main(words) == WRONG_USAGE
    except SystemExit as stop:
        assert stop.code == WRONG_USAGE
    assert "\n" not in capsys.readouterr().err.strip()


def test_watching_in_a_pipe_says_each_trial_that_ends_once_and_stops_with_the_run(folder, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "search.status", str(folder), "--watch"]
    with ledger_file(folder).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
            assert watching.stdout.readline().endswith("running\n")
            append(folder, epoch(2, 3, 0.7, 4), ended(2, "pruned"))
            rest = [watching.stdout.readline() for _ in range(5)]
            append(folder, {"event": "test", "trial": 2, "accuracy": 0.6, "loss": 1.0, "knn": 0.6})
            file.close()
            rest += watching.stdout.readlines()
    assert watching.returncode == DONE
    assert sum("trial 2                pruned" in line for line in rest) == 1
    assert sum(line.startswith("[") for line in rest) == 1 and "stopped with 1 trial" in "".join(rest)


def test_what_the_ledger_holds_does_nothing_to_the_terminal(folder, capsys):
    append(folder, asked(3, VALUES, CONFIG), ended(3, "failed", "\x1b[2Jgone \x1b]0;title\x07 \u202etxt\nbest 0.999"))
    assert status.main([str(folder)]) == DONE
    said = capsys.readouterr().out
    assert "trial 3 failed: \\x1b[2Jgone \\x1b]0;title\\x07 \\u202etxt best 0.999" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


# Several runs


@pytest.fixture
def runs(folder, tmp_path) -> Path:
    """The run above and a later one, which is finished."""
    append(folder, ended(2, "interrupted"))
    events = [{**event, "time": event["time"] + 500} for event in made_runs.made_events(3, 4)]
    made_runs.write(tmp_path / "later", about(3, 4), events)
    (tmp_path / "notes").mkdir()
    return tmp_path


def heads(said: str) -> list[str]:
    return [line.partition(":")[0] for line in said.splitlines() if line and not line.startswith(" ")]


def test_a_folder_of_runs_has_a_block_for_each_live_ones_first_and_newest_first(runs, capsys):
    assert status.main([str(runs)]) == DONE
    said = capsys.readouterr().out
    assert heads(said) == ["later", "first"]
    assert "later: self_paced on scenes, 3 trials of up to 4 epochs, finished\n  2 complete · 1 pruned · " in said
    assert "\n  best 0.900 in trial 0 (as_run): learning_rate 0.001" in said and "trial 1 failed" not in said
    with ledger_file(runs / "first").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert status.main([f"{runs}/*"]) == status.main([str(runs / "later"), str(runs / "first")]) == DONE
    said = capsys.readouterr().out
    assert heads(said) == ["first", "later"] * 2 and "expected end: about" in said


def test_a_run_that_cannot_be_read_is_said_and_hides_no_other(runs, capsys):
    (runs / "later" / "run.json").write_text("{")
    assert status.main([str(runs)]) == DONE
    said = capsys.readouterr().out
    assert heads(said) == ["first", "later"] and "run.json is damaged" in said.split("\n\n")[-1]


def test_a_folder_without_a_run_says_what_it_wanted(runs, capsys):
    assert status.main([str(runs / "notes")]) == WRONG_USAGE
    assert "no folder in it is one. Pass a folder that search.run made." in capsys.readouterr().err


def test_several_are_watched_until_the_last_has_ended(runs, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "search.status", str(runs), "--watch"]
    with ledger_file(runs / "first").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
            assert watching.stdout.readline().startswith("first: ")
            append(runs / "first", asked(3, VALUES, CONFIG), epoch(3, 1, 0.7, 4), ended(3, "pruned"))
            while "trial 3" not in (line := watching.stdout.readline()):
                assert line, "it ended before the trial did"
            assert line.startswith("first: [4/4] trial 3                pruned")
            file.close()
            rest = watching.stdout.read()
    assert watching.returncode == DONE and heads(rest) == ["first"] and "stopped with 1 trial" in rest
