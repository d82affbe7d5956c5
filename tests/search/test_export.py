"""Exports by hand: the front, the formats, and the way back into replay."""

import csv
import json

import pandas as pd
import pyarrow.parquet
import pytest

from console.errors import UsageError
from console.wording import printable
from records.files import write_json
from records.folder import read_run
from records.parquet import read_row
from search import export, run
from search.replay import from_row, main

TINY = ["--data", "scenes:count=105", "--image-size", "16", "--executor", "local", "--epochs", "2", "--samples", "3",
        "--cpus-per-trial", "1", "--precision", "fp32"]  # fmt: skip


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert run.main([*TINY, "--out", str(out), "--name", "a"]) == run.DONE
    assert run.main([*TINY, "--space", "finetune", "--out", str(out), "--name", "b"]) == run.DONE
    return out


def row(trial, accuracy, seconds, strategy="finetune", state="complete"):
    return {"run": "r", "trial": trial, "selection_accuracy": accuracy, "selection_loss": 1.0, "seconds": seconds,
            "setting_strategy": strategy, "state": state}  # fmt: skip


def test_the_front_has_what_no_other_row_beats_in_both():
    rows = [row(0, 0.9, 10.0), row(1, 0.8, 5.0), row(2, 0.7, 7.0), row(3, 0.6, 1.0), row(4, 0.9, 12.0)]
    assert [r["trial"] for r in export.choose(rows, None, False, pareto=True)] == [0, 1, 3]
    assert [r["trial"] for r in export.choose(rows, 2, False, pareto=True)] == [0, 1]


def test_a_trial_that_was_stopped_early_is_not_on_the_front_and_keeps_nobody_off_it():
    rows = [row(0, 0.9, 10.0), row(1, 0.8, 1.0, state="pruned"), row(2, 0.7, 7.0)]
    assert [r["trial"] for r in export.choose(rows, None, False, pareto=True)] == [0, 2]


def test_the_front_of_each_strategy_is_its_own():
    rows = [row(0, 0.9, 1.0), row(1, 0.8, 5.0, "self_paced"), row(2, 0.7, 2.0, "self_paced")]
    assert [r["trial"] for r in export.choose(rows, None, True, pareto=True)] == [0, 1, 2]


def test_parquet_goes_back_into_replay_and_says_where_it_comes_from(searched, tmp_path):
    out = tmp_path / "best.parquet"
    assert export.main([str(searched / "a"), str(searched / "b"), "--per-strategy", "--out", str(out)]) == run.DONE
    metadata = json.loads(pyarrow.parquet.read_schema(out).metadata[b"curriculum_tune"])
    assert [about["run"] for about in metadata["runs"]] == ["a", "b"] and metadata["about"]["data_digest"]
    assert metadata["versions"]["curriculum-tune"] and metadata["units"]["losses"] == "nats"
    frame = pd.read_parquet(out)
    for number in range(len(frame)):
        setting, config = from_row(read_row(out, number), {})
        assert setting.strategy == frame["setting_strategy"][number]
        assert config.learning_rate == frame["learning_rate"][number]
    best = frame.index[frame["run"] == "b"][0]
    assert main([str(out), "--row", str(best)]) == run.DONE


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_other_formats_hold_the_same_rows(searched, tmp_path, kind):
    out, same = tmp_path / f"best.{kind}", tmp_path / "best.parquet"
    for path in (out, same):
        assert export.main([str(searched / "a"), "--out", str(path)]) == run.DONE
    if kind == "csv":
        rows = list(csv.DictReader(out.open(newline="")))
    else:
        content = json.loads(out.read_text())
        rows = content["configs"]
        assert content["runs"][0]["run"] == "a" and content["units"]
    wanted = pd.read_parquet(same)
    assert [int(r["trial"]) for r in rows] == wanted["trial"].tolist()
    assert [float(r["learning_rate"]) for r in rows] == wanted["learning_rate"].tolist()


def test_the_format_may_differ_from_the_ending(searched, tmp_path):
    assert export.main([str(searched / "a"), "--out", str(tmp_path / "x.txt"), "--format", "json"]) == run.DONE
    assert json.loads((tmp_path / "x.txt").read_text())["configs"]


def test_what_makes_no_sense_is_one_sentence(searched, tmp_path, capsys):
    a = str(searched / "a")
    for words, said in (
        ([a, "--out", str(tmp_path / "x"), "--format", "xml"], "Unknown format 'xml'"),
        ([a, "--format", "csv"], "--format is of the table that --out names"),
        ([a, "--pareto"], "name one"),
    ):
        assert export.main(words) == run.WRONG_USAGE
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("change", ["protocol", "digest"])
def test_runs_that_cannot_be_ranked_together_are_refused(searched, tmp_path, change):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(searched / "a", other)
    about = read_run(other)
    if change == "protocol":
        about["setting"]["protocol"] = "report"
    else:
        about["data"]["digest"] = "another"
    write_json(other / "run.json", about)
    with pytest.raises(UsageError, match="cannot be ranked together"):
        export.export([searched / "a", other], None, False, tmp_path / "best.parquet")


def test_a_run_that_is_named_twice_is_refused(searched, tmp_path, capsys):
    (tmp_path / "same").symlink_to(searched / "a")
    for twice in ([searched / "a", searched / "a"], [searched / "a", tmp_path / "same"]):
        for more in ([], ["--out", str(tmp_path / "best.csv")]):
            assert export.main([*map(str, twice), *more]) == run.WRONG_USAGE
            assert "is named twice; name each run once" in capsys.readouterr().err
    assert not (tmp_path / "best.csv").exists()


def test_a_folder_of_runs_and_a_quoted_pattern_stand_for_the_runs_in_them(searched, tmp_path, capsys):
    for several in ([str(searched)], [f"{searched}/*"], [f"{searched}/a", f"{searched}/*"]):
        assert export.main([*several, "--out", str(tmp_path / "best.csv"), "--overwrite"]) == run.DONE
        with (tmp_path / "best.csv").open() as file:
            assert {row["run"] for row in csv.DictReader(file)} == {"a", "b"}
    assert export.main([f"{searched}/*"]) == run.DONE
    assert capsys.readouterr().out.count("written from its ledger") == 2
    assert export.main([f"{searched}/x*"]) == run.WRONG_USAGE
    assert "x* matches no run folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1+2", "@SUM(A1)", "\t=1", "=\x1b[2J"])
def test_a_spreadsheet_computes_nothing_of_a_name_nor_does_a_terminal(searched, tmp_path, name):
    import shutil

    shutil.copytree(searched / "a", tmp_path / "a")
    about = read_run(tmp_path / "a")
    about["options"]["name"] = name
    write_json(tmp_path / "a" / "run.json", about)
    assert export.main([str(tmp_path / "a"), "--out", str(tmp_path / "best.csv")]) == run.DONE
    rows = list(csv.DictReader((tmp_path / "best.csv").open(newline="")))
    assert {row["run"] for row in rows} == {printable(f"'{name}")} and float(rows[0]["selection_loss"]) > 0
