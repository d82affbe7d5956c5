"""Tables as parquet files. The one place in records that needs pyarrow.

Each table carries the run's identity, the package version and the units of its columns in its metadata.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pyarrow
import pyarrow.parquet

from console.errors import UsageError
from console.progress import bar
from records.columns import columns_of, declared, kind_of_column
from records.confirmed import confirmed_trials
from records.epoch import Row
from records.files import write_bytes
from records.history import read_history
from records.outputs import written
from records.tables import (
    SETTING,
    UNITS,
    best_rows,
    final_rows,
    identity,
    prediction_rows,
    record_rows,
    schedule_rows,
)


def write_table(
    path: Path, rows: list[Row], run: Row, more: Sequence[Row] = (), always: Iterable[str] = (),
    kinds: Mapping[str, str] = MappingProxyType({}),
) -> None:  # fmt: skip
    """One parquet file, written all or not at all, with columns of the same types in every run.

    `more`: other runs it has rows of; `always`: the columns that it has without a row too; `kinds`: of columns that are
    something else here than in the tables of a run.
    """
    try:
        table = pyarrow.Table.from_pylist(rows, schema=_schema(rows, always, kinds))
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise _fits_no_table(path, error) from None
    runs = [identity(one) for one in (run, *more)]
    notes = {"about": runs[0], "runs": runs, "versions": run["versions"], "units": UNITS}
    table = table.replace_schema_metadata({"curriculum_tune": json.dumps(notes)})
    sink = pyarrow.BufferOutputStream()
    try:
        pyarrow.parquet.write_table(table, sink)
    except pyarrow.ArrowException as error:
        raise _fits_no_table(path, error) from None
    write_bytes(path, sink.getvalue().to_pybytes())


def _fits_no_table(path: Path, error: Exception) -> UsageError:
    """What was recorded was changed by somebody else: values of one column are of different kinds, or of none."""
    return UsageError(f"{path} cannot be written, as what was recorded fits no table ({str(error).splitlines()[0]}).")


def _schema(rows: list[Row], always: Iterable[str], kinds: Mapping[str, str]) -> pyarrow.Schema:
    """Every column of any row, in order of appearance, of its declared kind; without rows, those that are always there.

    What nobody has declared is of the kind of its values, and a float where it has none.
    """
    known = {**declared(), **kinds}
    names = dict.fromkeys(name for row in rows for name in row) if rows else always
    return pyarrow.schema([(name, _kind(name, rows, known)) for name in names])


def _kind(name: str, rows: list[Row], known: dict[str, str]) -> pyarrow.DataType:
    if kind := kind_of_column(name, known):
        return _arrow(kind)
    values = [row[name] for row in rows if row.get(name) is not None]
    return pyarrow.infer_type(values) if values else pyarrow.float64()


def _arrow(kind: str) -> pyarrow.DataType:
    """The type of 'double', 'list<int64>' and so on."""
    inner = kind.removeprefix("list<").removesuffix(">")
    plain = pyarrow.type_for_alias(inner)
    return plain if inner == kind else pyarrow.list_(pyarrow.field("element", plain))


def read_table(path: Path) -> list[Row]:
    """The rows of a parquet file as plain dicts."""
    rows: list[Row] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def write_tables(folder: Path) -> None:
    """records.parquet, finals.parquet, predictions.parquet and best.parquet of a run, from its ledger.

    Raises UsageError, also where the run folder cannot be written.
    """
    history = read_history(folder)
    if history.first is None and not history.trials:
        raise UsageError(f"{folder} has no event yet, so there is nothing to write tables of.")
    with written(folder), bar("writing tables", 4, "tables") as advance:

        def write(name: str, rows: list[Row]) -> list[Row]:
            named = (
                rows
                if name in ("best", "schedule")
                else [{"run": history.run["options"]["name"]} | row for row in rows]
            )
            write_table(folder / f"{name}.parquet", named, history.run, always=columns_of(name))
            advance(1)
            return rows

        write("records", record_rows(history))
        write("finals", final_rows(history))
        write("predictions", list(prediction_rows(folder, history)))
        best = write("best", best_rows(history, confirmed_trials(folder)))
        if schedule := schedule_rows(history, best):
            write("schedule", schedule)


def read_row(path: Path, number: int) -> Row:
    """One row of a best.parquet. Raises UsageError."""
    return row_of(read_rows(path), path, number)


def row_of(rows: list[Row], path: Path, number: int) -> Row:
    """Row `number` of a table that was read from `path`. Raises UsageError where it has none."""
    if not 0 <= number < len(rows):
        raise UsageError(f"--row {number}: {path} has the rows 0 to {len(rows) - 1}.")
    return rows[number]


def read_rows(path: Path) -> list[Row]:
    """The rows of a best.parquet or a schedule.parquet, at least one. Raises UsageError."""
    if not path.is_file():
        raise UsageError(f"No table at {path}; pass a best.parquet of a run, or one that search.export wrote.")
    try:
        rows = read_table(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no parquet table ({str(error).splitlines()[0]}).") from None
    if not rows:
        raise UsageError(f"{path} has no rows: its run has no trial with a result.")
    if SETTING + "strategy" not in rows[0]:
        raise UsageError(f"{path} holds no configs: column {SETTING}strategy is missing; pass a best.parquet.")
    return rows
