"""One cached data set on the disk, and how it is known to be whole.

    images.u8    N x S x S x 3 bytes, in index order
    meta.json    everything else about the data set, and in the end a digest of itself

Whenever it is opened, meta.json is held against its own digest, and images.u8 against its size and a digest of some of its
bytes; all of them are read where that is asked for. N = images, S = image size in pixels.
"""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from console.wording import many
from trainables.data.dataset import Dataset, Pixels

FORMAT = 3  # of both files and of how pictures are decoded; part of meta.json, so older caches are rebuilt
SAMPLES, SAMPLE_BYTES = 64, 4096  # of images.u8, evenly spread, that are looked at whenever it is opened
_SEAL = ', "seal": "'


class Item(NamedTuple):
    """One picture on its way into the cache."""

    image: Pixels  # (S, S, 3)
    label: int
    path: str
    difficulty: float | None = None
    notes: tuple[str, ...] = ()  # what was done to it, as in pictures.py


class LeftOut(NamedTuple):
    """Told among the pictures: which files come into no cache, and why."""

    what: str  # a sentence without its full stop


@dataclass(frozen=True)
class _Meta:
    format: int
    shape: list[int]
    classes: list[str]
    labels: list[int]
    paths: list[str]
    difficulty: list[float] | None
    digest: str
    notes: dict[str, int]  # how many images had each note
    left_out: list[str]
    samples: str  # sha256 over some of images.u8


def open_stored(folder: Path, name: str) -> Dataset | None:
    """The data set in `folder`; None if there is none that is whole."""
    try:
        meta = _Meta(**json.loads(_unsealed((folder / "meta.json").read_text(encoding="ascii"))))
        if meta.format != FORMAT or (folder / "images.u8").stat().st_size != math.prod(meta.shape):
            return None
        images = np.memmap(folder / "images.u8", dtype=np.uint8, mode="r", shape=tuple(meta.shape))
        labels = np.array(meta.labels, dtype=np.int64)
        if _sampled(images) != meta.samples or labels.min() < 0 or labels.max() >= len(meta.classes):
            return None
    except (OSError, ValueError, TypeError):
        return None
    return Dataset(
        name=name,
        images=images,
        labels=labels,
        classes=tuple(meta.classes),
        paths=tuple(meta.paths),
        difficulty=None if meta.difficulty is None else np.array(meta.difficulty, dtype=np.float64),
        digest=meta.digest,
        notes=(*(_note(text, count) for text, count in meta.notes.items()), *meta.left_out),
    )


def write_stored(folder: Path, size: int, classes: Sequence[str], items: Iterable[Item | LeftOut]) -> None:
    """Write both files into `folder`, through to the disk."""
    labels, paths, difficulty, left_out, notes = [], [], [], [], Counter[str]()
    digest = hashlib.sha256()
    with open(folder / "images.u8", "wb") as file:
        for item in items:
            if isinstance(item, LeftOut):
                left_out.append(item.what)
                continue
            assert item.image.dtype == np.uint8 and item.image.shape == (size, size, 3), item.path
            pixels = item.image.tobytes()
            file.write(pixels)
            digest.update(pixels)
            labels.append(item.label)
            paths.append(item.path)
            difficulty.append(item.difficulty)
            notes.update(item.notes)
        _flush(file)
    graded = [hardness for hardness in difficulty if hardness is not None]
    meta = _Meta(
        format=FORMAT,
        shape=[len(labels), size, size, 3],
        classes=list(classes),
        labels=labels,
        paths=paths,
        difficulty=graded if len(graded) == len(labels) else None,
        digest=_with_names(digest, labels, paths),
        notes=dict(notes),
        left_out=left_out,
        samples=_sampled(np.memmap(folder / "images.u8", dtype=np.uint8, mode="r")),
    )
    with open(folder / "meta.json", "w", encoding="ascii") as file:
        file.write(_sealed(json.dumps(asdict(meta))))
        _flush(file)


def digest_of(data: Dataset) -> str:
    """What Dataset.digest should be, from every image, label and path."""
    digest = hashlib.sha256()
    for image in data.images:
        digest.update(image)
    return _with_names(digest, data.labels.tolist(), data.paths)


def _with_names(digest: Any, labels: Sequence[int], paths: Sequence[str]) -> str:
    """The digest of images, told their labels and paths as well."""
    digest.update(np.array(labels, dtype="<i8").tobytes())
    digest.update("\0".join(paths).encode())
    return str(digest.hexdigest())


def _sampled(images: Pixels) -> str:
    """sha256 over SAMPLES pieces of the pixels, from the first byte to the last."""
    flat, digest = images.reshape(-1), hashlib.sha256()
    for start in np.linspace(0, max(0, len(flat) - SAMPLE_BYTES), SAMPLES).astype(np.int64):
        digest.update(flat[start : start + SAMPLE_BYTES].tobytes())
    return digest.hexdigest()


def _sealed(text: str) -> str:
    """A JSON object with the digest of its text as one more field."""
    return f'{text[:-1]}{_SEAL}{hashlib.sha256(text.encode()).hexdigest()}"}}'


def _unsealed(sealed: str) -> str:
    """The inverse. Raises ValueError where the text is not what was sealed."""
    text = sealed.rpartition(_SEAL)[0] + "}"
    if _sealed(text) != sealed:
        raise ValueError("meta.json is not as it was written")
    return text


def _note(text: str, count: int) -> str:
    return f"{many(count, 'image')} {text.format(were='was' if count == 1 else 'were')}"


def _flush(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
