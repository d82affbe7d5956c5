"""A whole search on a tiny embedded set: what runs, what is left behind, what is refused. Local executor, then Ray."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from records import ledger
from search import export, replay, run

TINY = ["--space", "self_paced", "--data", "scenes:count=105", "--image-size", "32", "--precision", "fp32"]
LOCAL = [*TINY, "--executor", "local", "--cpus-per-trial", "1"]


def search(out: Path, name: str, *more: str, base: list[str] = LOCAL) -> int:
    return run.main([*base, "--out", str(out), "--name", name, *more])


def events(folder: Path, kind: str) -> list[dict]:
    return [event for event in ledger.read_lines(folder) if event["event"] == kind]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four trials of three epochs."""
    out = tmp_path_factory.mktemp("runs")
    assert search(out, "one", "--samples", "4", "--epochs", "3", "--keep", "1") == run.DONE
    return out / "one"


def test_every_trial_is_asked_trained_and_ended_once(finished):
    assert [e["trial"] for e in events(finished, "asked")] == [0, 1, 2, 3]
    assert [e["anchor"] for e in events(finished, "asked")] == ["as_run", "as_described", None, None]
    assert [(e["record"]["trial"], e["record"]["epoch"]) for e in events(finished, "epoch")] == [
        (trial, epoch) for trial in range(4) for epoch in (1, 2, 3)
    ]
    assert [e["state"] for e in events(finished, "ended")] == ["complete"] * 4


def test_the_tables_hold_a_row_per_epoch_trial_and_image(finished):
    rows = {name: pyarrow.parquet.read_table(finished / f"{name}.parquet").to_pylist() for name in
            ("records", "finals", "predictions", "best")}  # fmt: skip
    assert len(rows["records"]) == 12 and len(rows["finals"]) == 4 and len(rows["best"]) == 4
    validation = json.loads((finished / "run.json").read_text())["data"]["validation"]
    assert sum(row["split"] == "validation" for row in rows["predictions"]) == 4 * validation
    assert all(np.isclose(sum(row["probabilities"]), 1, atol=1e-4) for row in rows["predictions"])


def test_best_rows_are_ordered_and_typed(finished):
    table = pyarrow.parquet.read_table(finished / "best.parquet")
    accuracies = table["selection_accuracy"].to_pylist()
    assert accuracies == sorted(accuracies, reverse=True)
    kinds = {name: str(table.schema.field(name).type) for name in ("learning_rate", "slow_epochs", "ranking")}
    assert kinds == {"learning_rate": "double", "slow_epochs": "int64", "ranking": "string"}
    assert {"run", "units", "versions"} <= set(json.loads(table.schema.metadata[b"curriculum_tune"])) | {"run"}


def test_selected_figures_are_those_of_the_predictions(finished):
    rows = pyarrow.parquet.read_table(finished / "predictions.parquet").to_pylist()
    for final in pyarrow.parquet.read_table(finished / "finals.parquet").to_pylist():
        mine = [row for row in rows if row["trial"] == final["trial"] and row["split"] == "validation"]
        assert np.isclose(np.mean([row["true"] == row["predicted"] for row in mine]), final["selection_accuracy"])
        assert {row["epoch"] for row in mine} == {final["best_epoch"]}


def test_test_is_opened_once_for_the_best_and_once_for_the_best_anchor(finished):
    opened = [event["trial"] for event in events(finished, "test")]
    finals = pyarrow.parquet.read_table(finished / "finals.parquet").to_pylist()
    ranked = sorted(finals, key=lambda f: (-f["selection_accuracy"], f["selection_loss"], f["trial"]))
    anchor = next(f["trial"] for f in ranked if f["trial"] in (0, 1))
    assert opened == list(dict.fromkeys([ranked[0]["trial"], anchor]))
    assert {f["trial"] for f in finals if f["test_accuracy"] is not None} == set(opened)
    assert all(f["test_opened"] == len(opened) for f in finals)


def test_only_the_best_networks_and_the_anchors_are_kept(finished):
    finals = pyarrow.parquet.read_table(finished / "finals.parquet").to_pylist()
    best = min(finals, key=lambda f: (-f["selection_accuracy"], f["selection_loss"], f["trial"]))["trial"]
    kept = {int(path.parent.name) for path in finished.glob("checkpoints/*/best.safetensors")}
    assert kept == {0, 1, best}
    assert not list(finished.glob("checkpoints/*/last.safetensors"))
    assert not [path for path in finished.rglob("*") if path.suffix in (".pkl", ".pt", ".pth")]


def test_the_tables_are_derived_and_can_be_written_again(finished):
    before = {p.name: pyarrow.parquet.read_table(p) for p in finished.glob("*.parquet")}
    for path in finished.glob("*.parquet"):
        path.unlink()
    assert export.main([str(finished)]) == run.DONE
    assert {p.name: pyarrow.parquet.read_table(p) for p in finished.glob("*.parquet")} == before


