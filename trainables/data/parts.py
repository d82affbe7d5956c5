"""Data that come as train/, val/ and test/: their own split.

Paths are "train/class/file.jpg". What was fixed by others is used as it is; a seed draws only what they left out.
"""

from collections.abc import Sequence

import numpy as np

from console.errors import UsageError
from trainables.data.splits import PARTS, Split, shuffle, split_by_parts

FOLDERS, BY_SEED = "folders", "seed"  # what --split takes beside a file and official:K
PART_OF_FOLDER = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_VALIDATION_SHARE = 0.2  # of train/: what holdout's 16 % are of the 80 % that are not test


def split_by_folders(data: str, paths: Sequence[str], protocol: str, seed: int) -> Split:
    """The split that train/, val/ and test/ are. `data` is named in messages.

    Under "holdout" all three are used as they are; where val/ is missing, a fifth of each class of train/ is drawn for
    validation by `seed`, and without test/ nothing would be left for the end. Under "report" val/ joins train/; without
    test/ epochs are judged on val/. Raises UsageError.
    """
    part_of = parts_of(paths)
    here = set(part_of.values())
    if len(part_of) < len(paths) or "train" not in here:
        raise UsageError(f"--split folders is for data that come as train/ and test/, and {data} do not; leave it out.")
    if here == {"train"} or (protocol == "holdout" and "test" not in here):
        report = ", or --protocol report to judge epochs on the validation images" if len(here) > 1 else ""
        raise UsageError(
            f"{data} has {_named(paths)} and no test/, and protocol '{protocol}' keeps images for the end; pass --split "
            f"FILE (columns path,split), --split seed to draw all parts from all images{report}."
        )
    if "test" not in here:
        part_of = {image: "test" if part == "validation" else part for image, part in part_of.items()}
    elif protocol == "holdout" and "validation" not in here:
        part_of |= dict.fromkeys(_drawn_validation(data, part_of, seed), "validation")
    return split_by_parts(data, part_of, paths, protocol)


def said_of_folders(paths: Sequence[str], protocol: str) -> str:
    """What split_by_folders does with these paths, in words."""
    here = set(parts_of(paths).values())
    if "test" not in here:
        return f"split by the data's own {_named(paths)}; epochs are judged on the validation images"
    if "validation" not in here and protocol == "holdout":
        return f"split by the data's own {_named(paths)}; validation is a fifth of each class of train, drawn by seed"
    joined = "; validation joins train" if "validation" in here and protocol == "report" else ""
    return f"split by the data's own {_named(paths)}{joined}"


def parts_of(paths: Sequence[str]) -> dict[str, str]:
    """{path: part} of the paths that begin with the name of a part."""
    part_of = {image: PART_OF_FOLDER.get(image.partition("/")[0].lower()) for image in paths}
    return {image: part for image, part in part_of.items() if part is not None}


def _named(paths: Sequence[str]) -> str:
    """'train/ and val/': the folders as they are called, in the order of their use."""
    names = {path.partition("/")[0] for path in paths}
    *others, last = (f"{name}/" for name in sorted(names, key=lambda name: PARTS.index(PART_OF_FOLDER[name.lower()])))
    return f"{', '.join(others)} and {last}" if others else last


def _drawn_validation(data: str, part_of: dict[str, str], seed: int) -> list[str]:
    """Paths of a fifth of each class of train/, one at least."""
    by_class: dict[str, list[str]] = {}
    for image, part in part_of.items():
        if part == "train":
            by_class.setdefault(image.split("/")[1], []).append(image)
    drawn: list[str] = []
    for label, (name, images) in enumerate(sorted(by_class.items())):
        if len(images) < 2:
            raise UsageError(f"Class '{name}' has one image in {data}/train, and validation needs one too; add some.")
        count = max(1, round(_VALIDATION_SHARE * len(images)))
        drawn += [images[place] for place in shuffle(np.arange(len(images)), seed, label)[:count]]
    return drawn
