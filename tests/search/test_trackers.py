"""A run at a tracker: read back from it, gone on with, killed in between, and never in the way of a search."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.arguments import DONE, WRONG_USAGE
from records.files import write_bytes
from records.folder import best_weights, ledger_file
from search import compare, run, track
from search.tracking import trackers
from spaces.registry import get_space
from tests import made_runs
from tests.made_runs import about, append, asked, ended, epoch

ROOT = Path(__file__).parents[2]
CONFIG = get_space("self_paced").build({}).model_dump()
VALUES = {"gate": 0.8, "learning_rate": 1e-3, "rate": "cosine"}
TINY = ["--data", "scenes:count=70", "--image-size", "16", "--executor", "local", "--cpus-per-trial", "1"]
EPOCHS = 4


@pytest.fixture
def folder(tmp_path) -> Path:
    """One trial complete and tested, one pruned, one failed, and one that was killed in its third epoch."""
    events = [asked(0, VALUES, CONFIG, "as_run"), *(epoch(0, n, n / 10, EPOCHS) for n in (1, 2, 3, 4)),
              ended(0, "complete"), asked(1, VALUES, CONFIG), epoch(1, 1, 0.1, EPOCHS), ended(1, "pruned"),
              asked(2, VALUES, CONFIG), ended(2, "failed", "ValueError: the loss is not finite"),
              asked(3, VALUES, CONFIG), epoch(3, 1, 0.2, EPOCHS), epoch(3, 2, 0.3, EPOCHS),
              {"event": "test", "trial": 0, "accuracy": 0.35, "loss": 1.0, "knn": 0.4}]  # fmt: skip
    made = made_runs.write(tmp_path / "runs" / tmp_path.name, about(4, EPOCHS, name=tmp_path.name), events)
    write_bytes(best_weights(made, 0), b"a network")
    return made


def goes_on(folder: Path) -> None:
    """The killed trial is taken up by a resumed search, and comes to its end."""
    append(folder, {"event": "resumed", "samples": 4}, asked(3, VALUES, CONFIG), epoch(3, 3, 0.4, EPOCHS),
           epoch(3, 4, 0.5, EPOCHS), ended(3, "complete"))  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def started(*words: str, **more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", *words]
    return subprocess.Popen(command, env=environment(**more), text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < end:
        time.sleep(0.2)
    assert answer
    return answer


# MLflow


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    """One SQLite file of all tests, since MLflow takes seconds to make one; each test has an experiment of its own."""
    pytest.importorskip("mlflow", reason="MLflow is not installed here, so what is sent to it is not tested")
    return str(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def mlflow_runs(store, monkeypatch) -> Callable[[Path], dict[str, Any]]:
    """Reads back: {trial, or 'search': its run}. Fails where there are two of one."""
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

    def read(folder: Path) -> dict[str, Any]:
        found = client(store).get_experiment_by_name(folder.name)
        runs = client(store).search_runs([found.experiment_id]) if found else []
        by_trial = {one.data.tags["curriculum_tune.trial"]: one for one in runs}
        assert len(by_trial) == len(runs)
        return by_trial

    return read


def client(store: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


def steps(store: str, one: Any, metric: str = "accuracy/validation") -> list[tuple[int, float]]:
    history = client(store).get_metric_history(one.info.run_id, metric)
    return sorted((point.step, round(point.value, 3)) for point in history)


def sent(folder: Path, store: str) -> int:
    return track.main([str(folder), "--to", "mlflow", "--uri", store])


def test_mlflow_has_a_run_for_each_trial_below_that_of_the_search(folder, store, mlflow_runs):
    assert sent(folder, store) == DONE
    runs = mlflow_runs(folder)
    assert runs.keys() == {"search", "0", "1", "2", "3"}
    assert [runs[n].info.status for n in "0123"] == ["FINISHED", "FINISHED", "FAILED", "KILLED"]
    assert [runs[n].data.tags["state"] for n in "0123"] == ["complete", "pruned", "failed", "interrupted"]
    assert {runs[n].data.tags["mlflow.parentRunId"] for n in "0123"} == {runs["search"].info.run_id}
    first = runs["0"].data
    assert first.params == {name: str(value) for name, value in CONFIG.items()}
    assert (first.tags["strategy"], first.tags["seed"], first.tags["anchor"]) == ("self_paced", "0", "as_run")
    assert first.metrics["test/accuracy"] == 0.35 and runs["2"].data.tags["reason"].startswith("ValueError")
    assert steps(store, runs["0"]) == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
    assert steps(store, runs["3"]) == [(1, 0.2), (2, 0.3)] and runs["search"].info.status == "KILLED"
    files = {one.path for one in client(store).list_artifacts(runs["search"].info.run_id)}
    assert files == {"run.json", "model"} and runs["search"].data.metrics["best/accuracy"] == 0.4


def test_files_lie_beside_an_sqlite_file_wherever_the_process_runs(folder, store, mlflow_runs, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    assert track.main([str(folder), "--to", "mlflow"]) == DONE
    assert mlflow_runs(folder)["search"].info.artifact_uri.startswith((Path(store) / "artifacts").as_uri())
    assert not (tmp_path / "mlruns").exists()


def test_sent_again_or_gone_on_with_nothing_is_doubled(folder, store, mlflow_runs):
    for _ in range(2):
        assert sent(folder, store) == DONE
    before = mlflow_runs(folder)
    goes_on(folder)
    assert sent(folder, store) == DONE
    runs = mlflow_runs(folder)
    assert {n: one.info.run_id for n, one in runs.items()} == {n: one.info.run_id for n, one in before.items()}
    assert runs["3"].info.status == runs["search"].info.status == "FINISHED"
    assert steps(store, runs["3"]) == [(1, 0.2), (2, 0.3), (3, 0.4), (4, 0.5)]
    assert steps(store, runs["0"]) == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
    assert steps(store, runs["0"], "test/accuracy") == [(4, 0.35)]


def test_a_tracker_that_is_killed_is_followed_by_one_that_sends_the_rest(folder, store, mlflow_runs):
    words = ("search.track", str(folder), "--to", "mlflow", "--uri", store)
    with ledger_file(folder).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with started(*words) as process:
            wait_for(lambda: mlflow_runs(folder).get("3"))
            process.kill()
        assert mlflow_runs(folder)["3"].info.status == "RUNNING"
        with started(*words) as process:
            goes_on(folder)
            wait_for(lambda: len(steps(store, mlflow_runs(folder)["3"])) == 4)
            assert mlflow_runs(folder)["search"].info.status == "RUNNING"
            process.send_signal(signal.SIGINT)  # the run goes on, and somebody has seen enough
            assert process.wait(60) == DONE
    assert sent(folder, store) == DONE
    assert [point for point, _ in steps(store, mlflow_runs(folder)["3"])] == [1, 2, 3, 4]
    assert mlflow_runs(folder)["search"].info.status == "FINISHED"


def test_an_address_that_does_not_answer_is_one_sentence(folder, mlflow_runs, capsys):
    assert track.main([str(folder), "--to", "mlflow", "--uri", closed_port()]) == WRONG_USAGE
    said = capsys.readouterr().err.strip()
    assert said == "Error: MLflow does not take the run (Connection refused); the same command sends the rest."


def test_a_file_that_is_a_link_is_not_sent_away(folder, store, mlflow_runs, tmp_path, capsys):
    (tmp_path / "secret").write_text("of nobody else's business")
    (folder / "comparison.md").symlink_to(tmp_path / "secret")
    assert sent(folder, store) == WRONG_USAGE
    assert "comparison.md is a link" in capsys.readouterr().err


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_search_whose_tracker_cannot_be_reached_ends_as_ever_with_one_sentence(tmp_path, mlflow_runs):
    words = ["search.run", *TINY, "--samples", "2", "--epochs", "1", "--out", str(tmp_path), "--name", "r"]
    with started(*words, "--track", "mlflow", MLFLOW_TRACKING_URI=closed_port()) as process:
        said = process.stdout.read()
        assert process.wait(60) == DONE
    about_it = [line for line in said.splitlines() if "mlflow" in line.lower() and "command" not in line]
    assert sum("does not take the run (Connection refused); the search goes on" in line for line in about_it) == 1
    assert "Traceback" not in said and (tmp_path / "r" / "best.parquet").is_file()


@pytest.mark.slow
def test_a_search_that_is_killed_and_resumed_is_one_run_at_the_tracker(tmp_path, store, mlflow_runs):
    where = {"MLFLOW_TRACKING_URI": f"sqlite:///{store}/mlflow.db"}
    folder = tmp_path / "killed-search"
    words = ["search.run", "--out", str(tmp_path), "--name", folder.name, "--track", "mlflow"]
    with started(*words, *TINY, "--samples", "3", "--epochs", "60", **where) as process:
        wait_for(lambda: "0" in mlflow_runs(folder) and mlflow_runs(folder)["0"].data.metrics.get("epoch", 0) > 2)
        process.kill()
    with started(*words, "--resume", **where) as process:
        said = process.stdout.read()
        assert process.wait(60) == DONE, said
    runs = mlflow_runs(folder)
    assert runs.keys() == {"search", "0", "1", "2"} and {one.info.status for one in runs.values()} == {"FINISHED"}
    for n in "012":
        assert [point for point, _ in steps(store, runs[n])] == list(range(1, 61))


@pytest.mark.slow
def test_a_head_to_head_has_arms_and_seeds(tmp_path, store, mlflow_runs, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = ["--strategies", "finetune,self_paced", "--seeds", "1", "--epochs", "1", "--track", "mlflow"]
    assert compare.main([*words, *TINY, "--out", str(tmp_path), "--name", "arms-and-seeds"]) == DONE
    runs = mlflow_runs(tmp_path / "arms-and-seeds")
    assert {runs[n].data.tags["arm"] for n in "01"} == {"finetune", "self_paced"} and len(runs) == 3


# Weights & Biases


@pytest.fixture
def wandb_rows(monkeypatch, tmp_path) -> Callable[[Path], dict[str, list[int]]]:
    """Reads back what lies in offline runs: {end of the id: steps, as often as they stand there}."""
    pytest.importorskip("wandb", reason="wandb is not installed here, so what is sent to it is not tested")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_SILENT", "WANDB_ERROR_REPORTING"):
        monkeypatch.setenv(name, "true" if name == "WANDB_SILENT" else "false")

    def read(folder: Path) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for path in sorted(folder.parent.glob("wandb/offline-run-*/run-*.wandb")):
            found.setdefault(path.stem.rpartition("-")[2], []).extend(_wandb_steps(path))
        return found

    return read


def _wandb_steps(path: Path) -> list[int]:
    """The steps in a transaction log: LevelDB's format (blocks, parts with checksum, length and kind) after 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    content, at, whole, steps = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:  # no room for a part before the next block
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # all of a record, or its last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            if record.WhichOneof("record_type") == "history":
                steps.append(record.history.step.num)
    return steps


