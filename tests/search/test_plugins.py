"""A strategy and a metric from a module outside the repository: searched, resumed, replayed, read; in workers too."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet
import pytest

from search.running import resume_line

CAPPED = '''
"""Self-paced learning that never takes more than half of the images."""

from dataclasses import dataclass

import numpy as np
from optuna.distributions import FloatDistribution
from pydantic import Field

from spaces.registry import SPACES
from spaces.space import Anchor, Space
from spaces.trial import OrderedConfig
from trainables.curricula.base import Curriculum, Plan
from trainables.metrics import METRICS, Metric
from trainables.strategies import STRATEGIES, Strategy


class CappedConfig(OrderedConfig):
    """A random part of the images in each epoch."""

    cap: float = Field(0.5, gt=0, le=1, description="part of the images")


@dataclass(frozen=True)
class Capped(Curriculum):
    config: CappedConfig

    def plan(self, state, difficulty, rng):
        size = max(2, int(self.config.cap * len(self.labels)))
        return Plan(rng.permutation(len(self.labels))[:size], self.config.cap)


SPACES["capped"] = Space("capped", CappedConfig, {"cap": FloatDistribution(0.2, 0.8)}, (Anchor("half", "half", {}),))
STRATEGIES["capped"] = Strategy(CappedConfig, lambda facts, config: Capped(facts.labels, config))
METRICS["constant"] = Metric("constant", "constant", lambda judged: 0.25)
'''
TINY = ["--data", "scenes:count=105", "--image-size", "16", "--epochs", "2", "--precision", "fp32", "--cpus-per-trial", "1",
        "--samples", "2", "--scheduler", "none"]  # fmt: skip


def command(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """A command as a person gives it beside a module of their own; this process is not told of it."""
    root = str(Path(__file__).parents[2])
    code = f"import sys, runpy; sys.path[:0] = [{root!r}, '']; sys.argv = sys.argv[1:]; " \
           "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"  # fmt: skip
    return subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "capped.py").write_text(CAPPED)
    words = ["search.run", "--plugin", "capped", "--space", "capped", *TINY, "--executor", "local", "--name", "r"]
    done = command(folder, *words)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_strategy_of_ones_own_is_searched_and_its_metric_recorded(searched):
    finals = pyarrow.parquet.read_table(searched / "runs/r/finals.parquet").to_pylist()
    assert [row["strategy"] for row in finals] == ["capped", "capped"]
    records = pyarrow.parquet.read_table(searched / "runs/r/records.parquet").to_pylist()
    assert {row["eval_constant"] for row in records} == {0.25} and max(row["share"] for row in records) <= 0.8
    assert json.loads((searched / "runs/r/run.json").read_text())["setting"]["plugins"] == ["capped"]


def test_whoever_reads_it_names_the_plugin_or_is_told_to(searched):
    without = command(searched, "search.status", "runs/r")
    assert without.returncode == 2
    assert "was made with the plugin capped, which is not loaded here; pass --plugin capped" in without.stderr
    assert command(searched, "search.status", "--plugin", "capped", "runs/r").returncode == 0
    replayed = command(searched, "search.replay", "runs/r/best.parquet", "--plugin", "capped")
    assert replayed.returncode == 0 and "The same numbers" in replayed.stdout


def test_it_is_resumed_with_the_same_source_only(searched):
    words = ["search.run", "--resume", "--plugin", "capped", "--name", "r", "--samples", "3"]
    assert command(searched, *words).returncode == 0
    (searched / "capped.py").write_text(CAPPED + "\n# another\n")
    other = command(searched, *words[:-1], "4")
    assert other.returncode == 2 and "code was" in other.stderr


def test_what_is_to_be_typed_to_go_on_names_the_plugin():
    plan = SimpleNamespace(options=SimpleNamespace(name="r", out="my runs", plugin=("capped",)))
    said = resume_line("search.run", plan)
    assert said == "To go on:  python -m search.run --resume --name r --out 'my runs' --plugin capped"


@pytest.mark.parametrize(("name", "said"), [
    ("nowhere", "No module nowhere for --plugin"),
    ("broken", "The plugin broken cannot be imported (ZeroDivisionError: division by zero)"),
    ("wanting", "The plugin wanting wants the module not_there, which is not installed"),
])  # fmt: skip
def test_a_plugin_that_cannot_be_imported_is_one_sentence(tmp_path, name, said):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "wanting.py").write_text("import not_there\n")
    done = command(tmp_path, "search.run", "--plugin", name, "--list")
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.ray
def test_it_is_there_in_the_workers(searched):
    (searched / "capped.py").write_text(CAPPED)
    done = command(searched, "search.run", "--plugin", "capped", "--space", "capped", *TINY, "--name", "ray")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 complete" in command(searched, "search.status", "--plugin", "capped", "runs/ray").stdout
