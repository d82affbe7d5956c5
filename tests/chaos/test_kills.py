"""Real deaths of real processes: SIGKILL of the search and of its workers, SIGTERM, Ctrl-C, a disk that fills, a clock that
jumps, two processes at once. `pytest -m slow tests/chaos -s` prints the counts; a short form of each runs always.
CHAOS_COUNT=50 in the environment is how many blows the slow forms deal, else 20, and how often a disk fills, else once.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pyarrow.parquet
import pytest

from records import ledger

ROOT = Path(__file__).parent.parent.parent
TRIALS, EPOCHS = 12, 10
WORDS = ["--data", "scenes:count=105", "--image-size", "16", "--precision", "fp32", "--samples", str(TRIALS), "--epochs",
         str(EPOCHS), "--cpus-per-trial", "1"]  # fmt: skip
AGAIN = ["--max-failures", "3"]
RAY = ["--executor", "ray", "--concurrent", "2", "--scheduler", "none", *AGAIN]
LOCAL = ["--executor", "local"]
COUNT = int(os.environ.get("CHAOS_COUNT", "20"))
DISKS = int(os.environ.get("CHAOS_COUNT", "1"))
PACE = 0.02  # seconds that an epoch is stretched by, so that there is something to kill

# as if the person had typed `python -m search.run`, with an epoch that takes a little longer and a checkpoint after each
SLOWED = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background hands down that it is ignored
from trainables import loop, trial
trial.CHECKPOINT_SECONDS = 0.0
original = loop.train
def train(run):
    for record in original(run):
        time.sleep(float(os.environ["PACE"]))
        yield record
loop.train = train
if os.environ.get("JUMP"):  # a clock that jumps a day forth and back
    real, jumps = time.time, [0]
    def jumping():
        jumps[0] += 1
        return real() + 86400 * (-1) ** jumps[0]
    time.time = jumping
from search.run import main
sys.exit(main(sys.argv[1:]))
"""


