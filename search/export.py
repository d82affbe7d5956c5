"""python -m search.export RUN ...: write runs' tables, best configs, a network, or a run as one file."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from console.arguments import DONE, Parser, guarded, path_here
from console.errors import UsageError, unknown
from console.progress import amount, track
from records.csv_table import write_csv
from records.epoch import Objective, Row
from records.files import write_json
from records.folder import read_run
from records.found_runs import find_runs
from records.history import read_history
from records.outputs import check_file, written
from records.packed import is_packed, pack
from records.tables import SETTING, UNITS, best_rows, identity

FORMATS = ("parquet", "csv", "json")
MODELS = {"onnx": ".onnx", "torchscript": ".pt"}  # of a network; written by search/export_model.py
PACKED = "zip"  # a run without its networks, to be sent or kept
KINDS = (*FORMATS, *MODELS, PACKED)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.export", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run folder, a folder of runs, or a pattern: 'runs/*'")
    parser.add_argument("--top", type=int, metavar="K", help="only the best K (all)")
    parser.add_argument("--per-strategy", action="store_true", help="the best K of each strategy")
    parser.add_argument(
        "--pareto",
        action="store_true",
        help="only those that no other beats in what was picked by (accuracy) and seconds",
    )
    kinds = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
    parser.add_argument("--format", metavar="KIND", help=f"of --out: {kinds} (by its ending, else parquet)")
    parser.add_argument(
        "--out", type=path_here, metavar="FILE", help="where the best configs go; without it, each run's tables"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    parser.add_argument("--trial", type=int, metavar="N", help="onnx, torchscript: whose network (the best kept)")
    parser.add_argument(
        "--images", type=path_here, metavar="FOLDER", help="onnx, torchscript: checked on these (the run's own)"
    )
    asked = parser.parse_args(words)
    return guarded(lambda: _writer(asked)(asked))


def _writer(asked: Namespace) -> Callable[[Namespace], int]:
    """What writes what was asked for: by --format, else by the ending of --out."""
    ending = asked.out.suffix.lower() if asked.out else ""
    if asked.format == PACKED or (asked.format is None and ending == f".{PACKED}"):
        return _packed
    return _model if asked.format in MODELS or (asked.format is None and ending in MODELS.values()) else _tables


def _packed(asked: Namespace) -> int:
    """Write one run as one file. Raises UsageError."""
    others = (asked.top, asked.trial, asked.images, asked.per_strategy or None, asked.pareto or None)
    if asked.out is None or len(asked.runs) != 1 or any(other is not None for other in others):
        raise UsageError("--format zip packs one run: name one RUN and --out FILE.zip, and leave the other flags.")
    (folder,) = find_runs(asked.runs)
    read_history(folder)
    check_file(asked.out, asked.overwrite)
    with written(asked.out):
        pack(folder, asked.out)
    print(f"{asked.out}: {folder} without its networks and tables, {amount(asked.out.stat().st_size)}")
    print(f"Next:  python -m analysis.report {asked.out} --out report")
    return DONE


def _tables(asked: Namespace) -> int:
    """Write tables. Raises UsageError."""
    if asked.trial is not None or asked.images is not None:
        raise UsageError("--trial and --images are of a network: name an --out that ends in .onnx or .pt with them.")
    runs = named_once(asked.runs)
    if asked.out is None and (packed := [word for word in asked.runs if is_packed(Path(word))]):
        raise UsageError(f"{packed[0]} is a packed run, which has no place for tables; unzip it, or name --out FILE.")
    return export(runs, asked.top, asked.per_strategy, asked.out, asked.pareto, asked.format, asked.overwrite)


def _model(asked: Namespace) -> int:
    """Write one network. Raises UsageError."""
    from search.export_model import export_model  # loads torch, and tables need none

    if asked.out is None or len(asked.runs) != 1 or asked.top is not None or asked.per_strategy or asked.pareto:
        raise UsageError("--format onnx or torchscript writes one network of one run: name one RUN and --out FILE, and "
                         "leave --top, --per-strategy and --pareto.")  # fmt: skip
    kind = asked.format or next(kind for kind, ending in MODELS.items() if ending == asked.out.suffix.lower())
    return export_model(Path(asked.runs[0]), kind, asked.out, asked.trial, asked.overwrite, asked.images)


def export(
    runs: list[Path],
    top: int | None,
    per_strategy: bool,
    out: Path | None,
    pareto: bool = False,
    kind: str | None = None,
    overwrite: bool = False,
) -> int:
    """Write the tables. Raises UsageError for a folder that is no run, and for an `out` that is there already."""
    from records.parquet import write_tables  # pyarrow is slow to load, and --help needs none

    if top is not None and top < 1:
        raise UsageError(f"--top must be at least 1; got {top}.")
    kind = _format(kind, out)
    if out is None:
        if pareto or per_strategy or top is not None:
            raise UsageError("--top, --per-strategy and --pareto choose configs for --out FILE; name one.")
        if overwrite:
            raise UsageError(
                "--overwrite is of the table that --out names; those of a run folder are always written anew."
            )
        for folder in runs:
            write_tables(folder)
            print(f"{folder}: records, finals, predictions and best written from its ledger")
        return DONE
    check_file(out, overwrite)
    _comparable(runs)
    found = [row for folder in track(runs, "reading", unit="runs") for row in _best(folder)]
    rows = choose(found, top, per_strategy, pareto)
    if not rows:
        raise UsageError("None of these runs has a trial with a result; there is nothing to export.")
    with written(out):
        WRITERS[kind](out, rows, runs)
    front = "on the front of accuracy and seconds" if pareto else "best first"
    print(f"{out}: {len(rows)} configs of {len(runs)} runs, {front}")
    return DONE


def named_once(words: list[str]) -> list[Path]:
    """The run folders that were named. Raises UsageError where one is named twice: a run was to be another, perhaps."""
    found, known = find_runs(words), set[str]()
    for word in words:
        real = os.path.realpath(word)
        if real in known:
            raise UsageError(f"{word} is named twice; name each run once.")
        known.add(real)
    return found


def _format(kind: str | None, out: Path | None) -> str:
    if kind is None:
        ending = out.suffix.removeprefix(".").lower() if out else ""
        return ending if ending in FORMATS else "parquet"
    if kind not in FORMATS:
        raise unknown("format", kind, KINDS)
    if out is None:
        raise UsageError("--format is of the table that --out names; the tables of a run folder are always parquet.")
    return kind


def _comparable(runs: list[Path]) -> None:
    """Figures picked on test and on validation, by other metrics, or of other data have no common order.

    Raises UsageError.
    """
    kinds_of: dict[str, Callable[[Row], str]] = {
        "protocols": lambda run: run["setting"]["protocol"],
        "metrics": lambda run: Objective.of(run["setting"]).metric,
        "data": lambda run: run["data"]["digest"][:12],
    }
    for name, of in kinds_of.items():
        kinds = {of(read_run(folder)): folder for folder in runs}
        if len(kinds) > 1:
            said = " and ".join(f"{kind} ({folder})" for kind, folder in kinds.items())
            raise UsageError(
                f"These runs have different {name}, {said}: they cannot be ranked together; export each alone."
            )


def _best(folder: Path) -> list[Row]:
    return best_rows(read_history(folder))


def choose(rows: list[Row], top: int | None, per_strategy: bool, pareto: bool = False) -> list[Row]:
    """The best rows first, at most `top` of them, or of each strategy; ties by run and trial."""
    ranked = sorted(rows, key=_standing)
    strategies = dict.fromkeys(row["setting_strategy"] for row in ranked) if per_strategy else (None,)
    groups = [[row for row in ranked if name in (None, row["setting_strategy"])] for name in strategies]
    return [row for group in groups for row in (front(group) if pareto else group)[:top]]


def _standing(row: Row) -> tuple[float, float, str, int]:
    """Sorts the best first, by the metric that its run picked by."""
    by = Objective.of({name.removeprefix(SETTING): value for name, value in row.items() if name.startswith(SETTING)})
    return -by.turned(row[f"selection_{by.metric}"]), row["selection_loss"], row["run"], row["trial"]


def front(ranked: list[Row]) -> list[Row]:
    """Of ranked rows of complete trials: those that are quicker than every one before them.

    A trial that was stopped early has not taken the seconds of a whole one.
    """
    kept: list[Row] = []
    for row in ranked:
        if row["state"] == "complete" and (not kept or row["seconds"] < kept[-1]["seconds"]):
            kept.append(row)
    return kept


def _parquet(out: Path, rows: list[Row], runs: list[Path]) -> None:
    from records.parquet import write_table  # as in `export`; other formats need none

    write_table(out, rows, *_about(runs))


def _csv(out: Path, rows: list[Row], runs: list[Path]) -> None:
    write_csv(out, rows)


def _json(out: Path, rows: list[Row], runs: list[Path]) -> None:
    """The rows under "configs", and where they come from beside them."""
    first, more = _about(runs)
    named = [identity(run) for run in (first, *more)]
    write_json(out, {"runs": named, "versions": first["versions"], "units": UNITS, "configs": rows})


def _about(runs: list[Path]) -> tuple[Row, list[Row]]:
    first, *more = (read_run(folder) for folder in runs)
    return first, more


WRITERS: dict[str, Callable[[Path, list[Row], list[Path]], None]] = {"parquet": _parquet, "csv": _csv, "json": _json}


if __name__ == "__main__":
    sys.exit(main())
