"""What a ledger says, read while it grows: torn, damaged, resumed and killed ones."""

import fcntl
import threading
from pathlib import Path

import pytest

from console.errors import UsageError
from records.folder import ledger_file
from records.follow import LedgerFollower
from records.history import LOST
from records.ledger import Ledger, is_live
from spaces.registry import get_space
from tests import made_runs
from tests.made_runs import about, append, asked, ended, epoch

CONFIG = get_space("self_paced").build({}).model_dump()


@pytest.fixture
def folder(tmp_path) -> Path:
    return made_runs.write(tmp_path / "run", about(3, 4), [asked(0, {"gate": 0.8}, CONFIG)])


@pytest.fixture
def held(folder):
    """The ledger is locked, as by a search that runs."""
    with ledger_file(folder).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield folder


def test_what_is_new_is_read_once(held):
    follower = LedgerFollower(held)
    assert follower.read() and list(follower.history.trials) == [0]
    follower.history.changed.clear()
    assert not follower.read()
    append(held, epoch(0, 1, 0.5, 4), asked(1, {}, CONFIG), epoch(1, 1, 0.6, 4))
    assert follower.read() and follower.history.changed == {0, 1}
    assert [len(book.records) for book in follower.history.trials.values()] == [1, 1]


def test_a_torn_last_line_waits_until_it_is_whole(held):
    follower = LedgerFollower(held)
    append(held, epoch(0, 1, 0.5, 4), torn='{"event": "epo')
    follower.read()
    assert len(follower.history.trials[0].records) == 1
    rest = made_runs.json.dumps(epoch(0, 2, 0.7, 4))[len('{"event": "epo') :] + "\n"
    append(held, torn=rest)
    follower.read()
    assert follower.history.trials[0].best.epoch == 2


@pytest.mark.parametrize(
    "line", ['{"event": "epo', '{"event": "epoch"}', "[]", '{"trial": 3}', '{"event": "ended", "trial": 9}']
)
def test_a_damaged_middle_line_is_named(held, line):
    append(held, torn=line + "\n")
    append(held, epoch(0, 1, 0.5, 4))
    with pytest.raises(UsageError, match=r"ledger.jsonl, line 2 is damaged.*; the run cannot be trusted\.$"):
        LedgerFollower(held).read()


def test_events_of_unknown_kinds_are_passed_over(held):
    append(
        held,
        {"event": "perturbed", "trial": 0, "donor": 1, "config": {}},
        {"event": "checkpoint", "time": 1.0, "trial": 7},
    )
    append(held, epoch(0, 1, 0.5, 4))
    follower = LedgerFollower(held)
    follower.read()
    assert len(follower.history.trials[0].records) == 1 and list(follower.history.trials) == [0]


def test_an_epoch_that_was_trained_twice_counts_as_first_recorded(held):
    append(held, epoch(0, 1, 0.5, 4), epoch(0, 2, 0.6, 4), epoch(0, 2, 0.9, 4))
    follower = LedgerFollower(held)
    follower.read()
    assert [r.eval_accuracy for r in follower.history.trials[0].records] == [0.5, 0.6]


def test_what_runs_in_a_ledger_that_nobody_writes_is_interrupted_until_it_is_taken_up_again(folder):
    append(folder, epoch(0, 1, 0.5, 4))
    follower = LedgerFollower(folder)
    follower.read()
    book = follower.history.trials[0]
    assert (follower.live, book.state, book.reason) == (False, "interrupted", LOST)
    with ledger_file(folder).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        append(folder, {"event": "resumed", "samples": 2, "time": made_runs.START + 1001}, epoch(0, 2, 0.6, 4))
        follower.read()
    assert (follower.live, book.state, book.reason, len(book.records)) == (True, "running", "", 2)
    assert follower.history.seconds(made_runs.START + 1010) == pytest.approx(10)  # 1,000 s between the two runs


def test_a_search_that_just_starts_has_no_ledger_yet(folder):
    ledger_file(folder).unlink()
    follower = LedgerFollower(folder)
    assert not follower.read() and follower.live and not follower.history.trials


def test_a_ledger_that_has_become_shorter_is_read_from_the_start(held):
    append(held, epoch(0, 1, 0.5, 4), ended(0, "complete"))
    follower = LedgerFollower(held)
    follower.read()
    before = follower.history
    ledger_file(held).write_text(made_runs.json.dumps(asked(0, {}, CONFIG)) + "\n")
    follower.read()
    assert follower.history is not before and follower.history.trials[0].state == "running"


def test_a_folder_that_is_no_run_and_one_of_another_version_are_refused(tmp_path):
    with pytest.raises(UsageError, match="is no run folder"):
        LedgerFollower(tmp_path)
    made_runs.write(tmp_path / "new", about(1, 1) | {"format": 99}, [])
    with pytest.raises(UsageError, match="has run format 99; this version reads the formats"):
        LedgerFollower(tmp_path / "new")


def test_a_search_that_starts_while_somebody_looks_waits_for_an_instant(folder):
    with ledger_file(folder).open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.03, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        Ledger(folder).close()


def test_looking_at_a_ledger_does_not_keep_a_search_from_it(folder):
    assert not is_live(folder)
    ledger = Ledger(folder)
    assert is_live(folder)
    ledger.close()
    assert not is_live(folder)
