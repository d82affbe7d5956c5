"""python -m benchmarks.run: ours, the usual ways and the floor, side by side in one run; one table and a parquet file.

Every measurement runs in a process of its own, in turns with what it is compared to, and the ratios are medians over the
rounds. With --smoke everything is tiny and drawn here: it shows that all of it runs, and says nothing of speed.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks import heads, nearest, next_trial, sharing, training, transferring
from benchmarks.table import Row
from benchmarks.work import Work
from trainables.data.sources import load

PARTS = ("training", "transfer", "heads", "knn", "sharing", "next_trial", "search")


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    print(machine(asked.threads), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for row in measured(asked, Path(folder)):
            rows.append(row)
            print(line(row), flush=True)
    print(f"wrote {write([as_columns(row) for row in rows], asked.out)}")
    return 0


def write(rows: list[dict[str, object]], out: Path) -> Path:
    """The table as parquet; as JSON beside it on a machine that trains only and has no pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        out = out.with_suffix(".json")
        out.write_text(json.dumps(rows))
        return out
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out


def measured(asked: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """The rows of the parts that were asked for, one after another."""
    tiny = asked.smoke
    root = draw(folder / "scenes", 105 if tiny else 2800, 32 if tiny else 256) if asked.root is None else asked.root
    sizes: dict[str, Any] = {"size": asked.image_size, "train": asked.train}
    if tiny:
        sizes = {"size": 32, "train": 66, "held_out": 20, "model": "small_cnn"}
    work = Work(root=root, threads=asked.threads, device=asked.device, **sizes)
    rounds = 1 if tiny else asked.rounds
    if "training" in asked.parts:
        yield from training.rows(work, rounds)
    if "transfer" in asked.parts:
        yield from transferring.rows(work, 1, asked.weights, *((2, 2) if tiny else (64, 50)))
    if "heads" in asked.parts:
        yield from heads.rows(*((40, 8, 4) if tiny else (1792, 512, 64)), asked.threads, rounds)
    if "knn" in asked.parts:
        yield from nearest.rows(*((40, 8) if tiny else (2240, 512)), asked.threads, rounds)
    if "sharing" in asked.parts:
        yield from sharing.rows(str(root), work.size, 1)
    if "next_trial" in asked.parts:
        yield from next_trial.rows(work.model, 32 if tiny else 64, rounds)
    if "search" in asked.parts:
        from benchmarks import searching

        yield from searching.rows(tiny, rounds)


def draw(root: Path, count: int, size: int) -> Path:
    """The embedded scenes as a folder of JPEGs, where no real images are given."""
    data = load(f"scenes:count={count}", size)
    for image, path in zip(data.images, data.paths, strict=True):
        target = (root / path).with_suffix(".png" if size < 64 else ".jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return root


def machine(threads: int) -> str:
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (f"{os.cpu_count()} cores ({platform.machine()}), {card}; torch {torch.__version__}, Python "
            f"{platform.python_version()}, {threads} threads; load average {loads}")  # fmt: skip


def line(row: Row) -> str:
    """One row of the table, as text."""
    parts = [f"{row.name}, {row.unit}: ours {middle(row.ours)}"]
    if row.times_peer is not None:
        parts.append(f"peer {middle(row.peer)} ({row.peer_name}): {row.times_peer:.3g} times the peer")
    if row.of_floor is not None:
        parts.append(f"floor {middle(row.floor)} ({row.floor_name}): {row.of_floor:.2f} of the floor")
    promised = f"; promised: {row.target}" if row.target else ""
    note = f"; {row.note}" if row.note else ""
    return "; ".join(parts) + f"{promised} [{len(row.ours)} rounds, load {row.load:.1f}{note}]"


def middle(figures: Sequence[float]) -> str:
    """The median, and the range where there is one."""
    spread = f" ({min(figures):.3g} to {max(figures):.3g})" if len(figures) > 1 else ""
    return f"{statistics.median(figures):.4g}{spread}"


def as_columns(row: Row) -> dict[str, object]:
    lists = {name: list(map(float, getattr(row, name))) for name in ("ours", "peer", "floor")}
    words = {name: getattr(row, name) for name in ("name", "unit", "peer_name", "floor_name", "target", "note", "load")}
    return words | lists | {"times_peer": row.times_peer, "of_floor": row.of_floor, "torch": torch.__version__}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny, in a minute; says nothing of speed")
    parser.add_argument("--root", type=Path, help="a folder of class folders of images; otherwise scenes are drawn")
    parser.add_argument(
        "--weights", default="none", help="of the network in the transfer search: imagenet, none, a file"
    )
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument(
        "--train", type=int, default=320, help="images of an epoch of fine-tuning; a GPU wants thousands"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--parts", type=lambda text: text.split(","), default=list(PARTS), help="of " + ", ".join(PARTS)
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks.parquet"), help="where the parquet file goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