def test_export_takes_the_best_of_several_runs(finished, tmp_path):
    out, other = tmp_path / "best.parquet", shutil.copytree(finished, tmp_path / "other")
    assert export.main([str(finished), str(other), "--top", "3", "--out", str(out)]) == run.DONE
    rows = pyarrow.parquet.read_table(out).to_pylist()
    assert len(rows) == 3 and rows[0]["trial"] == rows[1]["trial"]


def test_replay_gives_the_same_numbers(finished, capsys):
    assert replay.main([str(finished / "best.parquet"), "--row", "0"]) == run.DONE
    assert "The same numbers" in capsys.readouterr().out


def test_a_table_from_before_a_field_was_added_is_replayed_with_its_default(finished, tmp_path, capsys):
    rows = pyarrow.parquet.read_table(finished / "best.parquet").to_pylist()
    older = [
        {name: value for name, value in row.items() if name not in ("order", "soft", "setting_sizes")} for row in rows
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(older), tmp_path / "older.parquet")
    assert replay.main([str(tmp_path / "older.parquet")]) == run.DONE
    assert "The same numbers" in capsys.readouterr().out


def test_replay_says_when_the_numbers_differ(finished, tmp_path, capsys):
    table = pyarrow.parquet.read_table(finished / "best.parquet").to_pylist()
    table[0]["learning_rate"] *= 2
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "other.parquet")
    assert replay.main([str(tmp_path / "other.parquet")]) == run.TOO_FEW
    assert "Other numbers" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["nowhere.parquet"], ["{best}", "--row", "9"], [__file__]])
def test_replay_refuses_what_is_no_row_of_a_table(finished, words, capsys):
    words = [word.format(best=finished / "best.parquet") if "{" in word else word for word in words]
    assert replay.main(words) == run.WRONG_USAGE
    assert capsys.readouterr().err.startswith("Error: ")


def test_the_same_seed_repeats_a_search_and_another_does_not(finished, tmp_path):
    for name, seed in (("same", "0"), ("other", "1")):
        assert search(tmp_path, name, "--samples", "4", "--epochs", "3", "--seed", seed) == run.DONE
    configs = [[e["config"] for e in events(f, "asked")] for f in (finished, tmp_path / "same", tmp_path / "other")]
    assert configs[0] == configs[1] and configs[0] != configs[2]
    records = [[_timeless(e["record"]) for e in events(f, "epoch")] for f in (finished, tmp_path / "same")]
    assert records[0] == records[1]


def _timeless(record: dict) -> dict:
    return {name: value for name, value in record.items() if not name.endswith("seconds")}


def test_a_run_is_never_overwritten(finished, capsys):
    before = (finished / "ledger.jsonl").read_bytes()
    assert search(finished.parent, "one", "--samples", "1") == run.WRONG_USAGE
    assert "nothing is overwritten" in capsys.readouterr().err
    assert (finished / "ledger.jsonl").read_bytes() == before


def test_a_diverging_trial_fails_with_its_reason_and_the_others_go_on(tmp_path, capsys):
    fixed = ["optimizer=sgd", "weight_decay=1", "rate=constant", "share_start=1"]
    wild = ["--search", "learning_rate=1e-3,10", "--anchors", "none", *(w for f in fixed for w in ("--set", f))]
    status = search(tmp_path, "wild", "--samples", "4", "--epochs", "6", "--sampler", "random", *wild, "--seed", "2")
    ended = events(tmp_path / "wild", "ended")
    configs = {e["trial"]: e["config"] for e in events(tmp_path / "wild", "asked")}
    assert {configs[e["trial"]]["learning_rate"] for e in ended if e["state"] == "failed"} == {10.0}
    assert any(e["state"] == "complete" for e in ended) and status == run.TOO_FEW
    failed = next(e for e in ended if e["state"] == "failed")
    assert "epoch" in failed["reason"] and "learning rate 10" in failed["reason"]
    assert "Traceback" in (tmp_path / "wild" / "log" / f"trial-{failed['trial']:04d}.txt").read_text()
    assert failed["reason"] in capsys.readouterr().out


def test_an_anchor_that_a_set_contradicts_is_left_out_and_said(tmp_path, capsys):
    words = ["--set", "rate=constant", "--samples", "1", "--epochs", "1"]
    assert search(tmp_path, "set", *words) == run.DONE
    assert "Anchor as_described is left out" in capsys.readouterr().out
    assert [e["anchor"] for e in events(tmp_path / "set", "asked")] == ["as_run"]


def test_under_report_the_output_says_that_test_was_picked_on(tmp_path, capsys):
    assert search(tmp_path, "report", "--samples", "1", "--epochs", "2", "--protocol", "report") == run.DONE
    assert "picked on the test split itself" in capsys.readouterr().out
    final = pyarrow.parquet.read_table(tmp_path / "report" / "finals.parquet").to_pylist()[0]
    assert final["selected_on"] == "test" and final["test_opened"] == 2
    assert final["test_accuracy"] == final["selection_accuracy"]


def test_a_time_budget_stops_asking(tmp_path):
    assert search(tmp_path, "budget", "--samples", "50", "--epochs", "500", "--time-budget", "3s") == run.TOO_FEW
    assert [e["state"] for e in events(tmp_path / "budget", "ended")][-1] == "interrupted"


