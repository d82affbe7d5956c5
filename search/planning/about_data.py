"""The data of a run in a few lines: images, classes, split, and what was done to some pictures."""

import numpy as np

from console.wording import many
from search.planning.plan import Plan
from trainables.data.parts import FOLDERS, said_of_folders

_NAMED = 4  # classes that a line names
_UNEVEN = 1.5  # the largest class has so many times the images of the smallest


def describe_data(plan: Plan) -> list[str]:
    """The first line goes into a sentence; the others stand by themselves."""
    data, split, setting = plan.data, plan.split, plan.setting
    parts = f"{len(split.train):,} train, {len(split.validation):,} validation, {len(split.test):,} test"
    about = (
        f"{data.count:,} images of {setting.image_size} px{_resized(plan)}, {len(data.classes)} classes "
        f"({_names(data.classes)}; {parts})"
    )
    folders = [said_of_folders(data.paths, setting.protocol)] if setting.split == FOLDERS else []
    return [
        about,
        *(f"{line[0].upper()}{line[1:]}." for line in (*folders, *_left_out(plan), *_uneven(plan), *data.notes)),
    ]


def _left_out(plan: Plan) -> list[str]:
    """Said where configs were picked on images that are in the test splits of other seeds."""
    seed = plan.setting.spared_seed
    if seed is None:
        return []
    return [f"test is without the images that the configs were picked on, the validation images of seed {seed}"]


def _resized(plan: Plan) -> str:
    return {"squash": "", "crop": " (cropped)", "pad": " (padded)"}[plan.setting.resize]


def _names(classes: tuple[str, ...]) -> str:
    more = ", ..." if len(classes) > _NAMED else ""
    return ", ".join(classes[:_NAMED]) + more


def _uneven(plan: Plan) -> list[str]:
    """Which classes have the fewest and the most images, where they differ much."""
    data = plan.data
    counts = np.bincount(data.labels, minlength=len(data.classes))
    fewest, most = int(np.argmin(counts)), int(np.argmax(counts))
    if counts[most] < _UNEVEN * counts[fewest]:
        return []
    return [
        f"classes are uneven: {many(counts[fewest], 'image')} of {data.classes[fewest]} to "
        f"{many(counts[most], 'image')} of {data.classes[most]}"
    ]
