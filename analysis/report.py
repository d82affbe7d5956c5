"""python -m analysis.report RUN --out report/: the table and the figures of a run."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis import figures
from analysis.runs import LoadedRun, load_run
from analysis.table import as_markdown, trial_table
from search.arguments import DONE, Parser, guarded
from spaces.errors import UsageError

IN_COLOUR = 4  # best trials drawn in colour, beside the anchors


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m analysis.report", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="a run folder")
    parser.add_argument("--out", type=Path, default=Path("report"), metavar="DIR", help="where to write (report)")
    parser.add_argument("--reference", type=Path, metavar="FILE.csv",
                        help="curve to draw beside: columns epoch,accuracy,loss")  # fmt: skip
    asked = parser.parse_args(words)
    return guarded(lambda: report(asked.runs, asked.out, asked.reference))


def report(folders: list[Path], out: Path, reference: Path | None) -> int:
    """Write table and figures of each run into `out`, or a folder in it per run where there are several."""
    curve = None if reference is None else read_reference(reference)
    for folder in folders:
        run = load_run(folder)
        if run.records.empty:
            raise UsageError(f"{folder} has no epoch yet; wait for the first one.")
        for path in write_run(run, out if len(folders) == 1 else out / run.name, curve):
            print(path)
    return DONE


def read_reference(path: Path) -> pd.DataFrame:
    """A curve with the columns epoch, accuracy and loss. Raises UsageError."""
    if not path.is_file():
        raise UsageError(f"No reference curve at {path}.")
    curve = pd.read_csv(path)
    missing = {"epoch", "accuracy", "loss"} - set(curve.columns)
    if missing:
        raise UsageError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    return curve


def write_run(run: LoadedRun, out: Path, reference: pd.DataFrame | None = None) -> list[Path]:
    """table.md, table.parquet and the figures as PNG and SVG; returns what was written."""
    out.mkdir(parents=True, exist_ok=True)
    table = trial_table(run.finals, run.records, run.configs)
    names = shown_trials(table)
    (out / "table.md").write_text(heading(run) + as_markdown(table))
    table.to_parquet(out / "table.parquet")
    drawn = {
        "curves": figures.learning_curves(run.records, names, run.eval_split, reference),
        "accuracy_seconds": figures.accuracy_against_seconds(run.records, names, run.eval_split),
    }
    for trial, name in list(names.items())[:1] + [(t, n) for t, n in names.items() if "(" in n]:
        rows = run.records[run.records["trial"] == trial]
        drawn[f"schedule_{trial:04d}"] = figures.schedule(rows, run.about["data"]["classes"], name)
    written = [out / "table.md", out / "table.parquet"]
    return written + [path for stem, figure in drawn.items() for path in save(figure, out / stem)]


def shown_trials(table: pd.DataFrame) -> dict[int, str]:
    """The trials drawn in colour, best first: the best few and every anchor."""
    table = table[table["accuracy"].notna()]
    anchored = table["anchor"].notna()
    shown = table[anchored | (table.index < IN_COLOUR)]
    names = "trial " + shown["trial"].astype(str)
    names = names.where(~anchored, names + " (" + shown["anchor"].astype(str) + ")")
    return dict(zip(shown["trial"], names, strict=True))


def heading(run: LoadedRun) -> str:
    """What the table is of, in words that let a reader repeat it."""
    setting, data = run.about["setting"], run.about["data"]
    optimistic = " Epochs were picked on the test split." if setting["protocol"] == "report" else ""
    seeds = sorted(run.records["seed"].unique())
    said = f"seed {seeds[0]} (one seed: no interval)" if len(seeds) == 1 else f"{len(seeds)} seeds, a row per trial"
    return (
        f"`{run.about['command']}`\n\n{', '.join(run.records['strategy'].unique())} on {data['name']}, "
        f"{setting['image_size']} px, {setting['model']}, weights {Path(setting['weights']).name}; "
        f"protocol {setting['protocol']}, judged on {run.eval_split}, {said}.{optimistic}\n\n"
    )


def save(figure: Figure, stem: Path) -> list[Path]:
    """The figure as PNG and SVG; frees it."""
    paths = [stem.with_suffix(ending) for ending in (".png", ".svg")]
    for path in paths:
        figure.savefig(path)
    figures.plt.close(figure)
    return paths


if __name__ == "__main__":
    sys.exit(main())
