"""A report in its folder: page, Markdown, tables as parquet, figures as PNG and SVG."""

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from analysis.document.html import write_page
from analysis.document.markdown import write_markdown
from analysis.document.parts import Drawn, Report, Table, data_file, picture_file
from analysis.runs import LoadedRun
from console.arguments import Parser, path_here
from console.progress import track
from records import files
from records.outputs import GENERATOR, written
from records.tables import UNITS


def add_out(parser: Parser, default: str) -> None:
    """The flags --out, --overwrite and --figures of a command that writes a report."""
    parser.add_argument(
        "--out", type=path_here, default=Path(default), metavar="DIR", help=f"where to write ({default})"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is there and is of no report of ours")
    parser.add_argument("--figures", action="store_true", help="also write every figure as PNG and SVG, for a paper")


def write_report(report: Report, runs: list[LoadedRun], out: Path, figures: bool = False) -> None:
    """Tables, Markdown and page; with `figures` every picture as PNG and SVG too, for papers.

    Raises UsageError where `out`, which `records.outputs.prepare_folder` has made, cannot be written.
    """
    about = [{"run": run.name, "command": run.command, "data_digest": run.about["data"]["digest"],
              "versions": run.about.get("versions", {})} for run in runs]  # fmt: skip
    with written(out):
        _remove_last(out)
        write_tables(report, out, {"runs": about})
        if figures:
            draw_pictures(report, out)
        files.write_bytes(out / "report.md", write_markdown(report, figures).encode())
        files.write_bytes(out / "index.html", write_page(report, figures).encode())


def _remove_last(out: Path) -> None:
    """What the page that is there links to: tables and figures of another report beside this one would be taken for its own."""
    page = out / "index.html"
    if not page.is_file() or GENERATOR not in (text := page.read_text(encoding="utf-8", errors="replace")):
        return
    linked = re.findall(r'href="((?:data|figures)/[^"/]+\.(?:parquet|svg))"', text)
    for file in {out / link for link in linked} | {(out / link).with_suffix(".png") for link in linked}:
        if file.is_file() and not file.is_symlink():
            file.unlink()


def write_tables(report: Report, out: Path, about: dict[str, Any]) -> list[Path]:
    """Every table as parquet; `about` says in its metadata which runs it is of."""
    made = []
    for table in (part for part in report.parts if isinstance(part, Table)):
        found = pyarrow.Table.from_pandas(table.data, preserve_index=False)
        notes = {"about": about, "units": UNITS, "table": table.caption}
        metadata = {**(found.schema.metadata or {}), b"curriculum_tune": json.dumps(notes).encode()}
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(found.replace_schema_metadata(metadata), sink)
        made.append(out / data_file(table.name))
        files.write_bytes(made[-1], sink.getvalue().to_pybytes())
    return made


def draw_pictures(report: Report, out: Path) -> list[Path]:
    """Every picture as PNG and SVG."""
    made = []
    pictures = [part for part in report.parts if isinstance(part, Drawn)]
    for picture in track(pictures, "drawing", unit="figures"):
        for ending in ("png", "svg"):
            content = BytesIO()
            picture.figure.savefig(content, format=ending)
            made.append(out / picture_file(picture.name, ending))
            files.write_bytes(made[-1], content.getvalue())
            picture.figure.set_layout_engine("none")  # it stays as laid out for the first file
    return made
