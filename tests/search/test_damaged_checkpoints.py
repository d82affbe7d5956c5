"""A trial that was cut short and whose files are damaged begins again; what was recorded of it counts once."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from records.files import write_arrays
from records.ledger import read_lines
from search import run
from trainables import loop, trial

WORDS = ["--space", "self_paced", "--data", "scenes:count=70", "--image-size", "16", "--precision", "fp32", "--samples",
         "2", "--epochs", "8", "--cpus-per-trial", "1", "--executor", "local", "--scheduler", "none"]  # fmt: skip
CUT = 12  # epochs in all: the second trial has half of its own


def figures(folder: Path) -> list[tuple]:
    rows = pyarrow.parquet.read_table(folder / "records.parquet").to_pylist()
    return [(r["trial"], r["epoch"], r["eval_accuracy"], r["eval_loss"], r["images_trained"]) for r in rows]


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> list[tuple]:
    out = tmp_path_factory.mktemp("straight")
    assert run.main([*WORDS, "--out", str(out), "--name", "r"]) == run.DONE
    return figures(out / "r")


@pytest.fixture
def cut_short(tmp_path, monkeypatch) -> Path:
    """A run whose second trial is open, with a checkpoint of its last epoch but one."""
    original, left = loop.train, iter(range(CUT))

    def train(state):
        for record in original(state):
            if next(left, None) is None:
                raise KeyboardInterrupt
            yield record

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train", train)
        patch.setattr(trial, "CHECKPOINT_SECONDS", 0.0)
        assert run.main([*WORDS, "--out", str(tmp_path), "--name", "r"]) == run.INTERRUPTED
    assert (tmp_path / "r" / "checkpoints" / "0001" / "last.safetensors").exists()
    return tmp_path / "r"


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def another(path: Path) -> None:
    write_arrays(path, {"x": np.zeros(3, np.float32)}, '{"epoch": 2}', record='{"epoch": 2}')


def no_object(path: Path) -> None:
    write_arrays(path, {"x": np.zeros(3, np.float32)}, "[]", record="[]")


@pytest.mark.parametrize("damage", [empty, halved, another, no_object, Path.unlink])
@pytest.mark.parametrize("names", [("last",), ("best",), ("last", "best")])
def test_a_damaged_checkpoint_starts_its_trial_again(cut_short, straight, capsys, damage, names):
    for name in names:
        damage(cut_short / "checkpoints" / "0001" / f"{name}.safetensors")
    said_by_resume(cut_short)
    said = capsys.readouterr()
    silent = damage is Path.unlink and names != ("best",)  # nothing is there that would be damaged
    assert ("Trial 1 starts again from its beginning: " in said.err) != silent
    assert "Traceback" not in said.out + said.err
    assert figures(cut_short) == straight
    epochs = [(e["record"]["trial"], e["record"]["epoch"]) for e in read_lines(cut_short) if e["event"] == "epoch"]
    assert len(epochs) == len(set(epochs)) == 16


def said_by_resume(folder: Path) -> None:
    assert run.main(["--resume", "--out", str(folder.parent), "--name", folder.name]) == run.DONE


@pytest.mark.parametrize("changed", ["less", "again", "twice"])
@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_no_ledger_makes_a_search_endless(tmp_path, sampler, changed):
    """Fewer samples in run.json than were asked for, a trial that is asked for again, and every line twice."""
    words = [*WORDS, "--samples", "3", "--epochs", "1", "--sampler", sampler, "--out", str(tmp_path), "--name", "r"]
    assert run.main(words) == run.DONE
    ledger, about = tmp_path / "r" / "ledger.jsonl", tmp_path / "r" / "run.json"
    if changed == "less":
        about.write_text(about.read_text().replace('"samples": 3', '"samples": 1'))
    elif changed == "again":  # as where a search is gone on with
        lines = ledger.read_bytes().splitlines(keepends=True)
        place = next(i for i, line in enumerate(lines) if json.loads(line)["event"] == "asked")
        ledger.write_bytes(b"".join([*lines[: place + 1], lines[place], *lines[place + 1 :]]))
    else:
        ledger.write_bytes(ledger.read_bytes() * 2)
        assert run.main(["--resume", "--out", str(tmp_path), "--name", "r"]) == run.WRONG_USAGE
        return
    said_by_resume(tmp_path / "r")
    assert {e["trial"] for e in read_lines(tmp_path / "r") if e["event"] == "asked"} == {0, 1, 2}
