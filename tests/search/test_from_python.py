"""Searches and head-to-heads from Python: the same runs as by the command, read as data frames, figures and words."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import search
from console.errors import UsageError
from records.folder import read_run
from records.ledger import Ledger
from search import from_python
from search import run as command

TINY = {"data": "scenes:count=70", "image_size": 16, "precision": "fp32", "executor": "local", "cpus_per_trial": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def searched(place) -> search.Run:
    return search.search("self_paced", **TINY, samples=4, epochs=3, out=place, name="s", set={"rate": "cosine"},
                         search={"gate": (0.4, 0.9), "batch_size": [16, 32]}, quiet=True)  # fmt: skip


@pytest.fixture(scope="module")
def compared(place) -> search.Run:
    return search.compare(["self_paced", "finetune"], **TINY, seeds=3, budget={"updates": 6}, marks=2, out=str(place),
                          name="c", quiet=True)  # fmt: skip


def test_the_command_that_is_kept_repeats_the_call(searched, tmp_path):
    words = shlex.split(searched.about["command"])
    assert words[:3] == ["python", "-m", "search.run"] and "gate=0.4:0.9" in words and "batch_size=16,32" in words
    assert command.main([*words[3:], "--out", str(tmp_path), "--name", "again"]) == command.DONE
    again = search.open_run(tmp_path / "again")
    assert again.records["eval_loss"].tolist() == searched.records["eval_loss"].tolist()
    assert again.about["space"] == searched.about["space"] and len(again.records) >= 4


def test_nothing_is_said_where_it_is_to_be_quiet_and_the_last_lines_otherwise(tmp_path, capsys):
    search.search("finetune", **TINY, samples=1, epochs=1, out=tmp_path, name="q", quiet=True, anchors="none")
    assert capsys.readouterr().out == ""
    search.search("finetune", **TINY, samples=1, epochs=1, out=tmp_path, name="l", anchors="none")
    assert "Best configuration" in capsys.readouterr().out


def test_a_run_gives_frames_with_the_paths_of_images_a_config_and_figures(searched):
    assert len(searched.finals) == 4 and searched.best["trial"].is_unique
    assert searched.best["selection_accuracy"].iloc[0] == searched.finals["selection_accuracy"].max()
    best = searched.history.trials[int(searched.best["trial"].iloc[0])]
    assert searched.config == best.asked.config and searched.config["rate"] == "cosine"
    said = searched.predictions
    assert set(said["split"]) == {"validation", "test"} and said["path"].str.contains("/").all()
    classes = {path.split("/")[0]: true for path, true in zip(said["path"], said["true"], strict=True)}
    assert {searched.classes[true] for true in classes.values()} == set(classes)
    assert isinstance(searched.figure("schedule"), Figure) and searched.figure("curves") is searched.figure("curves")
    with pytest.raises(UsageError, match=r"Unknown figure 'curvs'\. Did you mean 'curves'"):
        searched.figure("curvs")
    assert searched.summary[0].startswith("Undecided. The best of 4 trials, trial")


def test_predictions_on_disk_name_the_images_too(searched):
    table = pd.read_parquet(searched.folder / "predictions.parquet")
    assert table["path"].tolist() == searched.predictions["path"].tolist()
    (searched.folder / "images.json").write_text('["a", 5]')
    with pytest.raises(UsageError, match=r"images\.json is damaged"):
        search.open_run(searched.folder).predictions  # noqa: B018
    (searched.folder / "images.json").unlink()
    assert "path" not in search.open_run(searched.folder).predictions


def test_the_verdict_is_the_report_s(compared, searched, tmp_path):
    verdict = compared.verdict()
    assert verdict[["a", "b", "planned"]].iloc[0].tolist() == ["self_paced", "finetune", True]
    page = compared.report(tmp_path / "report")
    assert page.is_file() and verdict["sentence"].iloc[0] in (page.parent / "report.md").read_text().replace("\\", "")
    with pytest.raises(UsageError, match="s is a search of one strategy on one seed"):
        searched.verdict()


def test_several_runs_open_together(searched, compared, place):
    runs = search.open_run(f"{place}/*")
    assert [run.name for run in runs] == ["c", "s"] and len(runs) == 2
    assert len(runs.records) == len(searched.records) + len(compared.records)
    assert set(runs.finals["run"]) == {"c", "s"} and runs[1].name == "s"
    assert [run.name for run in search.open_run(place)] == ["c", "s"]
    with pytest.raises(UsageError, match="is no run folder"):
        search.open_run(place / "no")


def test_a_run_is_gone_on_with_and_extended(searched, place):
    more = search.search(resume=True, out=place, name="s", samples=5, quiet=True)
    assert len(more.finals) == 5 and len(searched.finals) == 4
    assert read_run(place / "s")["resumed"][0]["command"].endswith(f"--resume --out {place} --name s --samples 5")


def test_a_tuner_of_one_s_own_is_told_afterwards_what_it_was_before(tmp_path, monkeypatch):
    original = from_python.run_search

    def told(*arguments, **options) -> int:
        monkeypatch.setenv("TUNE_OF_OURS", "1")
        monkeypatch.setenv("TUNE_RESULT_DIR", "ours")
        return original(*arguments, **options)

    monkeypatch.setattr(from_python, "run_search", told)
    monkeypatch.setenv("TUNE_RESULT_DIR", "theirs")
    search.search("finetune", **TINY, samples=1, epochs=1, out=tmp_path, name="e", quiet=True, anchors="none")
    assert os.environ["TUNE_RESULT_DIR"] == "theirs" and "TUNE_OF_OURS" not in os.environ


@pytest.mark.parametrize(("options", "said"), [
    ({"sampels": 3}, "Unknown option 'sampels'. Did you mean 'samples'?"),
    ({"samples": 0}, "--samples must be greater than or equal to 1; got 0."),
    ({"set": {"gate": 7}}, "SelfPacedConfig.gate: must be"),
    ({"set": 5}, "Wanted a text or several; got 5."),
    ({"plugin": "no.such"}, "No module no.such"),
    ({"data": "no_such"}, "no_such"),
])  # fmt: skip
def test_what_cannot_be_is_said_before_anything_starts(options, said, tmp_path):
    with pytest.raises(UsageError) as raised:
        search.search(**{**TINY, **options}, out=tmp_path / "runs")
    assert said in str(raised.value) and not (tmp_path / "runs").exists()


def test_an_interrupted_search_raises_as_python_does_and_can_be_gone_on_with(tmp_path, monkeypatch):
    original, handler = from_python.run_search, signal.getsignal(signal.SIGINT)

    def interrupted(*arguments, **options) -> int:
        epochs = iter(range(3))

        def stop(campaign, record, member=None) -> None:
            next(epochs, None) is None and signal.raise_signal(signal.SIGINT)
            kept(campaign, record, member)

        from search.campaign import Campaign

        kept = Campaign.epoch
        with monkeypatch.context() as patch:
            patch.setattr(Campaign, "epoch", stop)
            return original(*arguments, **options)

    monkeypatch.setattr(from_python, "run_search", interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background has it ignored
    with pytest.raises(KeyboardInterrupt):
        search.search("finetune", **TINY, samples=3, epochs=3, out=tmp_path, name="i", anchors="none")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    signal.signal(signal.SIGINT, handler)
    assert search.open_run(tmp_path / "i").finals["state"].tolist() == ["complete", "interrupted"]
    whole = search.search(resume=True, out=tmp_path, name="i", quiet=True)
    assert whole.finals["state"].tolist() == ["complete"] * 3


CELL = """
import search
run = search.search("finetune", data="scenes:count=70", image_size=16, precision="fp32", executor="local",
                    cpus_per_trial=1, samples=2, epochs=2, out="runs", name="n", anchors="none")
