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
from PIL import Image
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
from trainables.data.sheet import CLASSES, IN_CSV, SHEETS, sheets, shown_classes


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
    """Write the CSV and sheets of its images; nothing is overwritten. Raises UsageError.

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
    pictures = _check_sheets(out, len(data.classes))
    everyone = np.arange(data.count)
    scores, _ = fixed_difficulty(setting, data, everyone)
    levels = levels_of(scores.values, data, everyone)
    shown = shown_classes(data, scores.values)
    drawn = sheets(data, scores.values, shown, f"{out.name}, by {Path(setting.difficulty).name}", IN_CSV)
    with written(out):
        for picture, image in zip(pictures, drawn, strict=True):
            files.write_bytes(picture, as_png(image))
        files.write_bytes(out, as_csv(data.paths, levels).encode())
    counts = Counter(levels.tolist())
    look = f"{pictures[0]}" + (f" to {pictures[-1].name}" if len(pictures) > 1 else "")
    print(f"{out}: {counts[0.0]} easy, {counts[1.0]} medium and {counts[2.0]} hard images; look at {look}")
    if len(shown) < len(data.classes):
        print(
            f"The sheets show the {len(shown)} hardest of {len(data.classes)} classes; the CSV has the images of all."
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
    _check_sheets(out, CLASSES)
    check_file(out)


def _check_sheets(out: Path, classes: int) -> list[Path]:
    """Where the sheets of so many classes go. Raises UsageError where one would replace something."""
    count = min(SHEETS, -(-classes // CLASSES))
    pictures = [out.with_name(f"{out.stem}{f'_{place}' if place > 1 else ''}.png") for place in range(1, count + 1)]
    for picture in pictures:
        if os.path.lexists(picture):
            raise UsageError(f"{picture} is there already, and the sheet would replace it; choose another --out.")
    return pictures


def as_png(image: Image.Image) -> bytes:
    """The image as the content of a PNG file."""
    content = io.BytesIO()
    image.save(content, "png")
    return content.getvalue()


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
