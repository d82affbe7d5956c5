"""What every test shares: one thread, a cache of its own, and hypothesis without clocks or leftovers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from search.executors import ray_environment

ray_environment.prepare(None)  # before any test module imports Ray, which reads its environment only once

# The same examples on every machine, no deadline and no folder of found examples.
settings.register_profile("project", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("project")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory) -> Iterator[Path]:
    """Nothing is read from, or left in, the cache of the person who runs the tests."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURRICULUM_TUNE_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch) -> None:
    """Sentences stand on one line, unless a test is of the lines."""
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with rsscn7/ and dtd/ and, beside it, weights/resnet18-imagenet1k_v1.pth; else the test is skipped."""
    folder = os.environ.get("CURRICULUM_TUNE_DATA")
    if not folder:
        pytest.skip(
            "CURRICULUM_TUNE_DATA is not set to a folder holding rsscn7/ and dtd/, so real data are not tested."
        )
    return Path(folder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what no test has looked at."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "/test_cuda" in report.nodeid]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests of the GPU path were skipped (tests/device.py has on what they run)."
        )
