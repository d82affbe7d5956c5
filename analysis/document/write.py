"""TODO."""

from pathlib import Path

from analysis.document.html import write_page
from analysis.document.markdown import write_markdown
from analysis.document.parts import Chapter, draw_pictures, write_tables
from analysis.runs import LoadedRun
from records import files


def write_report(chapters: list[Chapter], runs: list[LoadedRun], out: Path) -> None:
    """Pictures and tables first: the page shows the one and links to the other."""
    title = "Report on " + ", ".join(run.name for run in runs)
    about = [{"run": run.name, "command": run.command, "data_digest": run.about["data"]["digest"],
              "versions": run.about.get("versions", {})} for run in runs]  # fmt: skip
    draw_pictures(chapters, out)
    write_tables(chapters, out, {"runs": about})
    files.write_bytes(out / "report.md", write_markdown(title, chapters).encode())
    files.write_bytes(out / "index.html", write_page(title, chapters, out).encode())
