"""--out: nothing is replaced that the command did not write, and nothing of a run's own; a full disk is one sentence."""

import contextlib
import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

import analysis.difficulty
import analysis.explain
import analysis.report
from records import files
from records.outputs import GENERATOR
from search import divide, export, run, status

DATA = ["--data", "scenes:count=70", "--image-size", "16", "--cpus-per-trial", "1", "--precision", "fp32"]
COMMANDS = {
    "report": lambda folder, out, *more: analysis.report.main([str(folder), "--out", str(out), *more]),
    "difficulty": lambda folder, out, *more: analysis.difficulty.main(
        [str(folder), "--seeds", "1", "--out", str(out), *more]
    ),
    "explain": lambda folder, out, *more: analysis.explain.main(
        [str(folder), "--samples", "2", "--repeats", "1", "--images", "0", "--out", str(out), *more]
    ),
    "export": lambda folder, out, *more: export.main([str(folder), "--out", str(out), *more]),
    "divide": lambda folder, out, *more: divide.main([*DATA, "--out", str(out), *more]),
}
REPORTS = ("report", "difficulty", "explain")


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    words = ["--space", "self_paced", *DATA, "--samples", "2", "--epochs", "2", "--executor", "local"]
    assert run.main([*words, "--out", str(out), "--name", "r"]) == run.DONE
    return out / "r"


@pytest.fixture
def folder(searched, tmp_path) -> Path:
    shutil.copytree(searched, tmp_path / "r")
    return tmp_path / "r"


def content(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def refused(capsys, said: str) -> None:
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("Error: ") and said in error, error


OWN = ["ledger.jsonl", "run.json", ".workers", "checkpoints", "checkpoints/0000/best.safetensors", "predictions/x",
       "best.parquet", "confirm", "tensorboard/x"]  # fmt: skip


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_a_run_is_replaced_even_when_asked_for(folder, tmp_path, capsys, command, name):
    (tmp_path / "link").symlink_to(folder)
    before = content(folder)
    overwrite = [] if command == "divide" else ["--overwrite"]
    for place in (folder, tmp_path / "link", tmp_path / "r" / "log" / ".."):
        assert COMMANDS[command](folder, place / name, *overwrite) == run.WRONG_USAGE
        error = capsys.readouterr().err
        assert "of the run" in error or "is there already" in error
    assert content(folder) == before


def test_an_export_replaces_a_file_only_when_asked_to(folder, tmp_path, capsys):
    out = tmp_path / "best.csv"
    out.write_text("by hand")
    assert COMMANDS["export"](folder, out) == run.WRONG_USAGE
    refused(capsys, f"{out} is there already; choose another --out, or pass --overwrite")
    assert out.read_text() == "by hand" and COMMANDS["export"](folder, out, "--overwrite") == run.DONE
    assert out.read_text().startswith("run,")
    (tmp_path / "link.csv").symlink_to(out)
    assert COMMANDS["export"](folder, tmp_path / "link.csv", "--overwrite") == run.WRONG_USAGE
    assert export.main([str(folder)]) == export.main([str(folder)]) == run.DONE  # a run's own tables are written again


def test_a_division_replaces_neither_a_picture_nor_itself(folder, tmp_path, capsys):
    (tmp_path / "holiday.png").write_bytes(b"mine")
    assert COMMANDS["divide"](folder, tmp_path / "holiday.csv") == run.WRONG_USAGE
    refused(capsys, "holiday.png is there already")
    assert COMMANDS["divide"](folder, tmp_path / "d.png") == run.WRONG_USAGE
    refused(capsys, "choose an --out with another ending")
    assert (tmp_path / "holiday.png").read_bytes() == b"mine" and not (tmp_path / "holiday.csv").exists()


@pytest.mark.parametrize("command", REPORTS)
def test_a_report_is_written_again_over_itself_and_over_nothing_else(folder, tmp_path, capsys, command):
    mine = {"data/mine.csv": b"mine", "index.html": b"<title>Mine</title>"}
    for name, said in mine.items():
        files.write_bytes(tmp_path / "out" / name, said)
    assert COMMANDS[command](folder, tmp_path / "out") == run.WRONG_USAGE
    refused(capsys, "is of no report of ours; choose another --out, or pass --overwrite")
    assert content(tmp_path / "out") == mine
    for more in (["--overwrite"], []):
        assert COMMANDS[command](folder, tmp_path / "out", *more) == run.DONE
    assert GENERATOR.encode() in (tmp_path / "out" / "index.html").read_bytes()
    assert content(tmp_path / "out")["data/mine.csv"] == b"mine"


@pytest.mark.parametrize("name", ["data", "figures", "index.html", "report.md"])
@pytest.mark.parametrize("command", REPORTS)
def test_a_report_goes_nowhere_through_a_link_even_when_asked_to(folder, tmp_path, capsys, command, name):
    files.write_bytes(tmp_path / "mine" / "loss.png", b"mine")
    files.write_bytes(tmp_path / "mine.txt", GENERATOR.encode())
    files.write_bytes(tmp_path / "out" / "index.html", GENERATOR.encode())
    place = tmp_path / "out" / name
    for target in ("mine", "mine.txt", "nowhere"):
        place.unlink(missing_ok=True)
        place.symlink_to(tmp_path / target)
        for more in ([], ["--overwrite"]):
            assert COMMANDS[command](folder, tmp_path / "out", *more) == run.WRONG_USAGE
            refused(capsys, f"{place} is no plain f")
    assert content(tmp_path / "mine") == {"loss.png": b"mine"} and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["data", "figures"])
