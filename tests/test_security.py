"""Who can reach a search and what it trusts: the token, what listens, and files that are more than they seem."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from analysis import report
from records.folder import ledger_file
from search import export, replay, run
from search.executors import ray_environment

WORDS = ["--space", "self_paced", "--data", "scenes:count=70", "--image-size", "16", "--precision", "fp32", "--samples",
         "2", "--epochs", "2", "--cpus-per-trial", "1"]  # fmt: skip
HOLDING = (
    "import time; from search.executors import ray_environment as r; r.prepare(None); "
    "print(r.private_folder(), flush=True); "
)


# The token


def test_the_token_is_its_owners_alone_and_not_in_the_environment():
    folder = ray_environment.private_folder()
    assert folder.stat().st_mode & 0o777 == 0o700 and folder.stat().st_uid == os.getuid()
    assert (folder / "token").stat().st_mode & 0o777 == 0o600 and len((folder / "token").read_text()) == 64
    assert os.environ["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN" not in os.environ
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(folder / "token")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def held(then: str) -> subprocess.Popen:
    """A process with a private folder that goes on with `then`; RAY_AUTH_TOKEN is set in it, as a person may have it."""
    environment = os.environ | {"RAY_AUTH_TOKEN": "mine", "RAY_AUTH_TOKEN_PATH": "/nowhere"}
    return subprocess.Popen([sys.executable, "-c", HOLDING + then], stdout=subprocess.PIPE, text=True, env=environment)


def test_a_token_goes_with_its_process_and_that_of_a_killed_one_with_the_next():
    killed = held("time.sleep(60)")
    left = Path(killed.stdout.readline().strip())
    assert left.is_dir() and left != ray_environment.private_folder()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.is_dir()
    after = held("import os; print('RAY_AUTH_TOKEN' in os.environ)")
    said, _ = after.communicate(timeout=30)
    gone, inherited = said.split()
    assert inherited == "False" and not left.exists() and not Path(gone).exists()
    assert (ray_environment.private_folder() / "token").exists()  # ours is held, so nobody swept it


# What listens


JOIN = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); print('joined', ray.cluster_resources())"


@pytest.mark.ray
def test_a_private_ray_has_no_dashboard_and_lets_nobody_in_without_the_token(tmp_path):
    import ray

    from search.executors.ray_session import ray_running

    with ray_running(None, 1, 0):
        address = ray.get_runtime_context().gcs_address
        below = psutil.Process().children(recursive=True)
        listening = {(p.name(), c.laddr.port) for p in below for c in p.net_connections() if c.status == "LISTEN"}
        assert {"gcs_server", "raylet"} <= {name for name, _ in listening}
        assert not {port for _, port in listening} & {8265, 10001}  # the dashboard, and Ray's client server
        plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        said, alone = {}, {"HOME": str(tmp_path), "RAY_gcs_server_port_wait_time_s": "3"}  # else it tries for 20 s
        for who, more in (("owner", dict(os.environ)), ("other", plain | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN":
                "0" * 64}), ("none", plain | {"RAY_AUTH_MODE": "disabled"})):  # fmt: skip
            done = subprocess.run([sys.executable, "-c", JOIN, address], env=more | alone,
                                  capture_output=True, text=True, timeout=60)  # fmt: skip
            said[who] = "joined" in done.stdout
    assert said == {"owner": True, "other": False, "none": False}


# What is read


class Trap:
    """Loading its pickle makes a folder."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def trap(tmp_path):
    """A pickle whose loading leaves a trace, shown to do so once, and the trace."""
    marker = tmp_path / "executed"
    content = pickle.dumps(Trap(marker))
    pickle.loads(content)
    assert marker.is_dir()  # so the tests below could fail
    marker.rmdir()
    return content, marker


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert run.main([*WORDS, "--executor", "local", "--out", str(out), "--name", "r"]) == run.DONE
    return out / "r"


RAYS = ("tuner.pkl", "tune/tuner.pkl", "tune/experiment_state-2026-11-24_08-00-00.json", "tune/searcher-state-1.pkl",
        "tune/search_gen_state-1.json", "tune/T_1/params.pkl", "tune/T_1/error.pkl")  # fmt: skip
OURS = ("checkpoints/0000/best.safetensors", "checkpoints/0001/best.safetensors", "checkpoints/0001/last.safetensors",
        "predictions/0000.validation.safetensors", "log/trial-0000.txt", "best.pkl")  # fmt: skip


def planted(folder: Path, content: bytes, files: tuple[str, ...]) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def with_the_last_trial_in_flight(folder: Path) -> None:
    ledger = ledger_file(folder)
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    left = [e for e in events if e["event"] != "test" and (e["event"], e.get("trial")) != ("ended", 1)]
    ledger.write_text("".join(json.dumps(event) + "\n" for event in left))


def test_no_command_executes_a_pickle_in_a_run_folder(finished, tmp_path, trap, capsys):
    content, marker = trap
    shutil.copytree(finished, tmp_path / "r")
    with_the_last_trial_in_flight(tmp_path / "r")
    planted(tmp_path / "r" / ".ray", content, RAYS)
    planted(tmp_path / "r", content, OURS)
    assert run.main(["--resume", "--out", str(tmp_path), "--name", "r"]) == run.WRONG_USAGE
    said = capsys.readouterr()
    assert "best.safetensors cannot be read as a checkpoint of ours" in said.out + said.err
    assert export.main([str(tmp_path / "r")]) == run.WRONG_USAGE  # predictions that are none of ours
    assert replay.main([str(tmp_path / "r" / "best.parquet")]) == run.DONE
    assert report.main([str(tmp_path / "r"), "--out", str(tmp_path / "report")]) in (run.DONE, run.WRONG_USAGE)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["weights.pth", "weights.pt", "weights.safetensors", "weights.bin"])
def test_a_weights_file_that_is_more_than_numbers_is_not_loaded(tmp_path, trap, capsys, name):
    content, marker = trap
    (tmp_path / name).write_bytes(content)
    words = ["--space", "finetune", *WORDS[2:], "--model", "small_cnn", "--weights", str(tmp_path / name)]
    assert run.main([*words, "--executor", "local", "--out", str(tmp_path), "--name", "r"]) == run.WRONG_USAGE
    assert f"The weights file {tmp_path / name} " in capsys.readouterr().err and not marker.exists()


@pytest.mark.parametrize("name", ["best.parquet", "configs.csv"])
def test_a_table_that_is_a_pickle_is_not_loaded(tmp_path, trap, capsys, name):
    content, marker = trap
    (tmp_path / name).write_bytes(content)
    assert replay.main([str(tmp_path / name)]) == run.WRONG_USAGE
    assert capsys.readouterr().err.startswith("Error: ") and not marker.exists()


@pytest.mark.ray
def test_a_resume_on_ray_removes_rays_own_files_unread(tmp_path, trap):
    content, marker = trap
    words = [*WORDS, "--concurrent", "1", "--out", str(tmp_path), "--name", "r"]
    assert run.main(words) == run.DONE
    with_the_last_trial_in_flight(tmp_path / "r")
    planted(tmp_path / "r" / ".ray", content, RAYS)
    assert run.main(["--resume", "--out", str(tmp_path), "--name", "r", "--samples", "3"]) == run.DONE
    assert not marker.exists() and not (tmp_path / "r" / ".ray").exists()
