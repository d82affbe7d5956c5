"""What to say where classes are uneven: what guessing the largest one would give, and the recall of each class.

numpy only. C = classes, n = judged images. Of several labels, an image counts for each that applies, and its recall is that
of its main class.
"""

from collections.abc import Sequence

import numpy as np

from analysis.rulebook.outcomes import right
from console.layout import columns
from records.epoch import Row
from records.files import Arrays

RATIO = 1.5  # largest training class to smallest, above which they are uneven
SHOWN = 12  # classes: of more, those that are recognised worst
Recalls = list[
    tuple[float, int]
]  # of each class: the share of its judged images that are recognised, and how many they are


def is_uneven(run: Row) -> bool:
    """Whether the training split is; not known of runs from before classes were counted. `run`: a run.json."""
    counts = run["data"].get("class_counts", {}).get("train", [])
    return bool(counts) and max(counts) > RATIO * min(counts)


def majority(run: Row, on: str) -> str:
    """The accuracy of a network that always names the largest training class. `on`: the judged split."""
    data, trained = run["data"], run["data"]["class_counts"]["train"]
    largest = int(np.argmax(trained))
    share = data["class_counts"][on][largest] / max(1, data[on])
    return (
        f"Classes are uneven ({min(trained)} to {max(trained)} training images): "
        f"always guessing {data['classes'][largest]}, the largest, would have an accuracy of {share:.3f} on {on}."
    )


def recalls(said: Sequence[Arrays], classes: int) -> Recalls:
    """Over all these predictions together, such as an arm's seeds; not a number of a class without images."""
    hits, images = np.zeros(classes), np.zeros(classes, int)
    for one in said:
        hits += np.bincount(one["true"][right(one)], minlength=classes)
        images += np.bincount(one["true"], minlength=classes)
    with np.errstate(invalid="ignore"):
        return list(zip((hits / images).tolist(), images.tolist(), strict=True))


def recall_rows(run: Row, on: str, of: dict[str, Recalls]) -> list[list[str]]:
    """A heading and a row per class: training images, judged ones, the recall of each of `of` by name.

    The worst recognised by the first of them where there are more than SHOWN, else in their order.
    """
    names, trained = run["data"]["classes"], run["data"]["class_counts"]["train"]
    first = next(iter(of.values()))
    places = list(range(len(names)))
    if len(names) > SHOWN:
        places = sorted(places, key=lambda place: (np.isnan(first[place][0]), first[place][0]))[:SHOWN]
    head = ["class", "training images", f"{on} images", *of]
    return [head, *([names[place], str(trained[place]), str(first[place][1]), *_shares(of, place)] for place in places)]


def _shares(of: dict[str, Recalls], place: int) -> list[str]:
    return ["-" if np.isnan(each[place][0]) else f"{each[place][0]:.3f}" for each in of.values()]


def title(run: Row, on: str) -> str:
    """What the rows are."""
    classes = len(run["data"]["classes"])
    which = f" (the {SHOWN} of {classes} that the first recognises worst)" if classes > SHOWN else ""
    return f"Recall of each class on {on}{which}:"


def uneven_lines(run: Row, on: str, of: dict[str, Recalls]) -> list[str]:
    """The last words of a terminal on uneven classes; none where they are even."""
    if not is_uneven(run):
        return []
    known = [title(run, on), columns(recall_rows(run, on, of), drop=("training images",))] if of else []
    return [majority(run, on), *known]