def test_dry_run_leaves_nothing_behind(tmp_path, capsys):
    assert search(tmp_path, "dry", "--dry-run") == run.DONE
    assert "12 trials of up to 12 epochs" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ray
def test_a_search_on_ray_ends_like_one_without(tmp_path, capsys):
    base = [*TINY, "--cpus-per-trial", "1", "--concurrent", "1", "--scheduler", "none"]
    assert search(tmp_path, "ray", "--samples", "3", "--epochs", "2", base=base) == run.DONE
    assert search(tmp_path, "local", "--samples", "3", "--epochs", "2") == run.DONE
    records = [[_timeless(e["record"]) for e in events(tmp_path / n, "epoch")] for n in ("ray", "local")]
    assert records[0] == records[1]
    assert not (tmp_path / "ray" / ".ray").exists()
    assert capsys.readouterr().err == ""


@pytest.mark.ray
def test_on_ray_a_diverging_trial_fails_with_its_reason_and_the_others_go_on(tmp_path):
    fixed = ["optimizer=sgd", "weight_decay=1", "rate=constant", "share_start=1"]
    wild = ["--search", "learning_rate=1e-3,10", "--anchors", "none", *(w for f in fixed for w in ("--set", f))]
    base = [
        *TINY,
        "--cpus-per-trial",
        "1",
        "--sampler",
        "random",
        "--samples",
        "4",
        "--epochs",
        "6",
        "--seed",
        "2",
        *wild,
    ]
    assert search(tmp_path, "wild", base=base) == run.TOO_FEW
    ended = events(tmp_path / "wild", "ended")
    assert "failed" in {e["state"] for e in ended} != {"failed"} and len(ended) == 4
    assert all("learning rate 10" in e["reason"] for e in ended if e["state"] == "failed")


@pytest.mark.ray
def test_asha_stops_trials_early_but_never_an_anchor(tmp_path):
    base = [*TINY, "--cpus-per-trial", "1", "--concurrent", "2", "--sampler", "random"]
    assert search(tmp_path, "asha", "--samples", "8", "--epochs", "9", base=base) == run.DONE
    folder = tmp_path / "asha"
    states = {e["trial"]: e["state"] for e in events(folder, "ended")}
    assert states[0] == states[1] == "complete" and "pruned" in states.values() and len(states) == 8
    epochs = [(e["record"]["trial"], e["record"]["epoch"]) for e in events(folder, "epoch")]
    assert len(set(epochs)) == len(epochs)
    assert all((trial, 9) in epochs for trial, state in states.items() if state == "complete")


def wait_for_epochs(folder) -> None:
    """Until a run has recorded a few, a minute and a half at most."""
    ledger, deadline = folder / "ledger.jsonl", time.monotonic() + 90
    while not (ledger.exists() and ledger.read_text().count('"epoch"') > 3) and time.monotonic() < deadline:
        time.sleep(0.2)


@pytest.mark.ray
@pytest.mark.parametrize("sign", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_search_keeps_what_it_has(tmp_path, sign):
    words = [
        *TINY,
        "--cpus-per-trial",
        "1",
        "--samples",
        "40",
        "--epochs",
        "200",
        "--out",
        str(tmp_path),
        "--name",
        "cut",
    ]
    process = subprocess.Popen([sys.executable, "-m", "search.run", *words], stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONUNBUFFERED": "1"})  # fmt: skip
    wait_for_epochs(tmp_path / "cut")
    process.send_signal(sign)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == run.INTERRUPTED
    assert "what was finished is kept" in output
    assert [e["state"] for e in events(tmp_path / "cut", "ended")][-1] == "interrupted"
    assert (tmp_path / "cut" / "records.parquet").exists() and not events(tmp_path / "cut", "test")


def test_sigterm_ends_a_search_that_was_started_with_interrupts_ignored(tmp_path):
    words = [
        *TINY,
        "--executor",
        "local",
        "--samples",
        "40",
        "--epochs",
        "200",
        "--out",
        str(tmp_path),
        "--name",
        "cut",
    ]
    process = subprocess.Popen([sys.executable, "-m", "search.run", *words], stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))  # fmt: skip
    wait_for_epochs(tmp_path / "cut")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == run.INTERRUPTED and "what was finished is kept" in output


def test_the_best_configs_of_a_run_are_tried_first_in_the_next(finished, tmp_path, capsys):
    table = str(finished / "best.parquet")
    rows = pyarrow.parquet.read_table(table).to_pylist()
    words = ["--samples", "7", "--epochs", "1", "--configs", table, "--seed", "5"]
    assert search(tmp_path, "next", *words) == run.DONE
    asked = events(tmp_path / "next", "asked")
    assert [e["anchor"] for e in asked] == [f"one:{row['trial']}" for row in rows] + ["as_run", "as_described", None]
    fields = [name for name in asked[0]["config"] if name in rows[0]]
    assert all(e["config"][n] == row[n] for e, row in zip(asked, rows, strict=False) for n in fields)
    assert search(tmp_path, "none", *words, base=[*LOCAL, "--space", "finetune"]) == run.WRONG_USAGE
    assert "has no config of finetune" in capsys.readouterr().err
