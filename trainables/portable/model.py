"""A trained network with what its file says of it: pictures in, probabilities out.

B = images, S = pixels a side, C = classes.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from console.errors import UsageError
from trainables.data.decoding import decoded
from trainables.data.found import some
from trainables.data.pictures import Picture, Unreadable, from_array, from_image, read
from trainables.networks.models import Network
from trainables.portable.about import ModelAbout, columns_of

BATCH = 64  # images in one forward pass, as in the run's own evaluation
Given = str | Path | Image.Image | np.ndarray


class PortableModel(nn.Module):
    """The network of a trial's selected epoch, in eval mode and float32; it knows how to prepare pictures for itself."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: Network, about: ModelAbout):
        """`network` holds the weights already; `about` is what the file says."""
        super().__init__()
        self.about = about
        self.network = network.to(memory_format=torch.channels_last)
        scale = 255 * torch.tensor(about.preprocessing.std)
        shift = -torch.tensor(about.preprocessing.mean) * 255 / scale
        self.register_buffer("scale", (1 / scale).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, 3, 1, 1), persistent=False)
        self.eval()

    @property
    def classes(self) -> tuple[str, ...]:
        """(C,), in the order of the logits."""
        return self.about.classes

    @property
    def task(self) -> str:
        """single_label (softmax) or multi_label (a sigmoid for each class)."""
        return self.about.task

    @property
    def image_size(self) -> int:
        """S."""
        return self.about.image_size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) of float RGB images (B, 3, S, S) in [0, 1], which are normalised here."""
        # in the engine's own order of operations: from bytes there are the same numbers to the last bit
        x = (images * 255).mul(self.scale).add(self.shift)
        logits: torch.Tensor = self.network(x)
        return logits

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C) of such images."""
        logits: torch.Tensor = self(images)
        return logits.sigmoid() if self.task == "multi_label" else logits.softmax(dim=1)

    def preprocess(self, image: Given) -> torch.Tensor:
        """(3, S, S) in [0, 1], float32, of a file, a Pillow image or an array (H, W) or (H, W, 3), as in training.

        Raises UsageError for what is no picture.
        """
        picture = self._picture(image)
        if isinstance(picture, str):
            raise UsageError(f"{_called(image)} cannot be read as an image ({picture}).")
        return _tensor(picture)

    def predict(
        self, images: Iterable[Given] | Given, batch_size: int = BATCH, skip_bad_images: bool = False
    ) -> list[dict[str, Any]]:
        """A row for each picture: its `path` (None where it is no file), the likeliest class `predicted`, and
        `probability_<class>` of every class. An array (N, H, W, 3) is N pictures.

        Raises UsageError naming what is no picture, unless that is to be left out.
        """
        if isinstance(images, np.ndarray) and images.ndim == 4:
            images = list(images)
        given: list[Given] = [images] if isinstance(images, Given) else list(images)
        rows, bad = [], []
        for image, said in zip(given, self.judge(given, batch_size), strict=True):
            if isinstance(said, str):
                bad.append(f"{_called(image)} ({said})")
            else:
                rows.append(self.row(str(image) if isinstance(image, str | Path) else None, said))
        if bad and not skip_bad_images:
            raise UsageError(f"{len(bad)} of {len(given)} cannot be read as images: {some(bad)}; leave them out, or pass "
                             f"skip_bad_images=True.")  # fmt: skip
        return rows

    def row(self, path: str | None, probabilities: np.ndarray) -> dict[str, Any]:
        """One row of what was predicted, of probabilities (C,)."""
        chances = dict(zip(columns_of(self.classes), probabilities.tolist(), strict=True))
        return {"path": path, "predicted": self.classes[int(probabilities.argmax())]} | chances

    def judge(self, images: Sequence[Given], batch_size: int = BATCH) -> Iterator[np.ndarray | str]:
        """Of each picture in order its probabilities (C,) float32, or why it is none."""
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1; got {batch_size}.")
        pictures = self._pictures(images)
        while batch := list(islice(pictures, batch_size)):
            tensors = [_tensor(picture) for picture in batch if not isinstance(picture, str)]
            said = iter(self._said(tensors))
            yield from (picture if isinstance(picture, str) else next(said) for picture in batch)

    def _said(self, tensors: list[torch.Tensor]) -> np.ndarray:
        """(B, C); nothing of no images."""
        if not tensors:
            return np.empty((0, len(self.classes)), np.float32)
        with torch.inference_mode():
            images = torch.stack(tensors).to(self.scale.device).contiguous(memory_format=torch.channels_last)
            return self.probabilities(images).cpu().numpy()

    def _pictures(self, images: Sequence[Given]) -> Iterator[Picture | str]:
        """Files by threads that run ahead."""
        if all(isinstance(image, str | Path) for image in images):
            files = (Path(image) for image in images if isinstance(image, str | Path))
            return decoded(files, self.image_size, self.about.preprocessing.resize)
        return (self._picture(image) for image in images)

    def _picture(self, image: Given) -> Picture | str:
        size, resize = self.image_size, self.about.preprocessing.resize
        if isinstance(image, str | Path):
            return read(Path(image), size, resize)
        try:
            return from_array(image, size, resize) if isinstance(image, np.ndarray) else from_image(image, size, resize)
        except (Unreadable, ValueError, TypeError, OSError, AttributeError) as error:
            return str(error) or type(error).__name__


def _tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1).float() / 255


def _called(image: Given) -> str:
    return str(image) if isinstance(image, str | Path) else f"An image given as {type(image).__name__}"
