"""Run folders that are not what they should be: every command that reads them says so in one sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from analysis import comparison, report
from console.arguments import WRONG_USAGE
from console.errors import UsageError
from records import boundary, ledger
from records.about import About
from records.files import parse_json, write_json
from records.folder import ledger_file, predictions_file, read_run
from records.history import read_history
from records.ledger import Ledger
from records.predictions import read_predictions
from search import export, run, status
from tests import made_runs
from tests.made_runs import about

DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return made_runs.write(tmp_path_factory.mktemp("runs") / "r", about(3, 2), made_runs.made_events(3, 2, early=False))


@pytest.fixture
def folder(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "r")
    return tmp_path / "r"


def line_among(content: bytes):
    """A line of this content, as the fourth of the ledger."""

    def spoil(folder: Path) -> None:
        lines = ledger_file(folder).read_bytes().splitlines(keepends=True)
        ledger_file(folder).write_bytes(b"".join([*lines[:3], content + b"\n", *lines[3:]]))

    return spoil


def instead(name: str, content: bytes | None):
    """Another content of a file; None: a folder in its place."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir() if content is None else (folder / name).write_bytes(content)

    return spoil


def changed(**fields):
    """The record of the third line, an epoch's, with other fields."""

    def spoil(folder: Path) -> None:
        lines = ledger_file(folder).read_text().splitlines()
        event = json.loads(lines[2])
        lines[2] = json.dumps(event | {"record": event["record"] | fields})
        ledger_file(folder).write_text("\n".join(lines) + "\n")

    return spoil


def without(kind: str) -> Callable[[Path], None]:
    """The first event of this kind taken out."""
    return lambda folder: _repeat(folder, kind, 0)


def twice(kind: str) -> Callable[[Path], None]:
    """The first event of this kind copied."""
    return lambda folder: _repeat(folder, kind, 2)


def _repeat(folder: Path, kind: str, times: int) -> None:
    lines = ledger_file(folder).read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if json.loads(line)["event"] == kind)
    lines[place : place + 1] = [lines[place]] * times
    ledger_file(folder).write_text("\n".join(lines) + "\n")


SPOILT = {
    "null": (line_among(b"null"), "ledger.jsonl, line 4 is damaged"),
    "an empty object": (line_among(b"{}"), "ledger.jsonl, line 4 is damaged"),
    "a number": (line_among(b"7"), "ledger.jsonl, line 4 is damaged"),
    "a deep line": (line_among(DEEP), "ledger.jsonl, line 4 is damaged (ValueError: it is nested too deep)"),
    "an event of no trial": (line_among(b'{"event": "ended", "trial": 9, "state": "complete"}'), "is damaged"),
    "a trial that is a path": (changed(trial="../../x"), "line 3 is damaged (ValueError: trial is '../../x'"),
    "a trial below none": (
        changed(trial=-1),
        "line 3 is damaged (ValueError: trial is -1)",
    ),
    "an accuracy above one": (changed(eval_accuracy=3.0), "line 3 is damaged (ValueError: eval_accuracy is 3.0)"),
    "a loss below zero": (changed(eval_loss=-5.0), "line 3 is damaged (ValueError: eval_loss is -5.0)"),
    "another seed": (changed(seed=77), "an epoch of trial 0 has seed 77, where the run has 0"),
    "half an epoch": (changed(epoch=0.5), "is damaged"),
    "an accuracy that is none": (changed(eval_accuracy="much"), "is damaged"),
    "an epoch that is missing": (without("epoch"), "epoch 1 of trial 0 is missing before epoch 2"),
    "a trial that ends twice": (twice("ended"), "trial 0 ends there twice"),
    "a ledger that is a folder": (instead("ledger.jsonl", None), "cannot be read (it is no plain file)"),
    "a deep run.json": (instead("run.json", DEEP), "run.json is damaged (it is nested too deep)"),
    "an infinite run.json": (
        instead("run.json", b'{"format": Infinity}'),
        "damaged (it has Infinity, which is no JSON)",
    ),
    "an infinite line": (line_among(b'{"event": NaN}'), "line 4 is damaged (ValueError: it has NaN, which is no JSON)"),
    "a run.json that is a list": (instead("run.json", b"[]"), "run.json is damaged (it holds no JSON object)"),
    "a run.json that is cut off": (instead("run.json", b'{"format": 2, '), "run.json is damaged ("),
    "a run.json that is no text": (instead("run.json", b"\xff\xfe"), "run.json is damaged ("),
    "a run.json that is a folder": (instead("run.json", None), "run.json cannot be read (it is no plain file)"),
}
READERS = {
    "status": lambda folder: status.main([str(folder)]),
    "export": lambda folder: export.main([str(folder)]),
    "best": lambda folder: export.main([str(folder), "--out", str(folder.parent / "best.csv")]),
    "report": lambda folder: report.main([str(folder), "--out", str(folder.parent / "report")]),
    "comparison": lambda folder: comparison.main([str(folder)]),
    "resume": lambda folder: run.main(["--resume", "--out", str(folder.parent), "--name", "r"]),
}


def refused(command: str, folder: Path, capsys, said: str) -> None:
    assert READERS[command](folder) == WRONG_USAGE
    error = capsys.readouterr().err.strip()
    assert error.startswith("Error: ") and "\n" not in error and said in error, error


@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("command", READERS)
def test_what_is_damaged_is_named_by_every_command(folder, capsys, command, spoilt):
    spoil, said = SPOILT[spoilt]
    spoil(folder)
    if command == "resume" and "run.json" not in spoilt:
        ledger_of_folder = ledger_file(folder)
        before = ledger_of_folder.read_bytes() if ledger_of_folder.is_file() else None
        with pytest.raises(UsageError):  # the run is not one that can be planned here: its history alone is looked at
            read_history(folder)
        assert before is None or ledger_of_folder.read_bytes() == before
        return
    refused(command, folder, capsys, said)