"""
LONG = CELL.replace("samples=2, epochs=2", "samples=500, epochs=9").replace('"n"', '"long"')


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A notebook's kernel in a folder of its own, and what runs a cell of code in it: its outputs."""
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("jupyter_client")
    folder = tmp_path_factory.mktemp("notebook")
    env = {"PYTHONPATH": str(Path(__file__).parents[2])}
    manager, channels = client.manager.start_new_kernel(cwd=str(folder), env={**dict(os.environ), **env})
    yield manager, channels, folder
    channels.stop_channels()
    manager.shutdown_kernel(now=True)


def outputs(channels, code: str) -> list[dict]:
    """The messages of a cell."""
    found: list[dict] = []
    channels.execute_interactive(code, timeout=120, output_hook=found.append)
    return found


def test_a_notebook_has_a_bar_that_is_written_anew_and_figures_in_its_outputs(kernel):
    _, channels, _ = kernel
    said = outputs(channels, CELL)
    bars = [m for m in said if m["msg_type"] in ("display_data", "update_display_data")]
    ids = {m["content"]["transient"]["display_id"] for m in bars}
    assert len(ids) == 1 and len(bars) >= 2
    assert bars[-1]["content"]["data"]["text/plain"].startswith("█" * 40 + "\n2 complete")
    shown = outputs(channels, "run.figure('curves')")
    assert [sorted(m["content"]["data"])[0] for m in shown if m["msg_type"] == "execute_result"] == ["image/png"]
    (table,) = [m["content"]["data"] for m in outputs(channels, "run.finals") if m["msg_type"] == "execute_result"]
    assert "text/html" in table


