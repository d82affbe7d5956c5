"""Which images train, which are judged on while training, and which are kept for the end.

N = images, C = classes. Protocols: "holdout" trains on 64 %, judges epochs on 16 % and keeps 20 % for the end; "report"
trains on 80 % and judges on the same 20 %, as the report did.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from console.errors import UsageError, unknown
from console.given import read_given
from trainables.data.dataset import Ints

PROTOCOLS = ("holdout", "report")
PARTS = ("train", "validation", "test")
_TEST_PERCENT = 20
_VALIDATION_PERCENT = 16
_PURPOSE = 7919  # keeps the splits' random numbers apart from everything else drawn from the same seed


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of image indices that together are all images (but for `fewer`); each ascending."""

    train: Ints
    validation: Ints  # empty under "report"
    test: Ints


def official_partition(text: str) -> int | None:
    """'official' -> 1, 'official:3' -> 3, anything else -> None."""
    match = re.fullmatch(r"official(?::([1-9]|10))?", text)
    return int(match[1] or 1) if match else None


def split(labels: Ints, protocol: str, seed: int, classes: Sequence[str] | None = None) -> Split:
    """Stratified and seeded. Each class's parts are within one image of the fractions, and none is empty.

    The test part is drawn first: one seed gives one test part under both protocols. labels: (N,) int64 in [0, C);
    classes: (C,) names for messages. Raises UsageError for an unknown protocol and for a class with fewer images than
    there are parts.
    """
    _check_protocol(protocol)
    parts: dict[str, list[Ints]] = {part: [] for part in PARTS}
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        shuffled = shuffle(members, seed, int(label))
        tests, validations = _sizes(len(members), protocol, str(label) if classes is None else classes[label])
        parts["test"].append(shuffled[:tests])
        parts["validation"].append(shuffled[tests : tests + validations])
        parts["train"].append(shuffled[tests + validations :])
    return Split(**{part: np.sort(np.concatenate(indices)).astype(np.int64) for part, indices in parts.items()})


def fewer(parts: Split, labels: Ints, share: float, seed: int) -> Split:
    """The split with this share of each class's training images, at least one; labels (N,) of the data set.

    A smaller share is part of a larger one of the same seed. What is left out belongs to no part.
    """
    kept = []
    for label in np.unique(labels[parts.train]):
        members = shuffle(parts.train[labels[parts.train] == label], seed, int(label) + len(labels))
        kept.append(members[: max(1, round(share * len(members)))])
    return replace(parts, train=np.sort(np.concatenate(kept)))


def shuffle(members: Ints, seed: int, label: int) -> Ints:
    """The images of one class in the order in which a seed puts them into parts."""
    return np.random.default_rng([seed, label, _PURPOSE]).permutation(members)


def _check_protocol(protocol: str) -> None:
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)


def _sizes(count: int, protocol: str, class_name: str) -> tuple[int, int]:
    """How many of a class's `count` images go to test and to validation."""
    needed = 3 if protocol == "holdout" else 2
    if count < needed:
        raise UsageError(
            f"Class '{class_name}' has {count} image{'s' if count != 1 else ''} and protocol '{protocol}' needs at "
            f"least {needed} per class; add images or leave the class out."
        )
    tests = max(1, _rounded(count, _TEST_PERCENT))
    if protocol == "report":
        return tests, 0
    # rounded together with the test part, so that two roundings do not add up
    return tests, max(1, _rounded(count, _TEST_PERCENT + _VALIDATION_PERCENT) - tests)


def _rounded(count: int, percent: int) -> int:
    return (count * percent + 50) // 100


def split_from_csv(path: str | Path, paths: Sequence[str], protocol: str) -> Split:
    """The split a CSV file with the columns `path` and `split` (train, validation or test) prescribes.

    It must name each of the N `paths` once. Raises UsageError for every way in which file and data set disagree.
    """
    _check_protocol(protocol)
    part_of, known = _read_rows(Path(path)), set(paths)
    if strangers := [image for image in part_of if image not in known]:
        raise UsageError(
            f"Split file {path} names {_some(strangers)} not in the data set; paths look like '{paths[0]}'."
        )
    return split_by_parts(f"Split file {path}", part_of, paths, protocol)


def check_split_file(file: Path) -> None:
    """Raises UsageError for a file that is no split of any data."""
    _read_rows(file)


def split_by_parts(source: str, part_of: dict[str, str], paths: Sequence[str], protocol: str) -> Split:
    """The split of {path: part}; paths of other images are passed over. `source` begins the messages.

    Under "report", which has no validation part, its validation rows join train. Raises UsageError for an image without
    a part, and for a part without images.
    """
    _check_protocol(protocol)
    if missing := [image for image in paths if image not in part_of]:
        raise UsageError(f"{source} leaves out {_some(missing)} of the data set; add a row for each.")
    if protocol == "report":
        part_of = {image: "train" if part == "validation" else part for image, part in part_of.items()}
    chosen = {part: [index for index, image in enumerate(paths) if part_of[image] == part] for part in PARTS}
    for part in PARTS if protocol == "holdout" else ("train", "test"):
        if not chosen[part]:
            raise UsageError(f"{source} has no {part} rows and protocol '{protocol}' needs some; add them.")
    return Split(**{part: np.array(indices, dtype=np.int64) for part, indices in chosen.items()})


def check_trained(source: str, parts: Split, labels: Ints, classes: Sequence[str]) -> None:
    """Raises UsageError for a class (C,) without training images. labels (N,); `source` begins the message."""
    missing = np.setdiff1d(np.arange(len(classes)), labels[parts.train])
    if len(missing):
        raise UsageError(
            f"{source} leaves no image of class '{classes[missing[0]]}' to train on ({len(missing)} of {len(classes)} "
            f"classes are without); give each class some train rows, or take its images out of the data."
        )


def _read_rows(file: Path) -> dict[str, str]:
    """{image path: part} of the file's rows."""
    try:
        reader = csv.DictReader(io.StringIO(read_given(file, "Split file"), newline=""))
        columns = reader.fieldnames or []
        rows = list(reader)
    except csv.Error as error:
        raise UsageError(f"Split file {file} cannot be read ({error}); pass a UTF-8 CSV file.") from None
    if missing := [column for column in ("path", "split") if column not in columns]:
        raise UsageError(f"Split file {file} has no column '{missing[0]}'; its first line should be: path,split.")
    pairs = [((row["path"] or "").strip(), (row["split"] or "").strip()) for row in rows]
    for image, part in pairs:
        if part not in PARTS:
            raise unknown(f"split in {file} for {image}:", part, PARTS)
    counts = Counter(image for image, _ in pairs)
    if repeated := [image for image, count in counts.items() if count > 1]:
        raise UsageError(f"Split file {file} names {_some(repeated)} more than once; leave one row for each image.")
    return dict(pairs)


def _some(images: list[str]) -> str:
    return f"{len(images)} image{'s' if len(images) != 1 else ''} (first: {images[0]})"
