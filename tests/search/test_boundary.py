"""A run folder is a boundary: whatever somebody has planted in it, nothing outside is written, cut or removed."""

import json
import os
import shutil
from pathlib import Path

import pytest

from analysis import comparison, report
from analysis.comparison import write_comparison
from console.errors import UsageError
from records import files
from records.boundary import open_plain, remove_run
from records.folder import best_weights, last_checkpoint, ledger_file, remove_checkpoints
from records.ledger import Ledger
from records.locks import hold_as_worker
from records.parquet import write_tables
from search import dashboard, export, run, running, status
from search.tracking.sent import alone, write_sent
from tests import made_up

TINY = ["--space", "self_paced", "--data", "scenes:count=70", "--image-size", "16", "--samples", "2", "--epochs", "2",
        "--cpus-per-trial", "1", "--precision", "fp32", "--executor", "local"]  # fmt: skip


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    assert run.main([*TINY, "--out", str(out), "--name", "r"]) == run.DONE
    return out / "r"


@pytest.fixture
def copied(searched, tmp_path) -> Path:
    shutil.copytree(searched, tmp_path / "runs" / "r")
    return tmp_path / "runs" / "r"


@pytest.fixture
def mine(tmp_path) -> Path:
    """A folder of the user's own, with all that could be taken for a run's."""
    place = tmp_path / "mine"
    for name in ("file", "0000/best.safetensors", "0001/last.safetensors", "best.safetensors", "trial-0000.txt",
                 "tune/x", "0000.test.safetensors", "kept/x", "0007/events.out.tfevents.0007"):  # fmt: skip
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"precious\nnot a whole line")
    return place


def content(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def plant(path: Path, target: Path) -> None:
    """A link where something of the run's was."""
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def resume(folder: Path) -> int:
    return run.main(["--resume", "--samples", "3", "--out", str(folder.parent), "--name", folder.name])


LINKS = {".reserve": "file", ".workers": "file", "ledger.jsonl": "file", "study.journal": "file", "best.parquet": "file",
         "checkpoints": "", "checkpoints/0000": "0000", "checkpoints/0000/best.safetensors": "best.safetensors",
         "tracked/mlflow.lock": "file",
         "predictions": "", "predictions/0000.test.safetensors": "0000.test.safetensors", "log": "", ".ray": "",
         "tensorboard": "", "tracked": "", "tracked/wandb.json": "file", "confirm": "", "promoted": ""}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_a_resume_refuses_a_link_and_touches_nothing(copied, mine, capsys, name):
    plant(copied / name, mine / LINKS[name])
    before = content(mine)
    with ledger_file(copied).open("ab") as file:
        file.write(b'{"event": "torn')
    ledger = ledger_file(copied).read_bytes()
    assert resume(copied) == run.WRONG_USAGE
    said = capsys.readouterr().err.strip()
    assert said.startswith("Error: ") and "\n" not in said and name.partition("/")[0] in said
    before = before | ({"file": ledger} if name == "ledger.jsonl" else {})  # which this test itself wrote to
    assert content(mine) == before and ledger_file(copied).read_bytes() == ledger


@pytest.mark.parametrize("name", [".reserve", ".workers", "ledger.jsonl", "run.json"])
def test_a_pipe_is_refused_and_not_waited_for(copied, capsys, name):
    (copied / name).unlink(missing_ok=True)
    os.mkfifo(copied / name)
    assert resume(copied) == run.WRONG_USAGE
    assert "no plain file" in capsys.readouterr().err
    if name in ("ledger.jsonl", "run.json"):
        for command in (status.main, export.main, report.main):
            assert command([str(copied)]) == run.WRONG_USAGE
            assert "no plain file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/0000"])
def test_networks_are_not_removed_through_a_link(copied, mine, name):
    plant(copied / name, mine / LINKS[name])
    before = content(mine)
    with pytest.raises(UsageError, match="is a link, and nothing outside a run folder may be changed through it"):
        remove_checkpoints(copied, 0)
    assert content(mine) == before


WRITES = {
    "predictions": lambda folder: files.write_bytes(folder / "predictions" / "0000.test.safetensors", b"x"),
    "checkpoints": lambda folder: files.write_bytes(last_checkpoint(folder, 1), b"x"),
    "checkpoints/0000": lambda folder: files.write_bytes(best_weights(folder, 0), b"x"),
    "log": lambda folder: files.write_bytes(folder / "log" / "trial-0000.txt", b"x"),
    "best.parquet": write_tables,
    ".workers": hold_as_worker,
    ".reserve": Ledger,
    "tracked": lambda folder: alone(folder, "mlflow").__enter__(),
    "tracked/mlflow.lock": lambda folder: alone(folder, "mlflow").__enter__(),
    "tracked/wandb.json": lambda folder: write_sent(folder, "wandb", "0", {}),
    "study.journal": lambda folder: open_plain(folder / "study.journal", "ab"),
}


@pytest.mark.parametrize("name", WRITES)
def test_nothing_is_written_through_a_link(copied, mine, name):
    plant(copied / name, mine / LINKS[name])
    before = content(mine)
    with pytest.raises(UsageError, match="is a link"):
        WRITES[name](copied)
    assert content(mine) == before


def test_a_run_folder_that_is_itself_a_link_is_written(copied, tmp_path):
    (tmp_path / "elsewhere").symlink_to(copied)
    write_tables(tmp_path / "elsewhere")
    Ledger(tmp_path / "elsewhere").close()


def test_a_comparison_is_not_written_through_a_link(tmp_path, mine):
    folder = made_up.write(tmp_path, "h")
    plant(folder / "comparison.md", mine / "file")
    before = content(mine)
    assert comparison.main([str(folder)]) == run.WRONG_USAGE and content(mine) == before
    (folder / "comparison.md").unlink()
    assert write_comparison(folder) and (folder / "comparison.parquet").is_file()


