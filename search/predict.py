"""python -m search.predict RUN IMAGES...: what a trained network says of pictures; needs no data of the run."""

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from console.arguments import DONE, TOO_FEW, Parser, guarded, path_here
from console.errors import UsageError
from console.layout import UNBOUND, columns
from console.progress import say, track
from console.wording import many
from records.about import PACKAGE
from records.csv_table import write_csv
from records.epoch import Row
from records.outputs import check_file, written
from trainables.data.found import files_below, is_utf8, shown, some
from trainables.portable.about import ModelAbout
from trainables.portable.load import load_model
from trainables.portable.model import BATCH, PortableModel

SHOWN = 10  # rows of the table
ENDINGS = (".parquet", ".csv")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.predict", description=__doc__)
    parser.add_argument("network", metavar="RUN|FILE", type=path_here, help="a run folder, or a best.safetensors")
    parser.add_argument(
        "images", metavar="IMAGE|FOLDER", nargs="+", type=path_here, help="pictures, or folders of them"
    )
    parser.add_argument("--trial", type=int, metavar="N", help="which trial of the run (the best that was kept)")
    parser.add_argument("--out", type=path_here, metavar="FILE", help="a .parquet or .csv with every probability")
    parser.add_argument("--batch-size", type=int, default=BATCH, metavar="N", help=f"images at a time ({BATCH})")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    asked = parser.parse_args(words)
    return guarded(
        lambda: predict(asked.network, asked.images, asked.trial, asked.out, asked.batch_size, asked.overwrite)
    )


def predict(
    network: Path,
    images: list[Path],
    trial: int | None = None,
    out: Path | None = None,
    batch_size: int = BATCH,
    overwrite: bool = False,
) -> int:
    """Write the table to `out`, or show its beginning. Raises UsageError before a picture is opened."""
    if batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1; got {batch_size}.")
    if out is not None:
        if out.suffix.lower() not in ENDINGS:
            raise UsageError(f"--out wants a name that ends in {' or '.join(ENDINGS)}; got '{out.name}'.")
        check_file(out, overwrite)
    elif overwrite:
        raise UsageError("--overwrite is of the table that --out names; name one, or leave it out.")
    files, bad = find_images(images)
    model = load_model(network, trial)
    seen = len(files) + len(bad)
    rows = _judged(model, files, bad, batch_size)
    if not rows:
        raise UsageError(f"None of these files is an image that can be read ({some(bad)}); pass others.")
    if bad:
        say(f"{len(bad)} of {seen} cannot be read as images and are left out: {some(bad)}.")
    if out is None:
        print(_table(model, rows))
    else:
        _write(out, rows, model.about)
    print(f"{f'{out}: ' if out else ''}{many(len(rows), 'image')}, by {called(model.about)}")
    return TOO_FEW if bad else DONE


def find_images(places: list[Path]) -> tuple[list[Path], list[str]]:
    """Every file that is named or lies below a named folder, and what was seen there and cannot be followed.

    Raises UsageError where nothing is.
    """
    files: list[Path] = []
    bad: list[str] = []
    for place in places:
        if place.is_dir():
            found = files_below(place, ".")
            if not (found.paths or found.left_out):
                raise UsageError(f"Folder {place} holds no files; pass one that holds pictures.")
            files += [place / path for path in found.paths]
            bad += [f"{place}/{what}" for what in found.left_out]
        elif not place.exists():
            raise UsageError(f"No file or folder at {shown(str(place))}; pass pictures, or folders that hold some.")
        elif is_utf8(str(place)):
            files.append(place)
        else:
            bad.append(f"{shown(str(place))} (a name that is not UTF-8)")
    return files, bad


def _judged(model: PortableModel, files: list[Path], bad: list[str], batch_size: int) -> list[Row]:
    """A row for each picture; what is none is added to `bad`."""
    rows = []
    said = track(model.judge(files, batch_size), "predicting", len(files))
    for file, chances in zip(files, said, strict=True):
        if isinstance(chances, str):
            bad.append(f"{file} ({chances})")
        else:
            rows.append(model.row(str(file), chances))
    return rows


def _table(model: PortableModel, rows: list[Row]) -> str:
    """The first rows, and how many images are of which class."""
    likeliest = [[row["path"], row["predicted"], f"{max(_chances(row)):.3f}"] for row in rows[:SHOWN]]
    more = [f"... and {many(len(rows) - SHOWN, 'image')} more; --out FILE has them all"] * (len(rows) > SHOWN)
    counts = Counter(row["predicted"] for row in rows)
    counted = [[name, f"{counts[name]:,}"] for name in dict.fromkeys(model.classes) if counts[name]]
    shown_rows = columns([["path", "predicted", "probability"], *likeliest], UNBOUND)
    return "\n".join([shown_rows, *more, "", columns([["predicted", "images"], *counted], UNBOUND), ""])


def _chances(row: Row) -> list[float]:
    return [value for name, value in row.items() if name.startswith("probability_")]


def called(about: ModelAbout) -> str:
    """Which network, for the last line."""
    return f"trial {about.run.trial} of {about.run.name} ({about.architecture}, {about.image_size} px)"


def _write(out: Path, rows: list[Row], about: ModelAbout) -> None:
    with written(out):
        if out.suffix.lower() == ".csv":
            return write_csv(out, rows)
        from records.parquet import write_table  # pyarrow is slow to load, and CSV needs none

        command = f"python -m search.predict {shlex.join(sys.argv[1:])}"
        run = {"options": {"name": about.run.name}, "command": command, "data": {"digest": about.run.data_digest}}
        kinds = {"predicted": "string"}  # a class's name, where predictions.parquet has its number
        write_table(out, rows, run | {"versions": {PACKAGE: about.run.version}}, kinds=kinds)


if __name__ == "__main__":
    sys.exit(main())
