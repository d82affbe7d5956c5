"""What the tables and the reports of four recorded runs say, kept word for word and number for number.

`tests/golden` holds run folders of version 0.1.0, in the ledger's first format, with the tables and the reports made of
them then: a search, a head-to-head with twins, a population, and a search under Ray that was interrupted and resumed.
`common_marks` holds the tables of a head-to-head since arms have one budget and are judged at common marks of it, and a
random twin makes its partner's BatchNorm passes. What the reports say was written anew when the rulebook was.
"""

import hashlib
import json
import platform
import shlex
import shutil
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet
import pytest

from analysis.chapters.contents import make_report
from analysis.comparable import sections
from analysis.comparison import write_comparison
from analysis.document.markdown import write_markdown
from analysis.runs import load_with_epochs
from console.arguments import DONE, WRONG_USAGE
from records.parquet import write_tables
from search import compare, export, replay, run, status

GOLDEN = Path(__file__).parent / "golden"
RUNS = ("search", "head_to_head", "population", "resumed")
TABLES = ("records", "finals", "predictions", "best", "schedule")


@pytest.fixture
def runs(tmp_path) -> Path:
    """Copies of the run folders, without what was derived from them."""
    shutil.copytree(GOLDEN, tmp_path / "golden", ignore=shutil.ignore_patterns("*.parquet", "*.md"))
    return tmp_path / "golden"


@pytest.mark.parametrize("name", RUNS)
def test_the_tables_are_what_they_were(runs, name):
    write_tables(runs / name)
    recorded = [table for table in TABLES if (GOLDEN / name / f"{table}.parquet").exists()]
    assert set(recorded) >= {"records", "finals", "predictions", "best"}
    assert ("schedule" in recorded) == (runs / name / "schedule.parquet").exists()
    for table in recorded:
        then = pyarrow.parquet.read_table(GOLDEN / name / f"{table}.parquet")
        now = pyarrow.parquet.read_table(runs / name / f"{table}.parquet")
        assert set(then.column_names) <= set(now.column_names)
        now = now.select(then.column_names)
        empty = {column for column in then.column_names if then[column].null_count == len(then)}  # then of no kind
        for one, other in zip(now.schema, then.schema, strict=True):
            assert one.name in empty or one == other
        assert now.to_pylist() == then.to_pylist()


@pytest.mark.parametrize(("chosen", "golden"), [(RUNS, "report.md"), (("resumed",), "resumed/report.md")])
def test_the_report_is_what_it_was(runs, chosen, golden):
    """All but the pixels: drawing takes a minute, and other tests look at figures."""
    found = [load_with_epochs(runs / run) for run in chosen]
    said = write_markdown(make_report(sections(found)))
    assert said == (GOLDEN / golden).read_text()


def test_the_comparison_is_what_it_was(runs):
    write_comparison(runs / "head_to_head")
    assert (runs / "head_to_head" / "comparison.md").read_text() == (
        GOLDEN / "head_to_head" / "comparison.md"
    ).read_text()


SLOW_ON_RAY = (pytest.mark.slow, pytest.mark.ray)
SPENT = {"train_seconds", "score_seconds", "eval_seconds", "seconds", "peak_memory_mb"}  # differs between two trainings


