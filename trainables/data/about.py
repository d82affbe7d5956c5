"""What a run folder says of its data: name, digest, and how many images of each class each part has."""

from typing import Any

import numpy as np

from trainables.data.dataset import Dataset, Ints
from trainables.data.splits import Split


def about_data(data: Dataset, split: Split) -> dict[str, Any]:
    """`data` in run.json."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return {
        "name": data.name,
        "digest": data.digest,
        "images": data.count,
        "classes": list(data.classes),
        **{name: len(part) for name, part in parts.items()},
        "class_counts": {name: class_counts(data, part) for name, part in parts.items()},
    }


def class_counts(data: Dataset, images: Ints) -> list[int]:
    """How many of these images have each class; of several labels, every one that applies."""
    if data.targets is not None:
        return [int(count) for count in data.targets[images].sum(axis=0)]
    return [int(count) for count in np.bincount(data.labels[images], minlength=len(data.classes))]
