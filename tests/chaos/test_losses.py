"""What is lost under a search: its private Ray, and the machine. CHAOS_COUNT=20 in the environment repeats each."""

import os
import random
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from records import ledger
from tests.chaos import test_kills
from tests.chaos.machine import take_back
from tests.chaos.test_kills import (
    EPOCHS,
    LOCAL,
    RAY,
    TRIALS,
    WORDS,
    check,
    figures,
    moments,
    start,
    straight,
    wait_for,
)

COUNT = int(os.environ.get("CHAOS_COUNT", "3"))
__all__ = ["straight"]
WATCHED = """
import pathlib, os
from tests.chaos.machine import watch
watch(pathlib.Path(os.environ["NOTES"]), "ledger.jsonl")
"""


STEADY = [*WORDS, "--sampler", "random"]  # what is proposed depends on no figures, and so on no timing


@pytest.fixture(scope="module")
def steady(tmp_path_factory) -> list[tuple]:
    """The figures of a search with random proposals that nothing happens to."""
    folder = tmp_path_factory.mktemp("steady")
    process = start(folder, [*STEADY, *LOCAL], PACE="0")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return figures(folder)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
@pytest.mark.parametrize("round", range(COUNT))
def test_a_lost_private_ray_is_replaced(tmp_path, steady, name, round):
    process = start(tmp_path, [*STEADY, *RAY])
    wait_for(tmp_path, random.Random(round).randint(5, TRIALS * EPOCHS // 2), process)
    below = psutil.Process(process.pid).children(recursive=True)
    needed = next(child for child in below if child.name() == name)
    needed.kill()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert "The private Ray is lost; the trials go on" in out and "Traceback" not in out + err
    assert "StackTrace" not in err and check(tmp_path)["lost"] >= 1
    assert figures(tmp_path) == steady


@pytest.mark.slow
@pytest.mark.parametrize("round", range(COUNT))
def test_a_machine_that_goes_down_loses_nothing_that_was_flushed(tmp_path, straight, monkeypatch, round):
    """Several times in one run, at random moments, with a torn last line and renames that were not on disk yet."""
    monkeypatch.setattr(test_kills, "SLOWED", WATCHED + test_kills.SLOWED)
    chance, notes, words = random.Random(round), tmp_path / "notes", [*WORDS, *LOCAL]
    fell = 0
    for moment in moments(4, 100 + round):
        process = start(tmp_path, words, NOTES=str(notes))
        wait_for(tmp_path, moment, process)
        if process.poll() is not None:
            break
        process.kill()
        process.communicate(timeout=60)
        before = recorded(tmp_path / "r")
        flushed = take_back(notes, chance)
        after = recorded(tmp_path / "r")
        assert len(after) >= flushed and after == before[: len(after)]
        words, fell = ["--resume"], fell + 1
    process = start(tmp_path, words, NOTES=str(notes))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    check(tmp_path)
    print(f"\nmachine down: {fell} times")
    assert fell >= 2 and figures(tmp_path) == straight


def recorded(folder: Path) -> list[tuple]:
    events = [event for event in ledger.read_lines(folder) if event["event"] == "epoch"]
    return [(e["record"]["trial"], e["record"]["epoch"], e["record"]["eval_loss"]) for e in events]


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that is not below /tmp."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("size", ["4k", "64k"])  # no room for the token, and room for it alone
def test_a_full_place_for_rays_files_is_one_sentence(elsewhere, size):
    """/tmp of a mount namespace of its own."""
    command = [sys.executable, "-m", "search.run", *WORDS, *RAY, "--out", str(elsewhere), "--name", "r"]
    inside = f"mount -t tmpfs -o size={size} tmpfs /tmp && exec " + shlex.join(command)
    environment = os.environ | {"CURRICULUM_TUNE_CACHE": str(elsewhere / "cache"), "PYTHONPATH": str(test_kills.ROOT)}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", inside], cwd=elsewhere, env=environment, capture_output=True, text=True
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no mount namespace can be made here")
    assert done.returncode == 2 and done.stderr.startswith("Error: ") and "--executor local" in done.stderr, done
    assert done.stderr.count("\n") == 1 and not (elsewhere / "r").exists()