def processor_kind() -> str:
    """What decides how sums of floats come out: family, model and instructions; names are shared by different ones."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    kind = [told.get(name, "") for name in ("vendor_id", "cpu family", "model")]
    return " ".join([*kind, *sorted(told.get("flags", "").split())])


def same_machine(about: dict) -> bool:
    """Whether sums of floats come out alike: they follow the processor and torch."""
    kind = hashlib.sha256(processor_kind().encode()).hexdigest()
    recorded = (GOLDEN / "processor.sha256").read_text().strip()
    return kind == recorded and about["versions"]["torch"] == version("torch")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (run, "search"),
        (compare, "common_marks"),
        pytest.param(run, "population", marks=(pytest.mark.slow, pytest.mark.ray)),
    ],
)
def test_training_again_gives_the_same_tables(tmp_path, module, name):
    """To the last digit on the machine they were made on. On another, of the head-to-head, to three digits of the loss:

    a search elsewhere follows its own sums of floats, so only its anchors can be compared.
    """
    about = json.loads((GOLDEN / name / "run.json").read_text())
    words = shlex.split(about["command"])[3:]
    assert module.main([*words, "--out", str(tmp_path)]) == DONE
    for table in TABLES:
        golden = GOLDEN / name / f"{table}.parquet"
        if golden.exists():
            then, now = (pyarrow.parquet.read_table(file) for file in (golden, tmp_path / name / golden.name))
            kept = [column for column in then.column_names if column not in SPENT]
            compare_rows(then.select(kept).to_pylist(), now.select(kept).to_pylist(), same_machine(about), name)


GROWN = ("batchnorm", "unfreeze")  # of every config by now, where they were of transfer's alone


def compare_rows(then: list[dict], now: list[dict], exactly: bool, name: str) -> None:
    for row, other in zip(then, now, strict=True):
        for column in GROWN:
            if row.get(column, "") is None:
                assert row.pop(column) is None and other.pop(column) in ("frozen", "all")
    if exactly:
        assert now == then
        return
    if "anchor" in then[0]:  # of best: what is asked for without a draw is the same everywhere
        assert anchors_of(now) == anchors_of(then)
    if name == "common_marks" and "eval_loss" in then[0]:
        assert [(row["trial"], row["epoch"], row["images"]) for row in now] == [
            (row["trial"], row["epoch"], row["images"]) for row in then
        ]
        assert [row["eval_loss"] for row in now] == pytest.approx([row["eval_loss"] for row in then], abs=2e-3)


def anchors_of(best: list[dict]) -> dict:
    """By trial: the anchor's name, and every column that says what was to be trained."""
    found = ("run", "state", "best_epoch", "epochs", "selection_", "test_")
    asked = [row for row in best if row["anchor"]]
    return {row["trial"]: {k: v for k, v in row.items() if not k.startswith(found)} for row in asked}


# The commands on run folders of format 1


@pytest.mark.parametrize("name", RUNS)
def test_status_reads_it(runs, name, capsys):
    assert status.main([str(runs / name)]) == DONE
    said = capsys.readouterr().out
    best = "mean validation accuracy: self_paced 0.190" if name == "head_to_head" else "best 0."
    assert said.startswith(f"{name}: self_paced") and "finished" in said and best in said


@pytest.mark.parametrize("name", RUNS)
def test_export_writes_its_best_configs(runs, name, tmp_path):
    out = tmp_path / "best.parquet"
    assert export.main([str(runs / name), "--out", str(out)]) == DONE
    then = pyarrow.parquet.read_table(GOLDEN / name / "best.parquet")
    assert pyarrow.parquet.read_table(out).select(then.column_names).to_pylist() == then.to_pylist()


@pytest.mark.parametrize(("name", "words"), [
    ("search", ["best.parquet", "--row", "1"]),
    ("head_to_head", ["best.parquet", "--row", "3"]),
    ("population", ["schedule.parquet"]),
])  # fmt: skip
def test_replay_trains_a_row_of_its_tables_again(name, words, capsys):
    """With the recorded numbers, on the machine that recorded them; the tables are those that version 0.1.0 wrote."""
    status = replay.main([str(GOLDEN / name / words[0]), *words[1:]])
    said = capsys.readouterr().out
    exact = same_machine(json.loads((GOLDEN / name / "run.json").read_text()))
    assert status == DONE if exact else "epoch   1" in said
    assert "The same" in said if exact else "same" in said.lower() or "Other numbers" in said


def test_it_is_read_and_not_written_any_more(runs, capsys):
    before = {path: path.read_bytes() for path in (runs / "resumed").glob("*.json*")}
    words = ["--resume", "--name", "resumed", "--out", str(runs), "--samples", "12"]
    assert run.main(words) == WRONG_USAGE
    assert "has run format 1, which is read and not written any more; start a new run" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (runs / "resumed").glob("*.json*")} == before