def test_weights_and_biases_has_each_epoch_of_each_trial_once(folder, wandb_rows):
    for _ in range(2):
        assert track.main([str(folder), "--to", "wandb"]) == DONE
    assert {n: steps for n, steps in wandb_rows(folder).items() if steps} == {"0": [1, 2, 3, 4], "1": [1], "3": [1, 2]}
    goes_on(folder)
    assert track.main([str(folder), "--to", "wandb"]) == DONE
    assert wandb_rows(folder)["3"] == [1, 2, 3, 4] and wandb_rows(folder)["0"] == [1, 2, 3, 4]


def test_what_a_killed_process_may_not_have_written_is_sent_again_and_nothing_else(folder, wandb_rows):
    goes_on(folder)
    with ledger_file(folder).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        append(folder, asked(4, VALUES, CONFIG), epoch(4, 1, 0.1, EPOCHS))  # which does not end
        with started("search.track", str(folder), "--to", "wandb") as process:
            wait_for(lambda: len(wandb_rows(folder)) == 5)
            time.sleep(2)
            process.kill()
    assert '"4"' not in (folder / "tracked" / "wandb.json").read_text()
    append(folder, epoch(4, 2, 0.2, EPOCHS), ended(4, "complete"))
    assert track.main([str(folder), "--to", "wandb"]) == DONE
    found = wandb_rows(folder)
    assert found["0"] == found["3"] == [1, 2, 3, 4] and found["4"][-2:] == [1, 2]


