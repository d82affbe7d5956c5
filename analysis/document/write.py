"""A report in its folder: page, Markdown, tables as parquet, figures as PNG and SVG."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from analysis.document.html import write_page
from analysis.document.markdown import write_markdown
from analysis.document.parts import Chapter, Picture, Table, data_file, picture_file
from analysis.runs import LoadedRun
from console.arguments import Parser, path_here
from console.progress import track
from records import files
from records.outputs import written
from records.tables import UNITS


def add_out(parser: Parser, default: str) -> None:
    """The flags --out and --overwrite of a command that writes a report."""
    parser.add_argument(
        "--out", type=path_here, default=Path(default), metavar="DIR", help=f"where to write ({default})"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is there and is of no report of ours")


def write_report(chapters: list[Chapter], runs: list[LoadedRun], out: Path, title: str | None = None) -> None:
    """Pictures and tables first: the page shows the one and links to the other.

    Raises UsageError where `out`, which `records.outputs.prepare_folder` has made, cannot be written.
    """
    title = title or "Report on " + ", ".join(run.name for run in runs)
    about = [{"run": run.name, "command": run.command, "data_digest": run.about["data"]["digest"],
              "versions": run.about.get("versions", {})} for run in runs]  # fmt: skip
    with written(out):
        draw_pictures(chapters, out)
        write_tables(chapters, out, {"runs": about})
        files.write_bytes(out / "report.md", write_markdown(title, chapters).encode())
        files.write_bytes(out / "index.html", write_page(title, chapters, out).encode())


def write_tables(chapters: list[Chapter], out: Path, about: dict[str, Any]) -> list[Path]:
    """Every table as parquet; `about` says in its metadata which runs it is of."""
    made = []
    for table in (part for chapter in chapters for part in chapter.parts if isinstance(part, Table)):
        found = pyarrow.Table.from_pandas(table.data, preserve_index=False)
        notes = {"about": about, "units": UNITS, "table": table.caption}
        metadata = {**(found.schema.metadata or {}), b"curriculum_tune": json.dumps(notes).encode()}
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(found.replace_schema_metadata(metadata), sink)
        made.append(out / data_file(table.name))
        files.write_bytes(made[-1], sink.getvalue().to_pybytes())
    return made


def draw_pictures(chapters: list[Chapter], out: Path) -> list[Path]:
    """Every picture as PNG and SVG."""
    made = []
    pictures = [part for chapter in chapters for part in chapter.parts if isinstance(part, Picture)]
    for picture in track(pictures, "drawing", unit="figures"):
        for ending in ("png", "svg"):
            content = BytesIO()
            picture.figure.savefig(content, format=ending)
            made.append(out / picture_file(picture.name, ending))
            files.write_bytes(made[-1], content.getvalue())
            picture.figure.set_layout_engine("none")  # it stays as laid out for the first file
    return made