# The event files of TensorBoard


def shown(folder: Path) -> int:
    """The dashboards, opened and closed at once."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed here, so its files are not tested")
    import threading

    from console.arguments import guarded

    stopped = threading.Event()
    stopped.set()
    follower = dashboard.LedgerFollower(folder)
    follower.read()
    return guarded(lambda: dashboard.EventFiles(follower.run, folder / "tensorboard").update(follower.history) or 0)


def test_a_dashboard_removes_its_own_event_files_and_nothing_else(copied, mine):
    for name in ("0009/events.out.tfevents.0009", "0008-old/events.out.tfevents.0008", "notes/events.out.tfevents.notes",
                 "0007/mine.txt", "readme"):  # fmt: skip
        files.write_bytes(copied / "tensorboard" / name, b"x")
    (copied / "tensorboard" / "0005").symlink_to(mine / "kept")
    (copied / "tensorboard" / "0008-old" / "mine.txt").write_bytes(b"x")
    before = content(mine)
    assert shown(copied) == 0 and content(mine) == before
    left = set(content(copied / "tensorboard"))
    assert left >= {"notes/events.out.tfevents.notes", "0007/mine.txt", "0008-old/mine.txt", "readme"}
    assert not left & {"0009/events.out.tfevents.0009", "0008-old/events.out.tfevents.0008"}
    assert not (copied / "tensorboard" / "0009").exists()


@pytest.mark.parametrize("name", ["tensorboard", "tensorboard/0000 as_run",
                                  "tensorboard/0000 as_run/events.out.tfevents.0000"])  # fmt: skip
def test_a_dashboard_follows_no_link(copied, mine, capsys, name):
    (copied / name).parent.mkdir(parents=True, exist_ok=True)
    (copied / name).symlink_to(mine / "file" if name.count("/") == 2 else mine)
    before = content(mine)
    assert shown(copied) == run.WRONG_USAGE
    assert "is a link" in capsys.readouterr().err and content(mine) == before


# What the ledger lost


@pytest.mark.parametrize("left", [0, 1], ids=["nothing", "its first line"])
@pytest.mark.parametrize("also", ["networks and predictions", "tables alone"])
def test_a_lost_ledger_is_recognised_and_nothing_starts_anew(copied, capsys, left, also):
    if also == "tables alone":
        if left:
            return  # a run that was ended before its first trial has the same
        for name in ("checkpoints", "predictions"):
            shutil.rmtree(copied / name)
    ledger = ledger_file(copied)
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:left]))
    kept, said = content(copied), []
    for command in (lambda: resume(copied), lambda: export.main([str(copied)]), lambda: status.main([str(copied)]),
                    lambda: report.main([str(copied), "--out", str(copied / "report")])):  # fmt: skip
        assert command() == run.WRONG_USAGE
        said.append(capsys.readouterr().err)
    assert all("was lost, in whole or in part" in each for each in said) and content(copied) == kept
    ledger.unlink()
    assert resume(copied) == run.WRONG_USAGE and "was lost" in capsys.readouterr().err
    assert not ledger.exists()


def test_a_run_that_was_killed_before_its_first_event_is_gone_on_with(copied):
    for path in copied.iterdir():
        if path.name != "run.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert export.main([str(copied)]) == run.WRONG_USAGE  # else its empty tables would look like what a lost one left
    assert resume(copied) == run.DONE


@pytest.mark.parametrize("copies", ["each line", "the file", "an epoch"])
def test_a_copied_ledger_is_recognised(copied, capsys, copies):
    lines = ledger_file(copied).read_text().splitlines(keepends=True)
    epoch = next(place for place, line in enumerate(lines) if json.loads(line)["event"] == "epoch")
    doubled = {"each line": [line for line in lines for _ in range(2)], "the file": lines * 2,
               "an epoch": [*lines[: epoch + 1], *lines[epoch:]]}[copies]  # fmt: skip
    ledger_file(copied).write_text("".join(doubled))
    kept = content(copied)
    for command in (lambda: resume(copied), lambda: export.main([str(copied)]), lambda: status.main([str(copied)]),
                    lambda: report.main([str(copied), "--out", str(copied / "report")])):  # fmt: skip
        assert command() == run.WRONG_USAGE
        said = capsys.readouterr().err
        assert "twice" in said and said.strip().endswith("the run cannot be trusted.")
    assert content(copied) == kept


# A name that is taken


@pytest.mark.parametrize("taken", ["a link to nothing", "another start"])
def test_a_name_that_is_taken_is_one_sentence(tmp_path, capsys, monkeypatch, taken):
    if taken == "a link to nothing":
        (tmp_path / "r").symlink_to("nowhere")
    else:  # made between the look and our own making it
        original = running.make_folder
        monkeypatch.setattr(running, "make_folder", lambda plan, about: plan.folder.mkdir() or original(plan, about))
    assert run.main([*TINY, "--out", str(tmp_path), "--name", "r"]) == run.WRONG_USAGE
    assert capsys.readouterr().err.strip() == (
        f"Error: {tmp_path / 'r'} has just been made by another start, or is a link; pass another --name."
    )


def test_a_run_in_which_nothing_happened_goes_and_what_is_not_ours_stays(copied, mine):
    (copied / "notes.txt").write_text("mine")
    plant(copied / "checkpoints", mine)
    before = content(mine)
    remove_run(copied)
    assert content(mine) == before and {path.name for path in copied.iterdir()} == {"notes.txt", "checkpoints"}
    for path in copied.iterdir():
        path.unlink()
    remove_run(copied)
    assert not copied.exists()
