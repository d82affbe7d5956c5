"""python -m search.divide --data ... --out division.csv: easy, medium and hard images, to be checked by a person."""

import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from console import arguments
from console.arguments import DONE, HERE, guarded
from console.errors import UsageError
from records import files
from records.outputs import FORMULAS, check_file, written
from search.options import SearchOptions
from search.shared_options import ImageOptions, MachineOptions, NetworkOptions, OutOptions, ScoringOptions
from trainables.data.folder import LEVELS
from trainables.data.parts import BY_SEED
from trainables.data.sheet import sheet


class DivideOptions(OutOptions, MachineOptions, ScoringOptions, NetworkOptions, ImageOptions):
    """What may be asked of a division; --out is the CSV here."""

    out: Annotated[str, HERE] = Field(
        "division.csv", description="where the CSV path,difficulty goes; the sheet stands beside it"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = arguments.parser(
        DivideOptions, "python -m search.divide", __doc__ or "", "[--data DATA] [--out OUT] [options]"
    )
    given = vars(parser.parse_args(words))
    return guarded(lambda: divide(arguments.read(DivideOptions, given)))


def divide(options: DivideOptions) -> int:
    """Write the CSV and a sheet of images; nothing is overwritten. Raises UsageError.

    Every image is judged by a head that has not seen it. Unlike the division that a run makes for itself, the folds go
    over the whole data set: this one is meant to become part of the data, as a person's would.
    """
    # torch takes seconds to load, and --help needs none
    from search.planning.checks import check_weights_of
    from search.planning.defaults import complete
    from search.planning.names import check_names
    from search.planning.plan import make_setting
    from trainables.difficulty.division import levels_of
    from trainables.preparation import fixed_difficulty, load_data

    out = Path(options.out)
    _check_free(out)
    shared = options.model_dump(exclude={"out"}) | {"executor": "local", "name": "division"}
    # a division goes over all images, whatever their parts
    asked = SearchOptions(**shared, split=BY_SEED, space="manual_division")
    check_names(asked)
    setting = make_setting(complete(asked))
    check_weights_of(setting)
    data, _ = load_data(setting)
    everyone = np.arange(data.count)
    scores, _ = fixed_difficulty(setting, data, everyone)
    levels = levels_of(scores.values, data, everyone)
    drawn = io.BytesIO()
    sheet(data, scores.values).save(drawn, "png")
    with written(out):
        files.write_bytes(out.with_suffix(".png"), drawn.getvalue())
        files.write_bytes(out, as_csv(data.paths, levels).encode())
    counts = Counter(levels.tolist())
    print(
        f"{out}: {counts[0.0]} easy, {counts[1.0]} medium and {counts[2.0]} hard images; look at {out.with_suffix('.png')}"
    )
    print(f"Next:  python -m search.run --space manual_division --data {options.data} --difficulty {out}")
    return DONE


def _check_free(out: Path) -> None:
    """Raises UsageError where the CSV or its sheet would replace something, or each other."""
    picture = out.with_suffix(".png")
    if picture == out:
        raise UsageError(f"--out is the CSV, and its sheet is to be {out}; choose an --out with another ending.")
    if out.is_file():
        raise UsageError(f"{out} is there already and may have been corrected by hand; choose another --out.")
    if os.path.lexists(picture):
        raise UsageError(f"{picture} is there already, and the sheet would replace it; choose another --out.")
    check_file(out)


def as_csv(paths: Sequence[str], levels: np.ndarray) -> str:
    """The columns path,difficulty with the words easy, medium and hard; './' before what looks like a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "difficulty"))
    writer.writerows((_plain(path), LEVELS[int(level)]) for path, level in zip(paths, levels, strict=True))
    return text.getvalue()


def _plain(path: str) -> str:
    return f"./{path}" if path.startswith(FORMULAS) else path


if __name__ == "__main__":
    sys.exit(main())
