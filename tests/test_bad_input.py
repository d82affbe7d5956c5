"""Whatever a person, a script or somebody else's file hands in, the answer is one sentence, and nothing is left behind.

One line of a table is one case; a new fault is one line more.
"""

import importlib
import os
import time
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from console.arguments import DONE, WRONG_USAGE
from records.parquet import read_table, write_table
from search import run
from tests.made_runs import about

SMALL = [
    "--data",
    "scenes:count=70",
    "--image-size",
    "16",
    "--epochs",
    "1",
    "--cpus-per-trial",
    "1",
    "--executor",
    "local",
]
SEARCH = ["search.run", *SMALL, "--samples", "2", "--out", "{out}"]
COMPARE = ["search.compare", *SMALL, "--seeds", "1", "--strategies", "finetune,self_paced", "--out", "{out}"]
REPLAY = ["search.replay", "{run}/best.parquet"]
PREDICT = ["search.predict", "{run}", "{empty}"]
MODEL = ["search.export", "{run}", "--out", "{tmp}/m.pt"]
LONG = "9" * 30


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder; no case may change it."""
    out = tmp_path_factory.mktemp("runs")
    words = ["--space", "self_paced", *SMALL, "--samples", "2", "--out", str(out), "--name", "r"]
    assert run.main(words) == DONE
    return out / "r"


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def answer(words: list[str], places: dict[str, Path], capsys: Any) -> str:
    """What a command says that must refuse: with status 2, on one line, soon, and with every file as it was."""
    command, *rest = (word.format(**places) if "{" in word else word for word in words)
    before, started = files_below(places["tmp"]) | files_below(places["run"]), time.monotonic()
    try:
        status = importlib.import_module(command).main(rest)
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr().err.strip()
    assert status == WRONG_USAGE and said and "\n" not in said and "Traceback" not in said, said
    assert said.isprintable(), said
    assert time.monotonic() - started < 60
    assert files_below(places["tmp"]) | files_below(places["run"]) == before
    return said


@pytest.fixture
def places(finished, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "empty").touch()
    return {"run": finished, "tmp": tmp_path, "out": tmp_path / "out", "pipe": pipe, "empty": tmp_path / "empty"}


ASKED = [
    (SEARCH, ["--name", "n" * 256], "--name takes at most 200 bytes; got one of 256."),
    (SEARCH, ["--name", "ä" * 128], "--name takes at most 200 bytes; got one of 256."),
    (SEARCH, ["--name", "a\nb"], "--name must be letters, digits"),
    (SEARCH, ["--name", ""], "--name got an empty text; give it a value, or leave it out."),
    (SEARCH, ["--out", ""], "--out got an empty text"),
    (SEARCH, ["--out", "a\0b"], "--out got a text with a null byte in it"),
    (SEARCH, ["--data", ""], "--data got an empty text"),
    (SEARCH, ["--data", " "], "--data got an empty text"),
    (SEARCH, ["--data", "a\0b"], "--data got a text with a null byte"),
    (SEARCH, ["--data", "/dev/zero"], "'/dev/zero' is neither a known data set"),
    (SEARCH, ["--data", "{pipe}"], "is neither a known data set"),
    (SEARCH, ["--data", "scenes:count=" + LONG], "count must be"),
    (SEARCH, ["--data", "scenes:count=70,count=80"], "names count twice"),
    (SEARCH, ["--data", "n" * 300], "--data is too long for a path"),
    (SEARCH, ["--after", "n" * 300], "--after is too long for a path"),
    (SEARCH, ["--weights", "n/" * 3000], "--weights is too long for a path"),
    (SEARCH, ["--split", ""], "--split got an empty text"),
    (SEARCH, ["--split", "/dev/zero"], "No split file at /dev/zero"),
    (SEARCH, ["--split", "{pipe}"], "No split file at"),
    (SEARCH, ["--weights", ""], "--weights got an empty text"),
    (SEARCH, ["--weights", "/dev/zero"], "No weights file at /dev/zero"),
    (SEARCH, ["--weights", "{pipe}"], "No weights file at"),
    (SEARCH, ["--configs", ""], "--configs got an empty text"),
    (SEARCH, ["--configs", "{pipe}"], "No table at"),
    (SEARCH, ["--configs", "{tmp}"], "No table at"),
    (SEARCH, ["--configs", "{empty}"], "is no parquet table"),
    (SEARCH, ["--configs", "{run}/records.parquet"], "holds no configs"),
    (SEARCH, ["--space", "paced", "--difficulty", "/dev/zero"], "No difficulty file at /dev/zero"),
    (SEARCH, ["--space", "paced", "--difficulty", "{pipe}"], "No difficulty file at"),
    (SEARCH, ["--gpus-per-trial", "inf"], "--gpus-per-trial must be a finite number; got 'inf'."),
    (SEARCH, ["--gpus-per-trial", "nan"], "--gpus-per-trial must be"),
    (SEARCH, ["--train-share", "nan"], "--train-share must be"),
    (SEARCH, ["--samples", LONG], "--samples must be less than or equal to 100000"),
    (SEARCH, ["--epochs", LONG], "--epochs must be less than or equal to 1000000"),
    (SEARCH, ["--keep", LONG], "--keep must be less than"),
    (SEARCH, ["--max-failures", LONG], "--max-failures must be less than"),
    (SEARCH, ["--seed", "-1"], "--seed must be greater than or equal to 0"),
    (SEARCH, ["--set", "gate=0.5", "--search", "gate=0.5:0.9"], "gate is named by --set and again by --search"),
    (SEARCH, ["--set", "gate=0.5", "--set", "gate=0.6"], "gate is named by --set and again by --set"),
    (SEARCH, ["--search", "gate=0.5:0.6", "--search", "gate=0.5:0.7"], "gate is named by --search and again by --search"),
    (SEARCH, ["--set", "gate=nan"], "SelfPacedConfig.gate: must be a number in [0, 1]; got 'nan'."),
    (SEARCH, ["--set", ""], "--set got an empty text"),
    (SEARCH, ["--search", "gate=0.1:nan"], "SelfPacedConfig.gate: must be a number"),
    (SEARCH, ["--anchors", "as_run,as_run"], "--anchors names as_run twice"),
    (SEARCH, ["--after", "{run},{run}"], "twice; each run counts once."),
    (SEARCH, ["--after", "/nowhere"], "is no run"),
    (SEARCH, ["--time-budget", "1e5"], "--time-budget wants a time like"),
    (SEARCH, ["--plugin", "..x"], "plugin"),
    (COMPARE, ["--anchors", "a\nb"], "Unknown anchor of any strategy named 'a\\nb'."),
    (SEARCH, ["--anchors\n", "a"], "Unknown flag --anchors\\n; did you mean --anchors?"),
    (COMPARE, ["--anchors", "typo"], "Unknown anchor of any strategy named 'typo'."),
    (COMPARE, ["--strategies", "finetune@"], "names no file after '@'"),
    (COMPARE, ["--strategies", "finetune@/dev/zero"], "No weights file at /dev/zero"),
    (COMPARE, ["--strategies", ""], "--strategies got an empty text"),
    (COMPARE, ["--strategies", ","], "Unknown"),
    (COMPARE, ["--strategies", "finetune,finetune"], "--strategies names finetune twice."),
    (COMPARE, ["--set", "gate=0.5", "--set", "gate=0.6"], "--set names gate twice"),
    (COMPARE, ["--budget", "seconds=nan"], "--budget wants updates=N"),
    (COMPARE, ["--budget", f"updates={LONG}"], "--budget takes at most 1,000,000,000 updates"),
    (COMPARE, ["--budget", f"seconds={LONG}"], "--budget takes at most 100,000,000 seconds"),
    (COMPARE, ["--margin", "nan"], "--margin must be"),
    (COMPARE, ["--primary", "finetune:finetune"], "finetune"),
    (REPLAY, ["--epochs", "0"], "--epochs must be at least 1; got 0."),
    (REPLAY, ["--epochs", "-1"], "--epochs must be at least 1; got -1."),
    (REPLAY, ["--row", "99"], "--row 99: "),
    (REPLAY, ["--threads", "0"], "--threads must be greater than or equal to 1"),
    (REPLAY, ["--device", "tpu"], "--device must be 'cpu' or 'cuda'"),
    (REPLAY, ["--weights", ""], "--weights got an empty text"),
    (REPLAY, ["--precision", "fp16"], "--precision fp16 is for GPUs, and trials run on the CPU here"),
    (REPLAY, ["--accelerate", "graph"], "--accelerate graph is for GPUs, and trials run on the CPU here"),
    (REPLAY, ["--accelerate", "fast"], "--accelerate must be 'auto', 'graph', 'compile' or 'none'"),
    (SEARCH, ["--precision", "tf32"], "--precision tf32 is for GPUs, and trials run on the CPU here"),
    (SEARCH, ["--accelerate", "graph"], "--accelerate graph is for GPUs, and trials run on the CPU here"),
    (COMPARE, ["--precision", "fp16"], "--precision fp16 is for GPUs, and trials run on the CPU here"),
    (COMPARE, ["--accelerate", "graph"], "--accelerate graph is for GPUs, and trials run on the CPU here"),
    (["analysis.report", "{run}", "--out", "{out}"], ["--reference", "{empty}"], "is no CSV (No columns to parse"),
    (["analysis.report", "{run}", "--out", "{out}"], ["--reference", "{pipe}"], "is no plain file"),
    (["analysis.report", "{run}", "--out", "{out}"], ["--reference", "/nowhere"], "cannot be read (No such file"),
    (["analysis.report", "{run}", "--out", "{out}"], ["--reference", "{run}/best.parquet"], "cannot be read ('utf-8'"),
    (["analysis.comparison"], ["{run}"], "is a search, which has no arms to compare"),
    (PREDICT, ["--batch-size", "0"], "--batch-size must be at least 1; got 0."),
    (PREDICT, ["--trial", "99"], "has no network of trial 99; kept: 0, 1."),
    (PREDICT, ["--out", "x.txt"], "--out wants a name that ends in .parquet or .csv; got 'x.txt'."),
    (PREDICT, ["--out", "{run}/best.parquet"], "would replace best.parquet of the run"),
    (PREDICT, ["--out", "{empty}.csv/x.csv"], "None of these files is an image"),
    (["search.predict", "{tmp}", "{empty}"], [], "is no run folder"),
    (["search.predict", "{empty}", "{empty}"], [], "cannot be read as a checkpoint of ours"),
    (["search.predict", "{pipe}", "{empty}"], [], "No network at"),
    (["search.predict", "{run}/best.parquet", "{empty}"], [], "cannot be read as a checkpoint of ours"),
    (["search.predict", "{run}"], ["/nowhere"], "No file or folder at /nowhere"),
    (["search.predict", "{run}"], ["{pipe}", "{empty}", "/dev/zero"], "None of these files is an image"),
    (MODEL, ["--trial", "-1"], "has no network of trial -1; kept: 0, 1."),
    (["search.export", "{run}"], ["--trial", "0", "--out", "{tmp}/m.csv"], "--trial and --images are of a network"),
    (MODEL, ["--top", "1"], "writes one network of one run"),
    (["search.export", "{run}"], ["{run}", "--out", "{tmp}/m.pt"], "writes one network of one run"),
    (MODEL, ["--images", "{empty}"], "cannot be read as an image (an empty file)"),
    (MODEL, ["--images", "/nowhere"], "No file or folder at /nowhere"),
    (MODEL, ["--format", "keras"], "Unknown format 'keras'."),
    (["search.export", "{run}", "--format", "torchscript"], [], "writes one network of one run"),
    (SEARCH, ["--track", "x"], "--track must be 'mlflow', 'wandb' or 'tensorboard'; got 'x'."),
    (SEARCH, ["--track", ""], "--track got an empty text"),
    (["search.track", "{run}"], ["--to", "x"], "Unknown tracker 'x'."),
    (["search.track", "{run}"], ["--to", "tensorbord"], "Did you mean 'tensorboard'?"),
    (["search.track", "{run}"], ["--to", "tensorboard", "--uri", "x"], "drop --uri x"),
    (["search.track", "{run}"], ["--to", "mlflow", "--uri", ""], "--uri got an empty text"),
    (["search.track", "{run}"], ["--to", "mlflow", "--uri", "{run}/log"], "would replace log of the run"),
    (["search.track", "{run}"], [], "--to"),
    (["search.track"], ["{tmp}", "--to", "mlflow"], "is no run folder"),
    (["search.track"], ["{pipe}", "--to", "mlflow"], "is no run folder"),
    (["search.status"], ["{tmp}"], "is no run folder: it has no run.json, and no folder in it is one."),
    (["search.status"], ["{tmp}/x*"], "x* matches no run folder"),
    (["search.status"], ["{run}", "{empty}"], "is no run folder"),
    (["search.status"], [""], "A run folder was to be named; got ''."),
    (["search.dashboard"], ["{tmp}"], "is no run folder: it has no run.json, and no folder in it is one."),
    (["search.dashboard"], ["{run}", "{tmp}/x*"], "x* matches no run folder"),
    (["search.export"], ["{tmp}"], "is no run folder: it has no run.json, and no folder in it is one."),
    (["search.export"], ["{run}", "{run}"], "is named twice"),
    (["search.export"], ["{tmp}/*"], "/* matches no run folder"),
    (["search.replay"], ["/dev/zero"], "No table at /dev/zero"),
    (["search.replay"], ["{pipe}"], "No table at"),
    (["search.replay"], ["{run}/run.json"], "is no parquet table"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "words", "expected"),
    ASKED,
    ids=[f"{command[0]} {' '.join(words)[:40]!r}" for command, words, _ in ASKED],
)
def test_what_is_asked_wrongly_is_answered_in_one_sentence(command, words, expected, places, capsys):
    assert expected in answer([*command, *words], places, capsys)
    assert not places["out"].exists()


CELLS = [  # of best.parquet: column, value, what replay says; None for a value: no such column
    ("setting_threads", -1, "The table's column setting_threads must be"),
    ("setting_epochs", 10**12, "The table's column setting_epochs must be less than"),
    ("setting_image_size", 10**9, "The table's column setting_image_size must be less than"),
    ("setting_seed", 2**40, "The table's column setting_seed must be less than"),
    ("setting_max_updates", 10**18, "setting_max_updates must be less than"),
    ("setting_max_seconds", float("nan"), "setting_max_seconds must be a finite number"),
    ("setting_train_share", float("nan"), "setting_train_share must be a finite number"),
    ("setting_marks", 3, "wants max_updates or max_seconds"),
    ("setting_sizes", ["x"], "setting_sizes must be a valid integer"),
    ("setting_extra", 1, "setting_extra is nothing that this version knows"),
    ("setting_strategy", "x", "Unknown strategy 'x'."),
    ("setting_model", "timm:x", "Unknown model 'timm:x'."),
    ("setting_data", "/dev/zero", "is neither a known data set"),
    ("setting_data", "scenes:count=99999999999", "count must be between"),
    ("setting_weights", "/etc/passwd", "is no plain state dict"),
    ("setting_weights", "/dev/zero", "No weights file at"),
    ("setting_split", "/etc/passwd", "has no column 'path'"),
    ("setting_split", "n" * 300, "setting_split is too long for a path"),
    ("setting_split", "/dev/zero", "Split file /dev/zero is no plain file"),
    ("setting_plugins", ["os"], "was made with the plugin os"),
    ("setting_data_digest", "x", "have digest"),
    ("batch_size", 10**9, "SelfPacedConfig.batch_size: must be"),
    ("learning_rate", float("nan"), "SelfPacedConfig.learning_rate: must be"),
    ("gate", "x", "SelfPacedConfig.gate: must be"),
    ("epochs", 10**9, "column epochs: must be less than"),
    ("epochs", 0, "column epochs: must be greater than"),
    ("epochs", "x", "column epochs: must be a valid integer"),
    ("epochs", None, "column epochs: is missing"),
    ("trial", -1, "column trial: must be greater than"),
    ("trial", None, "column trial: is missing"),
    ("run", None, "column run: is missing"),
    ("best_epoch", None, "column best_epoch: is missing"),
    ("selection_accuracy", None, "column selection_accuracy: is missing"),
    ("member", 1, "column epoch: is missing"),
]


@pytest.mark.parametrize(("column", "value", "expected"), CELLS, ids=[f"{name}={value!r}" for name, value, _ in CELLS])
def test_a_table_of_somebody_elses_is_held_to_what_the_command_line_is(column, value, expected, places, capsys):
    changed = []
    for row in read_table(places["run"] / "best.parquet"):
        rest = {name: other for name, other in row.items() if name != column}
        changed.append(rest if value is None else rest | {column: value})
    table = places["tmp"] / "changed.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(changed), table)  # ours would not write such values
    assert expected in answer(["search.replay", str(table)], places, capsys)


def test_a_row_of_a_machine_with_more_threads_is_run_with_those_there_are(places, capsys):
    rows = [row | {"setting_threads": 10_000} for row in read_table(places["run"] / "best.parquet")]
    write_table(places["tmp"] / "wide.parquet", rows, about(1, 1))
    importlib.import_module("search.replay").main([str(places["tmp"] / "wide.parquet")])
    assert "10,000 there)" in capsys.readouterr().out
    threads = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Threads:"))
    assert int(threads.split()[1]) < 1000
