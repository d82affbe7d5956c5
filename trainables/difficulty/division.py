"""Easy, medium and hard: cutting a difficulty into the levels of manual division. N = images, C = classes."""

import numpy as np

from console.errors import UsageError
from trainables.data.dataset import Bools, Dataset, Floats, Ints
from trainables.data.folder import LEVELS

# easy and medium images of each class in the report (section 8), of 400; its counts sum to 2,785 of 2,800 images,
# and what it does not name goes to hard
REPORT_COUNTS = {
    "aGrass": (135, 166),
    "bField": (136, 164),
    "cIndustry": (135, 170),
    "dRiverLake": (142, 155),
    "eForest": (142, 156),
    "fResident": (93, 116),
    "gParking": (125, 138),
}
REPORT_TOTAL = 400
ELSEWHERE = (0.33, 0.38)  # easy and medium; the rest, 29 %, is hard


def fractions(data: Dataset, label: int) -> tuple[float, float]:
    """The easy and the medium part of a class: the report's on RSSCN7, the same for every class elsewhere."""
    if set(data.classes) == set(REPORT_COUNTS):
        easy, medium = REPORT_COUNTS[data.classes[label]]
        return easy / REPORT_TOTAL, medium / REPORT_TOTAL
    return ELSEWHERE


def levels_of(values: Floats, data: Dataset, train: Ints) -> Floats:
    """(N,) 0, 1 or 2 for each image: its class's easiest part, the next one, and the rest. Ties go by image number.

    The training split is cut on its own and so is the rest: no training image's level depends on an image outside it.

    Values that are levels already (only 0, 1 and 2 occur) stay as they are. Raises UsageError for a class that lacks a
    level, since its stage would teach nothing of it.
    """
    levels = values if set(np.unique(values)) <= {0.0, 1.0, 2.0} else _cut_both(values, data, train)
    for label, name in enumerate(data.classes):
        for level, word in enumerate(LEVELS):
            if not np.any(levels[data.labels == label] == level):
                raise UsageError(
                    f"Class '{name}' has no {word} image in this division; each class needs all three levels."
                )
    return levels


def _cut_both(values: Floats, data: Dataset, train: Ints) -> Floats:
    inside = np.isin(np.arange(len(values)), train)
    levels = np.full(len(values), 2.0)
    for part in (inside, ~inside):
        _cut(levels, values, data, part)
    return levels


def _cut(levels: Floats, values: Floats, data: Dataset, part: Bools) -> None:
    """Write the levels of the images of one part."""
    for label in range(len(data.classes)):
        ranked = np.flatnonzero((data.labels == label) & part)
        ranked = ranked[np.argsort(values[ranked], kind="stable")]
        easy, medium = fractions(data, label)
        first, second = round(easy * len(ranked)), round((easy + medium) * len(ranked))
        levels[ranked[:second]] = 1.0
        levels[ranked[:first]] = 0.0
