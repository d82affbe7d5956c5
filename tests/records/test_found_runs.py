"""Which run folders a name stands for: a run, a folder of runs, a pattern, several of these."""

import os
from pathlib import Path

import pytest

from console.errors import UsageError
from records.found_runs import find_runs


@pytest.fixture
def runs(tmp_path) -> Path:
    """Three runs, the second with a confirmation in it, beside a folder and a file that are none."""
    for name in ("b", "a", "c", "a/confirm"):
        (tmp_path / "runs" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    (tmp_path / "runs" / "cache").mkdir()
    (tmp_path / "runs" / "notes.txt").touch()
    return tmp_path / "runs"


def names(found: list[Path]) -> list[str]:
    return [folder.name for folder in found]


def test_a_run_is_itself_whether_text_or_path(runs):
    assert find_runs(runs / "a") == find_runs(str(runs / "a")) == [runs / "a"]


def test_a_folder_of_runs_is_those_in_it_by_name_and_not_what_lies_in_a_run(runs):
    assert find_runs(runs) == [runs / "a", runs / "b", runs / "c"]


def test_a_pattern_is_expanded_here_and_passes_over_what_is_no_run(runs):
    assert names(find_runs(f"{runs}/*")) == ["a", "b", "c"]
    assert find_runs(f"{runs}/[ab]") == [runs / "a", runs / "b"]
    assert find_runs(f"{runs}/*/confirm") == [runs / "a" / "confirm"]


def test_several_names_keep_their_order_and_give_each_run_once(runs, tmp_path):
    (tmp_path / "link").symlink_to(runs / "b")
    assert names(find_runs([runs / "c", f"{runs}/*", str(runs), tmp_path / "link"])) == ["c", "a", "b"]


def test_a_run_whose_name_looks_like_a_pattern_is_that_run(runs):
    (runs / "x[1]").mkdir()
    (runs / "x[1]" / "run.json").touch()
    assert find_runs(runs / "x[1]") == [runs / "x[1]"]


WRONG = [
    ("cache", "is no run folder: it has no run.json, and no folder in it is one. Pass"),
    ("nowhere", "is no run folder: it has no run.json. Pass"),
    ("notes.txt", "is no run folder: it has no run.json. Pass"),
    ("x*", "x* matches no run folder"),
]


@pytest.mark.parametrize(("name", "expected"), WRONG)
def test_what_is_no_run_is_said_in_one_sentence(runs, name, expected):
    with pytest.raises(UsageError) as refused:
        find_runs([runs / "a", runs / name])
    assert expected in str(refused.value)


@pytest.mark.parametrize("given", ["", " ", "a\0b", []])
def test_no_name_is_refused(given):
    with pytest.raises(UsageError, match="named"):
        find_runs(given)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named(runs):
    runs.chmod(0)
    try:
        with pytest.raises(UsageError, match="cannot be looked through"):
            find_runs(runs)
    finally:
        runs.chmod(0o700)