def start(folder: Path, words: list[str], **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-c", SLOWED, *words, "--out", str(folder), "--name", "r"]
    shown = {**os.environ, "PYTHONPATH": str(ROOT), "PACE": str(PACE), **environment}
    return subprocess.Popen(command, cwd=folder, env=shown, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(folder: Path, epochs: int, process: subprocess.Popen, seconds: float = 120) -> None:
    """Until the ledger has so many epochs, or the process has ended."""
    ledger, deadline = folder / "r" / "ledger.jsonl", time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        if ledger.exists() and ledger.read_bytes().count(b'"event": "epoch"') >= epochs:
            return
        time.sleep(0.01)


def resume(folder: Path) -> None:
    """Go on until the end; says what the process said if it does not get there."""
    process = start(folder, ["--resume"])
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err


def check(folder: Path) -> Counter:
    """Exactly the planned trials and epochs, none lost, none twice; returns how often each kind of event is there."""
    events = ledger.read_lines(folder / "r")
    records = pyarrow.parquet.read_table(folder / "r" / "records.parquet").to_pylist()
    finals = pyarrow.parquet.read_table(folder / "r" / "finals.parquet").to_pylist()
    planned = [(trial, epoch) for trial in range(TRIALS) for epoch in range(1, EPOCHS + 1)]
    assert [(row["trial"], row["epoch"]) for row in records] == planned
    assert [(row["trial"], row["state"]) for row in finals] == [(trial, "complete") for trial in range(TRIALS)]
    assert Counter(e["trial"] for e in events if e["event"] == "asked") == Counter(range(TRIALS))
    complete = Counter(e["trial"] for e in events if e["event"] == "ended" and e["state"] == "complete")
    assert complete == Counter(range(TRIALS))
    assert len([e for e in events if e["event"] == "epoch"]) == len(planned)
    return Counter(event["event"] for event in events)


def figures(folder: Path) -> list[tuple]:
    rows = pyarrow.parquet.read_table(folder / "r" / "records.parquet").to_pylist()
    return [(r["trial"], r["epoch"], r["eval_accuracy"], r["eval_loss"], r["images_trained"]) for r in rows]


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> list[tuple]:
    """The figures of a search that nothing happens to."""
    folder = tmp_path_factory.mktemp("straight")
    process = start(folder, [*WORDS, *LOCAL], PACE="0")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    check(folder)
    return figures(folder)


def kill_until_done(folder: Path, words: list[str], moments: list[int], strike) -> int:
    """Start, strike after so many epochs, resume, strike again; returns how many blows fell on a living search."""
    process, blows = start(folder, words), 0
    for moment in moments:
        wait_for(folder, moment, process)
        if process.poll() is not None:
            break
        strike(process)
        process.communicate(timeout=300)
        blows += 1
        process = start(folder, ["--resume"] if (folder / "r" / "run.json").exists() else words)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    return blows


def moments(count: int, seed: int) -> list[int]:
    return sorted(random.Random(seed).sample(range(1, TRIALS * EPOCHS), count))


def strike_dead(process: subprocess.Popen) -> None:
    process.kill()


@pytest.mark.parametrize("blows", [3, pytest.param(COUNT, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, straight, blows):
    fell = kill_until_done(tmp_path, [*WORDS, *LOCAL], moments(blows, 1), strike_dead)
    events = check(tmp_path)
    print(f"\nSIGKILL, local executor: {fell} of {blows} blows on a living search; events {dict(events)}")
    assert fell == events["resumed"] >= blows * 0.7
    assert figures(tmp_path) == straight  # to the last digit: fp32, one thread
    assert not list((tmp_path / "r").rglob("last.safetensors")) and not (tmp_path / "r" / ".reserve").exists()
    assert len(json.loads((tmp_path / "r" / "run.json").read_text())["resumed"]) == fell


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("blows", [1, COUNT])
def test_a_search_on_ray_killed_at_random_moments(tmp_path, blows):
    fell = kill_until_done(tmp_path, [*WORDS, *RAY], moments(blows, 2), strike_dead)
    events = check(tmp_path)
    print(f"\nSIGKILL, Ray: {fell} of {blows} blows on a living search; events {dict(events)}")
    assert fell >= 1


@pytest.mark.parametrize(("number", "executor"), [
    (signal.SIGTERM, LOCAL), (signal.SIGINT, LOCAL),
    pytest.param(signal.SIGTERM, RAY, marks=[pytest.mark.ray, pytest.mark.slow]),
    pytest.param(signal.SIGINT, RAY, marks=[pytest.mark.ray, pytest.mark.slow]),
])  # fmt: skip
def test_sigterm_and_ctrl_c_end_cleanly_and_say_how_to_go_on(tmp_path, straight, number, executor):
    process = start(tmp_path, [*WORDS, *executor])
    wait_for(tmp_path, 25, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert f"--resume --name r --out {tmp_path}" in out and "interrupted" in out
    assert pyarrow.parquet.read_table(tmp_path / "r" / "records.parquet").num_rows >= 25
    resume(tmp_path)
    check(tmp_path)
    assert executor is RAY or figures(tmp_path) == straight


def worker_of(driver: int) -> psutil.Process | None:
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if any("ray::" in word and "Trainable" in word for word in process.cmdline()):
                return process
        except psutil.Error:
            continue
    return None


@pytest.mark.ray
@pytest.mark.slow
def test_workers_killed_at_random_moments(tmp_path):
    """A lost worker is tried again `--max-failures` times; what is lost for good is a failed trial, and said."""
    words = [*WORDS, *RAY]
    words[words.index("--max-failures") + 1] = str(COUNT)
    process, killed = start(tmp_path, words), 0
    for moment in moments(COUNT, 3):
        wait_for(tmp_path, moment, process)
        if process.poll() is None and (worker := worker_of(process.pid)):
            worker.kill()
            killed += 1
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    events = check(tmp_path)
    print(f"\nworkers killed: {killed} of {COUNT}; events {dict(events)}")
    assert killed >= COUNT / 2


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["pbt", "asha"])
def test_a_population_and_asha_killed_at_random_moments(tmp_path, scheduler):
    words = [*WORDS, *AGAIN, "--executor", "ray", "--concurrent", "1", "--scheduler", scheduler]
    words += ["--exchange-epochs", "2"] if scheduler == "pbt" else []
    fell = kill_until_done(tmp_path, words, moments(5, 4), strike_dead)
    records = pyarrow.parquet.read_table(tmp_path / "r" / "records.parquet").to_pylist()
    pairs = [(row["trial"], row["epoch"]) for row in records]
    lengths = Counter(trial for trial, _ in pairs)
    assert pairs == [(trial, epoch) for trial in sorted(lengths) for epoch in range(1, lengths[trial] + 1)]
    assert len(lengths) == TRIALS and (scheduler == "asha" or set(lengths.values()) == {EPOCHS})
    print(f"\n{scheduler}: {fell} blows, epochs by trial {dict(lengths)}")
    if scheduler == "pbt":
        table = str(tmp_path / "r" / "schedule.parquet")
        done = subprocess.run([sys.executable, "-m", "search.replay", table], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_clock_that_jumps_changes_nothing(tmp_path, straight):
    process = start(tmp_path, [*WORDS, *LOCAL, "--time-budget", "1h"], JUMP="1", PACE="0")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    check(tmp_path)
    assert figures(tmp_path) == straight


def test_of_two_processes_that_resume_one_run_one_is_refused(tmp_path, straight):
    process = start(tmp_path, [*WORDS, *LOCAL])
    wait_for(tmp_path, 15, process)
    process.kill()
    process.communicate()
    both = [start(tmp_path, ["--resume"], PACE="0.1") for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 2], said
    assert any("Another process is working on" in err for _, err in said)
    check(tmp_path)
    assert figures(tmp_path) == straight


def mounted(folder: Path, size: str) -> bool:
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True).returncode
        == 0
    )


@pytest.mark.parametrize(("executor", "round"), [
    (LOCAL, 0), *(pytest.param(LOCAL, n, marks=pytest.mark.slow) for n in range(1, DISKS)),
    *(pytest.param(RAY, n, marks=[pytest.mark.ray, pytest.mark.slow]) for n in range(DISKS)),
])  # fmt: skip
def test_a_real_disk_that_fills_up(tmp_path, straight, executor, round):
    """A small tmpfs, eaten by a file after the start. Where mounting is refused, search/test_disk.py injects the error."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or not mounted(disk, "120m"):
        pytest.skip("no tmpfs can be mounted here; tests/search/test_disk.py injects the same error")
    try:
        process = start(disk, [*WORDS, *executor])
        wait_for(disk, 20 + round, process)
        eaten = disk / "eaten"
        with open(eaten, "wb") as file:
            while True:
                try:
                    file.write(b"\\0" * 65536)
                    file.flush()
                except OSError:
                    break
        out, err = process.communicate(timeout=120)
        assert process.returncode == 1 and "cannot be written any more" in out, out + err
        assert len([e for e in ledger.read_lines(disk / "r") if e["event"] == "epoch"]) >= 20
        eaten.unlink()
        resume(disk)
        check(disk)
        assert executor is RAY or figures(disk) == straight
    finally:
        subprocess.run(["umount", "-l", disk], capture_output=True)


def test_a_read_only_folder_is_refused_before_anything_starts(tmp_path):
    if os.geteuid() == 0 and not mounted(tmp_path, "1m"):
        pytest.skip("root writes anywhere, and no tmpfs can be mounted here")
    try:
        if os.geteuid() == 0:
            subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        else:
            tmp_path.chmod(0o500)
        command = [sys.executable, "-m", "search.run", *WORDS, *LOCAL, "--out", str(tmp_path), "--name", "r"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and "cannot be written" in done.stderr, done.stderr
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", tmp_path], capture_output=True)
        else:
            tmp_path.chmod(0o700)
