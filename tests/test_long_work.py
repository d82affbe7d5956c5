"""Everything that takes over two seconds in a large run says how far it is; here all of it is taken to be slow."""

import pytest

from console import progress
from console.arguments import DONE
from records.follow import LedgerFollower
from search import export
from search.views.optuna_study import StudyMirror
from tests import made_runs
from tests.made_runs import about


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    return made_runs.write(tmp_path / "made", about(60, 30), made_runs.made_events(60, 30))


def test_reading_a_ledger_and_making_its_study(folder, capsys):
    follower = LedgerFollower(folder)
    follower.read()
    StudyMirror(folder, follower.run, folder / "study.journal").update(follower.history)
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("reading the ledger: ") and " lines" in line for line in lines)
    assert any(line.startswith("preparing the study: ") and " of 60 trials" in line for line in lines)


def test_event_files(folder, capsys):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed here")
    from search.views.tensorboard import EventFiles

    follower = LedgerFollower(folder)
    follower.read()
    EventFiles(follower.run, folder / "tensorboard").update(follower.history)
    assert "writing for TensorBoard: 60 of 60 trials" in capsys.readouterr().err


def test_writing_tables_and_reading_runs(folder, capsys):
    assert export.main([str(folder)]) == DONE
    assert export.main([str(folder), "--out", str(folder / "top.parquet"), "--top", "3"]) == DONE
    said = capsys.readouterr().err
    assert "writing tables: 1 of 4 tables" in said and "reading: 1 of 1 runs" in said
