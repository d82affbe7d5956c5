"""python -m search.divide --data ... --out division.csv: easy, medium and hard images, to be checked by a person."""

import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from search import arguments
from search.arguments import DONE, guarded
from search.options import RunOptions, SearchOptions
from spaces.errors import UsageError

SHOWN = 4  # images of each level and class on the sheet


class DivideOptions(RunOptions):
    """What may be asked of a division; --out is the CSV here."""

    out: str = Field("division.csv", description="where the CSV path,difficulty goes; the sheet stands beside it")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = arguments.parser(DivideOptions, "python -m search.divide", __doc__ or "")
    given = vars(parser.parse_args(words))
    return guarded(lambda: divide(arguments.read(DivideOptions, given)))


def divide(options: DivideOptions) -> int:
    """Write the CSV and a sheet of images; nothing is overwritten. Raises UsageError.

    Every image is judged by a head that has not seen it. Unlike the division that a run makes for itself, the folds go
    over the whole data set: this one is meant to become part of the data, as a person's would.
    """
    from search.plan import complete, make_setting
    from trainables import store
    from trainables.division import levels_of
    from trainables.preparation import fixed_difficulty, load_data

    out = Path(options.out)
    if out.exists():
        raise UsageError(f"{out} is there already and may have been corrected by hand; choose another --out.")
    shared = options.model_dump(exclude={"out"}) | {"executor": "local", "name": "division"}
    setting = make_setting(complete(SearchOptions(**shared, space="manual_division")))
    data, _ = load_data(setting)
    everyone = np.arange(data.count)
    scores, _ = fixed_difficulty(setting, data, everyone)
    levels = levels_of(scores.values, data, everyone)
    store.write_bytes(out, as_csv(data.paths, levels).encode())
    sheet(data, scores.values).save(out.with_suffix(".png"))
    counts = Counter(levels.tolist())
    print(
        f"{out}: {counts[0.0]} easy, {counts[1.0]} medium and {counts[2.0]} hard images; look at {out.with_suffix('.png')}"
    )
    print(f"Next:  python -m search.run --space manual_division --data {options.data} --difficulty {out}")
    return DONE


def as_csv(paths: Sequence[str], levels: np.ndarray) -> str:
    """The columns path,difficulty with the words easy, medium and hard."""
    from trainables.data.folder import LEVELS

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "difficulty"))
    writer.writerows((path, LEVELS[int(level)]) for path, level in zip(paths, levels, strict=True))
    return text.getvalue()


def sheet(data, values: np.ndarray) -> Image.Image:  # type: ignore[no-untyped-def]
    """One row per class: its easiest, its median and its hardest images, from left to right."""
    size, gap = min(96, data.image_size), 4
    picture = Image.new("RGB", (3 * (SHOWN * (size + gap) + 2 * gap), len(data.classes) * (size + gap) + gap), "white")
    for row in range(len(data.classes)):
        members = np.flatnonzero(data.labels == row)
        ranked = members[np.argsort(values[members], kind="stable")]
        middle = max(0, len(ranked) // 2 - SHOWN // 2)
        for group, chosen in enumerate((ranked[:SHOWN], ranked[middle : middle + SHOWN], ranked[-SHOWN:])):
            for column, index in enumerate(chosen):
                x = group * (SHOWN * (size + gap) + 2 * gap) + column * (size + gap) + gap
                picture.paste(Image.fromarray(data.images[index]).resize((size, size)), (x, row * (size + gap) + gap))
    return picture


if __name__ == "__main__":
    sys.exit(main())
