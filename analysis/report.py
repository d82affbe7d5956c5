"""python -m analysis.report RUN ... --out report/: tables, figures and verdict as one HTML page, Markdown and parquet."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.chapters.contents import More, make_report, nothing_more
from analysis.comparable import sections
from analysis.document.write import add_out, write_report
from analysis.runs import load_with_epochs
from console.arguments import DONE, Parser, guarded
from console.errors import UsageError
from console.given import read_given
from console.progress import track
from records.found_runs import find_runs
from records.outputs import prepare_folder


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m analysis.report", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run folder, a folder of runs, or a pattern: 'runs/*'")
    add_out(parser, "report")
    parser.add_argument("--images", action="store_true",
                        help="also show the misclassified images; needs the data set at hand")  # fmt: skip
    parser.add_argument("--reference", type=Path, metavar="FILE.csv",
                        help="curve to draw beside ours: columns epoch,accuracy,loss")  # fmt: skip
    asked = parser.parse_args(words)
    return guarded(lambda: report(find_runs(asked.runs), asked.out, asked.reference, asked.images, asked.overwrite,
                                  asked.figures))  # fmt: skip


def report(
    folders: list[Path],
    out: Path,
    reference: Path | None = None,
    images: bool = False,
    overwrite: bool = False,
    figures: bool = False,
) -> int:
    """Write index.html, report.md, data/*.parquet and, with `figures`, figures/ into `out`. Raises UsageError.

    A report that is there is replaced; what is of none only where `overwrite` says so.
    """
    curve = None if reference is None else read_reference(reference)
    known = list(dict.fromkeys(folder.absolute() for folder in folders))
    runs = [load_with_epochs(folder) for folder in track(known, "reading", unit="runs")]
    prepare_folder(out, overwrite)
    made = make_report(sections(runs), curve, _misclassified() if images else nothing_more)
    write_report(made, runs, out, figures)
    print(f"{made.title}\n{out / 'index.html'}: {', '.join(chapter.title for chapter in made.chapters)}")
    return DONE


def _misclassified() -> More:
    """Imported here, as it loads the data set through the trainables and so PyTorch, seconds that others do without."""
    from analysis.chapters.misclassified import misclassified

    return misclassified


def read_reference(path: Path) -> pd.DataFrame:
    """A curve with the columns epoch, accuracy and loss. Raises UsageError."""
    try:
        curve = pd.read_csv(io.StringIO(read_given(path, "The reference curve")))
    except ValueError as error:  # pandas' errors of parsing are such, that of an empty file too
        raise UsageError(f"The reference curve {path} is no CSV ({str(error).strip()}).") from None
    missing = {"epoch", "accuracy", "loss"} - set(curve.columns)
    if missing:
        raise UsageError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    return curve


if __name__ == "__main__":
    sys.exit(main())
