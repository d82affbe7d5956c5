"""What a data set is to everything else: one array of images and what belongs to each.

N = images, H = W = image size in pixels, C = classes.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """N labelled images; index i means the same image in every field."""

    name: str  # what was asked for: "scenes", "rsscn7", or the folder
    images: np.ndarray  # (N, H, W, 3) uint8, C-contiguous, a read-only memory map shared by all processes
    labels: np.ndarray  # (N,) int64, in [0, C)
    classes: tuple[str, ...]  # (C,)
    paths: tuple[str, ...]  # (N,) "class/file.jpg", relative to the source, with forward slashes
    difficulty: np.ndarray | None  # (N,) float64 in [0, 1], the true difficulty, where the images were drawn by us
    digest: str  # sha256 over images, labels and paths: two data sets with one digest are the same data
    targets: np.ndarray | None = None  # (N, C) bool, every label of each image, where the task is multi-label

    @property
    def count(self) -> int:
        return len(self.labels)

    @property
    def image_size(self) -> int:
        return int(self.images.shape[1])