def test_an_interrupted_kernel_ends_the_search_and_lives_on(kernel):
    manager, channels, folder = kernel
    channels.execute(LONG, stop_on_error=False)  # else the kernel may abort a cell that comes right after it
    ledger, deadline = folder / "runs" / "long" / "ledger.jsonl", time.monotonic() + 60
    while not (ledger.exists() and ledger.read_text().count('"ended"') > 1) and time.monotonic() < deadline:
        time.sleep(0.1)
    manager.interrupt_kernel()
    reply = channels.get_shell_msg(timeout=60)["content"]
    assert reply["status"] == "error" and reply["ename"] == "KeyboardInterrupt"
    states = [json.loads(line).get("state") for line in ledger.read_text().splitlines()]
    assert states.count("interrupted") <= 1 and states.count("complete") >= 2
    said = outputs(channels, "search.open_run('runs/long').name")
    answers = [m["content"]["data"]["text/plain"] for m in said if m["msg_type"] == "execute_result"]
    assert answers == ["'long'"], said


def test_in_a_thread_no_signal_is_taken_over(tmp_path):
    code = (
        "import signal, threading, search\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "seen = []\n"
        "def work():\n"
        f"    run = search.search('finetune', **{TINY!r}, samples=1, epochs=1, out={str(tmp_path)!r}, name='t',\n"
        "                        anchors='none', quiet=True)\n"
        "    seen.append((run.name, signal.getsignal(signal.SIGINT) is before))\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "assert seen == [('t', True)], seen\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr


def test_a_run_that_goes_on_is_as_it_was_when_it_was_opened(tmp_path):
    whole = search.search(
        "finetune", **TINY, samples=3, epochs=1, out=tmp_path, name="live", quiet=True, anchors="none"
    )
    file = whole.folder / "ledger.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    last = max(at for at, line in enumerate(lines) if '"event": "ended"' in line)
    file.write_text("".join(lines[:last]))  # the third has trained, and not ended
    ledger = Ledger(whole.folder)
    now = search.open_run(whole.folder)
    assert now.finals["state"].tolist() == ["complete", "complete", "running"] and len(now.best) == 2
    file.write_text("".join(lines))
    assert now.finals["test_accuracy"].isna().all() and "test" not in now.summary[0]
    ledger.close()
    assert search.open_run(whole.folder).finals["state"].tolist() == ["complete"] * 3