def test_a_report_wants_folders_where_it_has_folders(folder, tmp_path, capsys, name):
    files.write_bytes(tmp_path / "out" / name, b"mine")
    assert COMMANDS["report"](folder, tmp_path / "out", "--overwrite") == run.WRONG_USAGE
    refused(capsys, f"{tmp_path / 'out' / name} is no plain folder; choose another --out, or move it away.")


@pytest.mark.parametrize("place", ["checkpoints/9", "log/9", "promoted", "confirm", "link/9"])
def test_no_run_is_made_in_what_another_keeps_for_itself(folder, tmp_path, capsys, place):
    (folder / "link").symlink_to(folder / "predictions")
    words = ["--space", "self_paced", *DATA, "--samples", "2", "--epochs", "1", "--executor", "local"]
    out, name = (folder / place).parent, (folder / place).name
    assert run.main([*words, "--out", str(out), "--name", name]) == run.WRONG_USAGE
    refused(capsys, f"of the run {folder}; choose another --out.")
    assert not (folder / place).exists()


@pytest.mark.parametrize("text", ["", " ", "a\0b"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_text_that_is_no_path_is_refused(folder, capsys, command, text):
    with contextlib.suppress(SystemExit):  # of argparse
        assert COMMANDS[command](folder, text) == run.WRONG_USAGE
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert "--out" in said and "\0" not in said


def test_a_run_folder_with_too_long_a_name_is_one_sentence(capsys):
    words = ["--space", "self_paced", *DATA, "--samples", "2", "--epochs", "1", "--executor", "local"]
    assert run.main([*words, "--out", "x" * 300, "--name", "n"]) == run.WRONG_USAGE
    refused(capsys, "--out is too long for a path")


def test_a_report_from_before_is_known_by_its_title_and_one_inside_its_run_is_fine(folder):
    assert COMMANDS["report"](folder, folder / "report") == run.DONE
    page = folder / "report" / "index.html"
    page.write_text("<!DOCTYPE html>\n<head>\n<title>Report on r</title>\n</head>")
    assert COMMANDS["report"](folder, folder / "report") == run.DONE


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_cannot_be_made_is_one_sentence(folder, tmp_path, capsys, command):
    (tmp_path / "file").write_text("mine")
    assert COMMANDS[command](folder, tmp_path / "file" / "out") == run.WRONG_USAGE
    refused(capsys, "cannot be written (Not a directory)")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing_is_one_sentence(folder, tmp_path, capsys, monkeypatch, command, number):
    def fails(path, content):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(files, "_put", fails)
    assert COMMANDS[command](folder, tmp_path / "out") == run.WRONG_USAGE
    refused(capsys, f"cannot be written ({os.strerror(number)})")


def test_the_tables_of_a_read_only_run_are_one_sentence(folder, capsys, monkeypatch):
    def fails(path, content):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(files, "_put", fails)
    assert export.main([str(folder)]) == run.WRONG_USAGE
    refused(capsys, f"{folder} cannot be written (Read-only file system)")


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("command", ["search.status", "search.export"])
def test_a_full_standard_output_is_one_sentence(folder, command, buffered):
    import subprocess

    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": buffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", command, str(folder)], stdout=full, stderr=subprocess.PIPE,
                              text=True, env=environment)  # fmt: skip
    assert done.returncode == run.WRONG_USAGE
    assert done.stderr.strip().splitlines()[-1] == ("Error: What is to be shown cannot be written to standard output (No "
                                                    "space left on device); make room there.")  # fmt: skip
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert status.main([str(folder)]) == run.DONE
