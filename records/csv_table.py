"""Tables as CSV, that a spreadsheet shows and does not compute."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from console.wording import printable
from records.epoch import Row
from records.files import write_bytes
from records.outputs import FORMULAS


def write_csv(path: Path, rows: list[Row]) -> None:
    """Values that are no plain number or word (the sizes of a twin) as JSON; what is missing is empty.

    A text that a spreadsheet would take for a formula gets an apostrophe, which spreadsheets show as the text alone, and
    what would move the cursor of a terminal is spelt.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    write_bytes(path, text.getvalue().encode())


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return printable(f"'{value}" if value.startswith(FORMULAS) else value)
    return json.dumps(value) if isinstance(value, list | tuple) else value
