"""What a report consists of: chapters of sentences, tables and pictures; writing them to files is for page and markdown."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet
from matplotlib.figure import Figure

from analysis.figures import style
from console.progress import track
from records import files
from records.tables import UNITS


@dataclass(frozen=True)
class Sentences:
    """Paragraphs, or a list; `source` names the table whose rows they say, in the same order."""

    lines: list[str]
    source: str | None = None
    listed: bool = False


@dataclass(frozen=True)
class Table:
    """`data` is what goes to parquet, `shown` the same rows as a reader wants them; a folded one is opened by a click."""

    name: str
    caption: str
    data: pd.DataFrame
    shown: pd.DataFrame
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    name: str
    caption: str
    figure: Figure


Part = Sentences | Table | Picture


@dataclass(frozen=True)
class Chapter:
    title: str
    parts: list[Part] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return "".join(c if c.isalnum() else "-" for c in self.title.lower()).strip("-")


def data_file(name: str) -> str:
    return f"data/{name}.parquet"


def picture_file(name: str, ending: str) -> str:
    return f"figures/{name}.{ending}"


def write_tables(chapters: list[Chapter], out: Path, about: dict[str, Any]) -> list[Path]:
    """Every table as parquet; `about` says in its metadata which runs it is of."""
    written = []
    for table in (part for chapter in chapters for part in chapter.parts if isinstance(part, Table)):
        found = pyarrow.Table.from_pandas(table.data, preserve_index=False)
        notes = {"about": about, "units": UNITS, "table": table.caption}
        metadata = {**(found.schema.metadata or {}), b"curriculum_tune": json.dumps(notes).encode()}
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(found.replace_schema_metadata(metadata), sink)
        written.append(out / data_file(table.name))
        files.write_bytes(written[-1], sink.getvalue().to_pybytes())
    return written


def draw_pictures(chapters: list[Chapter], out: Path) -> list[Path]:
    """Every picture as PNG and SVG; frees them."""
    written = []
    pictures = [part for chapter in chapters for part in chapter.parts if isinstance(part, Picture)]
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for picture in track(pictures, "drawing", unit="figures"):
        for ending in ("png", "svg"):
            written.append(out / picture_file(picture.name, ending))
            picture.figure.savefig(written[-1])
            picture.figure.set_layout_engine("none")  # it stays as laid out for the first file
        style.plt.close(picture.figure)
    return written