WITHOUT_STEPS = '{"name": "IntDistribution", "attributes": {"log": false, "step": 0, "low": 1, "high": 9}}'


def needed(model: type[BaseModel]) -> list[str]:
    return [name for name, info in model.model_fields.items() if info.is_required() and name != "kind"]


PARTS = {part: getattr(About.model_fields[part].annotation, "model_fields", None) for part in needed(About)}
KEYS = [(part, name) for part, inner in PARTS.items()
        for name in (None, *(needed(About.model_fields[part].annotation) if inner else ()))]  # fmt: skip


def test_keys_are_needed_at_all():
    assert {("command", None), ("options", "name"), ("setting", "protocol"), ("data", "digest")} <= set(KEYS)


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        ("options", "samples", "x", "'options.samples' must be a valid integer; got 'x'"),
        ("options", "samples", None, "'options.samples' must be a valid integer; got None"),
        ("options", "samples", 10**30, "'options.samples' must be"),
        ("setting", "plugins", 5, "'setting.plugins' must be a valid list; got 5"),
        ("setting", "protocol", "x", "'setting.protocol' must be"),
        ("data", "classes", 5, "'data.classes' must be a valid list; got 5"),
        ("space", "search", "x", "'space.search' must be"),
        ("space", "search", {"gate": "nonsense"}, "'space.search.gate' must be a distribution; got 'nonsense'"),
        ("space", "search", {"gate": '{"name": "FloatDistribution"}'}, "'space.search.gate' must be a distribution"),
        ("space", "search", {"gate": "[1]"}, "'space.search.gate' must be a distribution"),
        ("space", "search", {"gate": "1"}, "'space.search.gate' must be a distribution"),
        ("space", "search", {"gate": WITHOUT_STEPS}, "'space.search.gate' must be a distribution"),
        ("space", "search", {"gate": WITHOUT_STEPS.replace("9", "Infinity")}, "must be a distribution"),
        ("space", "search", {"gate": DEEP.decode()}, "'space.search.gate' must be a distribution"),
        ("data", "class_counts", {"test": [1, 2]}, "'data.class_counts' must have a number for each of the 3 classes"),
        ("kind", None, "x", "'kind' must be 'search' or 'head_to_head'; got 'x'"),
        ("asked", None, 7, "'asked' must be a valid list; got 7"),
        ("machine", None, None, "'machine' must be"),
        ("command", None, 5, "'command' must be a valid string; got 5"),
    ],
)
def test_a_key_that_is_not_what_is_written_there_is_named(folder, part, name, value, said):
    changed = about(3, 2)
    if name is None:
        changed[part] = value
    else:
        changed[part][name] = value
    write_json(folder / "run.json", changed)
    with pytest.raises(UsageError, match=r"run\.json is damaged") as error:
        read_run(folder)
    assert said in str(error.value)


@pytest.mark.parametrize(("part", "name"), KEYS)
def test_a_key_that_is_needed_and_not_there_is_named(folder, part, name):
    lacking = about(3, 2)
    del (lacking if name is None else lacking[part])[part if name is None else name]
    write_json(folder / "run.json", lacking)
    with pytest.raises(UsageError, match=rf"run\.json is damaged \(it lacks '{part}{'.' + name if name else ''}'\)"):
        read_run(folder)


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(("part", "value"), [("setting", []), ("options", None), ("data", "x"), ("space", 3)])
def test_a_part_that_is_no_object_is_named(folder, capsys, command, part, value):
    write_json(folder / "run.json", about(3, 2) | {part: value})
    refused(command, folder, capsys, f"run.json is damaged (it lacks '{part}')")


def test_a_head_to_head_lacks_its_strategies(folder):
    write_json(folder / "run.json", about(3, 2) | {"compare": {"seeds": 2}})
    with pytest.raises(UsageError, match=r"it lacks 'compare\.strategies'"):
        read_run(folder)


@pytest.mark.parametrize("name", ["run.json", "ledger.jsonl"])
@pytest.mark.parametrize("command", READERS)
def test_a_file_that_may_not_be_read_is_one_sentence(folder, capsys, monkeypatch, command, name):
    original = boundary.open_to_read

    def denied(path):
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    for module in ("records.boundary", "records.ledger", "records.follow"):
        monkeypatch.setattr(f"{module}.open_to_read", denied)
    if command == "resume" and name == "ledger.jsonl":
        with pytest.raises(UsageError, match="cannot be read"):
            read_history(folder)
        return
    refused(command, folder, capsys, f"{name} cannot be read (Permission denied)")


@pytest.mark.parametrize("number", [13, 30])
def test_a_ledger_that_may_not_be_written_is_one_sentence(folder, monkeypatch, number):
    def denied(path, mode, folder, buffering):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(ledger, "open_plain", denied)
    with pytest.raises(UsageError, match=rf"^The ledger .* cannot be written \({os.strerror(number)}\)\.$"):
        Ledger(folder)


def test_predictions_under_a_strange_name_are_none_of_ours_and_empty_ones_are_named(folder):
    (folder / "predictions").mkdir()
    for name in ("x.safetensors", "0000.safetensors", "a.test.safetensors", "0000.te/st.safetensors"):
        (folder / "predictions" / name).parent.mkdir(exist_ok=True)
        (folder / "predictions" / name).write_bytes(b"x")
    assert list(read_predictions(folder, read_history(folder))) == []
    predictions_file(folder, 0, "test").write_bytes(b"x")
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_predictions(folder, read_history(folder)))


def test_json_that_is_too_deep_is_a_value_error():
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(DEEP)
    assert parse_json(b"[[]]") == [[]]
