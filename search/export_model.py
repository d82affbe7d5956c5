"""A trained network for programs without this one: as ONNX or as TorchScript, held against torch before it is written.

What is written takes float RGB images (B, 3, S, S) in [0, 1] and gives probabilities (B, C); normalisation is inside,
the rule by which a picture becomes (S, S) stands in its metadata. B = images, S = pixels a side, C = classes.
"""

import io
import json
import logging
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from console.arguments import DONE
from console.errors import UsageError
from console.wording import many
from records.files import write_bytes
from records.outputs import check_file, written
from search.predict import called, find_images
from trainables.portable.load import find_model, open_model, setting_in
from trainables.portable.model import PortableModel
from trainables.preparation import load_data

CHECKED = 100  # images
BATCHES = (1, 24)  # sizes of the batches that it is checked in, in turn
TOLERANCE = 1e-5  # of a probability
Run = Callable[[torch.Tensor], np.ndarray]  # (B, 3, S, S) -> (B, C)


class Probabilities(nn.Module):
    """What is exported."""

    def __init__(self, model: PortableModel):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C) of (B, 3, S, S)."""
        return self.model.probabilities(images)


def export_model(
    place: Path, kind: str, out: Path, trial: int | None = None, overwrite: bool = False, images: Path | None = None
) -> int:
    """Write the network of a run folder, or of a best.safetensors, in this format. Raises UsageError before that."""
    check_file(out, overwrite)
    convert = CONVERTERS[kind]
    convert.check()
    file, about = find_model(place, trial)
    model = open_model(file, about)
    batch = _pictures(model, images) if images else _pictures_of_run(file)
    with _quiet():
        try:
            content, run = convert(Probabilities(model).eval(), batch[:2], _metadata(model))
        except (RuntimeError, NotImplementedError, ValueError) as error:
            why = str(error).strip().split("\n")[0] or type(error).__name__
            raise UsageError(
                f"{about.architecture} cannot be written as {kind} ({why}); take the other format."
            ) from None
    apart = difference(model, run, batch)
    if not apart <= TOLERANCE:
        raise UsageError(f"{out} is not written: as {kind} the network gives probabilities that are {apart:.1e} from "
                         f"torch's on {many(len(batch), 'image')}, where {TOLERANCE:g} is allowed.")  # fmt: skip
    with written(out):
        write_bytes(out, content)
    print(f"{out}: {called(about)}; probabilities within {apart:.1e} of torch's on {many(len(batch), 'image')}")
    return DONE


def difference(model: PortableModel, run: Run, batch: torch.Tensor) -> float:
    """The largest difference of a probability; not a number where there is one that is none."""
    apart, start = [0.0], 0
    for turn in range(len(batch)):
        part = batch[start : start + BATCHES[turn % len(BATCHES)]]
        if not len(part):
            break
        with torch.inference_mode():
            wanted = model.probabilities(part).numpy()
        apart.append(float(np.abs(run(part) - wanted).max()))
        start += len(part)
    return float(np.max(apart))


def _pictures(model: PortableModel, place: Path) -> torch.Tensor:
    """(B, 3, S, S) of files that the user names."""
    files, _ = find_images([place])
    said = [model.preprocess(file) for file in files[:CHECKED]]
    if len(said) < 2:
        raise UsageError(f"--images {place} has {many(len(said), 'picture')}; the export is checked on two or more.")
    return torch.stack(said)


def _pictures_of_run(file: Path) -> torch.Tensor:
    """(B, 3, S, S) of validation and test of the trial's run. Raises UsageError where its data are not here."""
    try:
        data, split = load_data(setting_in(file))
    except UsageError as error:
        raise UsageError(f"The export is checked on pictures, and those of the run are not here "
                         f"({str(error).rstrip('.')}); pass --images FOLDER with some.") from None  # fmt: skip
    index = np.concatenate([split.validation, split.test])[:CHECKED]
    return torch.from_numpy(np.asarray(data.images[index])).permute(0, 3, 1, 2).float() / 255


def _metadata(model: PortableModel) -> str:
    """What the file says of itself, and what goes in and comes out."""
    size, classes = model.image_size, len(model.classes)
    more = {
        "input": {"name": "images", "shape": ["batch", 3, size, size], "type": "float32", "range": [0, 1]},
        "normalised": "inside",
        "output": {"name": "probabilities", "shape": ["batch", classes], "type": "float32"},
    }
    return json.dumps(model.about.model_dump(mode="json") | more)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say to developers."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


class TorchScript:
    """By tracing, which torch keeps for inference though it is deprecated for new work."""

    def check(self) -> None:
        """Nothing is needed beside torch."""

    def __call__(self, network: nn.Module, example: torch.Tensor, metadata: str) -> tuple[bytes, Run]:
        """The file's content, and what it says when it is loaded again."""
        with torch.no_grad():
            traced = torch.jit.trace(network, example, check_trace=False)
        written = io.BytesIO()
        torch.jit.save(traced, written, _extra_files={"model.json": metadata})
        content = _without_sources(written)
        loaded = torch.jit.load(io.BytesIO(content))  # what was written just now, and nobody else's

        def run(images: torch.Tensor) -> np.ndarray:
            with torch.no_grad():
                said: np.ndarray = loaded(images).numpy()
            return said

        return content, run


def _without_sources(archive: io.BytesIO) -> bytes:
    """The archive without the lines of source, and their places on this machine, that torch keeps for tracebacks."""
    kept = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as new:
        for member in old.infolist():
            if not member.filename.endswith(".debug_pkl"):
                new.writestr(member.filename, old.read(member))
    return kept.getvalue()


class Onnx:
    """By torch's own exporter; wants the extra `onnx`."""

    def check(self) -> None:
        """Raises UsageError where a package is missing."""
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise UsageError(
                f"--format onnx wants the package {error.name}; install it with pip install -e '.[onnx]'."
            ) from None

    def __call__(self, network: nn.Module, example: torch.Tensor, metadata: str) -> tuple[bytes, Run]:
        """The file's content, and what onnxruntime says of it."""
        import onnxruntime

        program = torch.onnx.export(
            network, (example,), dynamo=True, verbose=False, input_names=["images"], output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
        assert program is not None
        proto = program.model_proto
        for part in (proto.graph, *proto.graph.node, *(node for made in proto.functions for node in made.node)):
            del part.metadata_props[:]  # lines of source and their places on this machine
        proto.metadata_props.add(key="model", value=metadata)
        content: bytes = proto.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return content, lambda images: np.asarray(session.run(None, {"images": images.numpy()})[0])


CONVERTERS: dict[str, TorchScript | Onnx] = {"onnx": Onnx(), "torchscript": TorchScript()}
