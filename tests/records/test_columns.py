"""Every column of a table has its type, whatever stands in it, so that tables of different runs load together."""

import shutil
from pathlib import Path

import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest

from records.columns import declared, kind_of
from records.files import write_json
from records.folder import read_run
from records.history import read_history
from records.parquet import write_tables
from spaces.registry import SPACES
from tests import made_runs

GOLDEN = Path(__file__).parents[1] / "golden"
RUNS = ("search", "head_to_head", "population", "resumed")
TABLES = ("records", "finals", "predictions", "best")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Recorded searches of two spaces, a head-to-head, and a search without a trial that came to anything."""
    place = tmp_path_factory.mktemp("runs")
    for name in RUNS:
        shutil.copytree(GOLDEN / name, place / name, ignore=shutil.ignore_patterns("*.parquet", "*.md"))
    started = {"event": "started", "kind": "search", "format": 2, "time": made_runs.START}
    config = SPACES["self_paced"].build({}).model_dump()
    made_runs.write(place / "failed", made_runs.about(1, 4, name="failed"),
                    [started, made_runs.asked(0, {}, config), made_runs.ended(0, "failed", "ValueError: no")])  # fmt: skip
    for folder in place.iterdir():
        about = read_run(folder)
        write_json(folder / "run.json", about | {"options": about["options"] | {"name": folder.name}})
        write_tables(folder)
    return place


@pytest.mark.parametrize("table", TABLES)
def test_a_column_has_the_same_type_in_every_run(runs, table):
    types: dict[str, set[str]] = {}
    for file in runs.glob(f"*/{table}.parquet"):
        for field in pyarrow.parquet.read_schema(file):
            types.setdefault(field.name, set()).add(str(field.type))
    assert types and {name: found for name, found in types.items() if len(found) > 1} == {}


def test_fields_of_one_name_are_of_one_kind_in_every_space():
    kinds: dict[str, set[str | None]] = {}
    for space in SPACES.values():
        for name, info in space.config.model_fields.items():
            kinds.setdefault(name, set()).add(kind_of(info.annotation))
    assert all(len(found) == 1 and None not in found for found in kinds.values()), kinds


def test_what_is_null_everywhere_in_a_run_still_has_its_type(runs):
    schema = pyarrow.parquet.read_schema(runs / "failed" / "finals.parquet")
    assert [str(schema.field(name).type) for name in ("best_epoch", "selection_accuracy", "arm_order", "reason")] == [
        "int64", "double", "string", "string"]  # fmt: skip
    best = pyarrow.parquet.read_schema(runs / "search" / "best.parquet")
    assert [str(best.field(f"setting_{name}").type) for name in ("sizes", "updates", "split", "arm")] == [
        "list<element: int64>", "int64", "string", "string"]  # fmt: skip


def test_a_table_without_a_row_has_its_columns(runs):
    assert read_history(runs / "failed").trials[0].state == "failed"
    assert pyarrow.parquet.read_table(runs / "failed" / "records.parquet").num_rows == 0
    for table in ("records", "predictions"):
        none = set(pyarrow.parquet.read_schema(runs / "failed" / f"{table}.parquet").names)
        assert none <= set(pyarrow.parquet.read_schema(runs / "resumed" / f"{table}.parquet").names) | {
            "distinct", "side"}  # fmt: skip


def test_every_column_is_declared(runs):
    """But for those of further metrics, which are floats by their name."""
    names = {name for file in runs.glob("*/*.parquet") for name in pyarrow.parquet.read_schema(file).names}
    metrics = {"eval_map", "selection_map", "test_map"}
    assert names - declared().keys() - metrics == set()