# TensorBoard, and what holds for all


def test_tensorboard_has_its_files_without_a_page(folder, capsys):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed here, so its files are not tested")
    assert track.main([str(folder), "--to", "tensorboard"]) == DONE
    assert "event files in" in capsys.readouterr().out
    assert len(list((folder / "tensorboard").glob("*/events.out.tfevents.*"))) == 4
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert track.main([str(folder), "--to", "tensorboard"]) == WRONG_USAGE
    os.close(held)
    assert "are kept up by another process" in capsys.readouterr().err


@pytest.mark.parametrize("name", trackers.TRACKERS)
def test_a_tracker_that_is_not_installed_is_one_sentence_before_anything_runs(
    folder, name, capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(trackers, "find_spec", lambda package: None)
    said = f"Error: {trackers.TRACKERS[name].title} is not installed here; pip install -e '.["
    assert track.main([str(folder), "--to", name]) == WRONG_USAGE
    assert capsys.readouterr().err.startswith(said)
    assert run.main([*TINY, "--track", name, "--out", str(tmp_path), "--name", "r"]) == WRONG_USAGE
    assert capsys.readouterr().err.startswith(said) and not (tmp_path / "r").exists()


def test_every_extra_that_a_tracker_names_is_one_of_ours():
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert {one.extra for one in trackers.TRACKERS.values()} <= set(extras)
