"""What a data set is to everything else: one array of images and what belongs to each; and the kinds of array there are.

N = images, H = W = image size in pixels, C = classes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Dataset:
    """N labelled images; index i means the same image in every field."""

    name: str  # what was asked for: "scenes", "rsscn7", or the folder
    images: Pixels  # (N, H, W, 3), C-contiguous, a read-only memory map shared by all processes
    labels: Ints  # (N,), in [0, C)
    classes: tuple[str, ...]  # (C,)
    paths: tuple[str, ...]  # (N,) "class/file.jpg", relative to the source, with forward slashes
    difficulty: Floats | None  # (N,) in [0, 1], the true difficulty, where the images were drawn by us
    digest: str  # sha256 over images, labels and paths: two data sets with one digest are the same data
    targets: Bools | None = None  # (N, C), every label of each image, where the task is multi-label
    notes: tuple[str, ...] = ()  # what was done to some images, a sentence without its full stop each

    @property
    def count(self) -> int:
        return len(self.labels)

    @property
    def image_size(self) -> int:
        return int(self.images.shape[1])


def short_name(data: Dataset) -> str:
    """How a title calls the data: "scenes:count=70" and "/home/me/my_photos" are "scenes" and "my_photos"."""
    return Path(data.name).name.partition(":")[0] or data.name
