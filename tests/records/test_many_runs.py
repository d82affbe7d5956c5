"""Tables of several runs in one data frame: the snippets of docs/many_runs.md, run on four runs, and what they give."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from search import compare, run

PAGE = Path(__file__).parents[2] / "docs" / "many_runs.md"
TINY = [
    "--data",
    "scenes:count=70",
    "--image-size",
    "16",
    "--epochs",
    "1",
    "--cpus-per-trial",
    "1",
    "--executor",
    "local",
]
SPACES = ("self_paced", "finetune", "superloss")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with `runs` in it: three searches of different strategies, and a head-to-head."""
    found = tmp_path_factory.mktemp("many")
    for space in SPACES:
        words = ["--space", space, "--samples", "1", *TINY, "--out", str(found / "runs"), "--name", space]
        assert run.main(words) == run.DONE
    words = [
        "--strategies",
        "finetune,self_paced",
        "--seeds",
        "1",
        *TINY,
        "--out",
        str(found / "runs"),
        "--name",
        "both",
    ]
    assert compare.main(words) == run.DONE
    return found


def snippet(package: str, place: Path, monkeypatch: Any) -> dict[str, Any]:
    """The names that the page's snippet for this package has made, after it was run in the folder."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(place)
    names: dict[str, Any] = {}
    exec(next(block for block in blocks if re.search(rf"^import {package}\b", block, re.MULTILINE)), names)
    return names


def test_pandas(place, monkeypatch):
    names = snippet("pandas", place, monkeypatch)
    assert set(names["best"].index) == {*SPACES, "both"} and len(names["finals"]) == 5
    kinds = names["finals"].dtypes.astype(str)
    assert kinds["best_epoch"] == "int64[pyarrow]" and kinds["arm_order"] == "string[pyarrow]"


def test_pandas_as_it_reads_by_itself(place):
    frames = [pd.read_parquet(file) for file in sorted(place.glob("runs/*/best.parquet"))]
    together = pd.concat(frames, ignore_index=True)
    assert together["gate"].notna().sum() == 2  # of the search of self_paced, and of its arm
    assert together["regularisation"].notna().sum() == 1


def test_pyarrow(place, monkeypatch):
    names = snippet("pyarrow", place, monkeypatch)
    epochs = names["curves"].to_pandas().groupby("run").size()
    assert set(epochs.index) == {*SPACES, "both"} and epochs["finetune"] == 1
    assert names["schema"].field("stage_loss").type == "double" and names["schema"].field("side").type == "int64"


def test_polars(place, monkeypatch):
    pytest.importorskip("polars", reason="polars is not installed here, so its snippet is not run")
    names = snippet("polars", place, monkeypatch)
    assert sorted(names["gates"]["run"].to_list()) == ["both", "self_paced"]
    assert str(names["configs"].schema["setting_sizes"]) == "List(Int64)"


def test_duckdb(place, monkeypatch):
    pytest.importorskip("duckdb", reason="DuckDB is not installed here, so its snippet is not run")
    names = snippet("duckdb", place, monkeypatch)
    assert {(name, strategy) for name, strategy, _ in names["best"]} == {
        ("self_paced", "self_paced"), ("finetune", "finetune"), ("superloss", "superloss"), ("both", "finetune"),
        ("both", "self_paced")}  # fmt: skip
