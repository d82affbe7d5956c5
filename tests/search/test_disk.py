"""Disk: refused before the start, or stopped cleanly in the middle with everything so far readable."""

import errno
import os
import shutil
from collections import namedtuple

import pyarrow.parquet
import pytest

from records import files
from records.events import Resumed
from records.folder import ledger_file
from records.ledger import RESERVE_BYTES, Ledger, read_lines
from search import run
from search.options import SearchOptions
from search.planning.defaults import complete
from search.planning.disk import peak_bytes
from tests.search.test_resume import SEARCH, tables
from trainables.networks.models import build

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    assert run.main([*SEARCH, "--out", str(folder), "--name", "r"]) == run.DONE
    return tables(folder / "r")


def test_a_run_that_cannot_fit_is_refused_before_it_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 50_100_000))
    assert run.main([*SEARCH, "--out", str(tmp_path), "--name", "r"]) == run.WRONG_USAGE
    said = capsys.readouterr().err
    assert "This run can need" in said and "has 50 MB free; make room" in said and not (tmp_path / "r").exists()


def test_the_peak_by_hand():
    network = build("small_cnn", 7, "none", 0)
    weights = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    head = sum(t.numel() * t.element_size() for t in network.head.state_dict().values())
    options = complete(SearchOptions(samples=10, epochs=5, keep=2, executor="local"))
    rest = 2 * 10 * 100 * (4 * 7 + 32) + 2 * 1500 * 10 * 5  # predictions of 100 images, records
    assert peak_bytes(options, 1, network, 100) == (2 + 1 + 1) * weights + (weights + 2 * 3 * weights) + rest
    frozen = options.model_copy(update={"space": "transfer"})
    # of the heads, two and the anchor become whole networks in the end, each written beside its place
    assert peak_bytes(frozen, 1, network, 100) == (2 + 1 + 1) * weights + rest
    all_kept = frozen.model_copy(update={"keep": 10})  # as a head-to-head, which leaves them as they are
    assert peak_bytes(all_kept, 1, network, 100) == 10 * head + (head + 2 * (weights + 2 * head)) + rest
    population = options.model_copy(update={"scheduler": "pbt"})
    assert peak_bytes(population, 1, network, 100) == peak_bytes(options, 1, network, 100) + 3 * 10 * 3 * weights


def test_the_peak_of_a_real_run_is_no_more_than_said(tmp_path, capsys):
    assert run.main([*SEARCH, "--out", str(tmp_path), "--name", "r"]) == run.DONE
    there = sum(path.stat().st_size for path in (tmp_path / "r").rglob("*") if path.is_file())
    options = complete(SearchOptions(samples=3, epochs=3, executor="local", data="scenes:count=70"))
    assert 0.2 * there < peak_bytes(options, 2, build("small_cnn", 7, "none", 0), 28)


def full(after: int, code: int, monkeypatch, target, name: str):
    """Every write from the `after`-th on fails with this error."""
    original, left = getattr(target, name), [after]

    def write(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(code, os.strerror(code))
        return original(*arguments)

    monkeypatch.setattr(target, name, write)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize(("target", "name", "after"), [(Ledger, "_put", 0), (Ledger, "_put", 4), (Ledger, "_put", 9),
                                                       (files, "_put", 4), (files, "_put", 9)])  # fmt: skip
def test_a_disk_that_fills_up_stops_the_run_cleanly_and_it_goes_on(
    straight, tmp_path, monkeypatch, capsys, target, name, after, code
):
    with monkeypatch.context() as patch:
        full(after, code, patch, target, name)
        assert run.main([*SEARCH, "--out", str(tmp_path), "--name", "r"]) == run.TOO_FEW
    said = capsys.readouterr().out
    assert "cannot be written any more" in said and "--resume --name r" in said and os.strerror(code) in said
    read_lines(tmp_path / "r")  # every line is whole
    assert run.main(["--resume", "--out", str(tmp_path), "--name", "r"]) == run.DONE
    assert tables(tmp_path / "r") == straight
    assert len(pyarrow.parquet.read_table(tmp_path / "r" / "records.parquet")) == 9


def test_the_reserve_lets_the_ledger_say_the_last_word(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    assert (tmp_path / ".reserve").stat().st_size == RESERVE_BYTES
    original = Ledger._put

    def put(self, line, flush):
        if self.reserve.exists():
            raise OSError(errno.ENOSPC, "full")
        original(self, line, flush)

    monkeypatch.setattr(Ledger, "_put", put)
    ledger.append(Resumed(1))
    assert read_lines(tmp_path) == [{"event": "resumed", "samples": 1}] and not (tmp_path / ".reserve").exists()


def test_half_a_line_is_taken_back(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    ledger.append(Resumed(0))
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        ledger.append(Resumed(1))
    assert read_lines(tmp_path) == [{"event": "resumed", "samples": 0}]
    assert ledger_file(tmp_path).read_bytes().endswith(b"\n")
